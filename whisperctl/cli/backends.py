"""``whisperctl backends``: installed backends and decoders, and why one does not work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli.support import console
from whisperctl.cli.support.command import Command
from whisperctl.errors import PluginError

if TYPE_CHECKING:
    from whisperctl.cli.support.command import Context
    from whisperctl.engine.registry import InstalledBackend


class BackendsCommand(Command):
    """The command, which is a group of one to those who know ``models list``."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the command line, which may begin with ``list``."""
        return super().parse_args(ctx, args[1:] if args[:1] == ["list"] else args)


def backends(
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON document.")] = False,
) -> None:
    """List backends, runtimes, CPU features and decoders.

    For a backend, runtime or decoder that does not work, print why, and what to install. Decoders
    are listed in the order in which they are tried, those last that are only used with --decoder.
    The JSON document is about backends alone.
    """
    from whisperctl.engine import registry

    found = registry.probe()
    if as_json:
        import json

        console.result(json.dumps([_fields(one) for one in found], indent=2))
        return
    for one in found:
        _print(one)
    _print_decoders()


def _print(found: InstalledBackend) -> None:
    info = found.info
    if info is None:
        console.paragraph(f"{found.name}: not available: {found.problem}", indent=4)
        return
    console.result(f"{info.name} {info.version}: {info.library}")
    for runtime in info.runtimes:
        state = f"not available: {runtime.problem}" if runtime.problem else "available"
        console.paragraph(f"    {f'{runtime.name} {runtime.version}'.rstrip()}: {state}", indent=8)
    if system_info := _system_info(found):
        console.paragraph(f"    {system_info}", indent=8)


def _system_info(found: InstalledBackend) -> str:
    from whisperctl.engine import registry

    works = found.info is not None and found.info.available
    return registry.system_info(found.name).strip() if works else ""


def _print_decoders() -> None:
    from whisperctl.audio.decoders import registry

    console.result("decoders:")
    try:
        tried = {decoder.name for decoder in registry.choose(registry.AUTO)}
    except PluginError:
        tried = set()
    for one in registry.describe():
        info = one.info
        if info is None:
            console.paragraph(f"    {one.name}: not available: {one.problem}", indent=8)
            continue
        state = f"not available: {info.problem}" if info.problem else "available"
        only = "" if one.name in tried else f", only with --decoder {one.name}"
        text = f"    {info.name} {info.version}, {info.library}: {state}{only}"
        console.paragraph(text, indent=8)


def _fields(found: InstalledBackend) -> dict[str, object]:
    from dataclasses import asdict

    info = found.info
    if info is None:
        return {"name": found.name, "available": False, "problem": found.problem}
    runtimes = [
        {**asdict(r), "files": [str(path) for path in r.files], "available": r.available}
        for r in info.runtimes
    ]
    return {
        **asdict(info),
        "runtimes": runtimes,
        "system_info": _system_info(found),
        "available": info.available,
        "problem": None,
    }
