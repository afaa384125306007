"""The commands, each loaded when it is called; ``--help`` needs only their summaries."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main

from whisperctl import __version__
from whisperctl.cli.support.command import Command, Group, TranscribeCommand
from whisperctl.errors import UsageError
from whisperctl.text import quoted

if TYPE_CHECKING:
    from whisperctl.cli.support.command import ClickCommand, Context, HelpFormatter


SUMMARIES = {
    "transcribe": "Transcribe recordings to text and subtitles.",
    "compare": "Compare speed and output of engines, models and quantizations.",
    "tune": "Find the fastest engine and number of threads on this machine.",
    "probe": "Show container, audio tracks and duration of media files.",
    "backends": "List backends, runtimes, CPU features and decoders.",
    "filters": "List, apply and measure audio filters.",
    "doctor": "Check that everything a run needs is installed and works.",
    "completion": "Print a script for completion in bash, zsh or fish.",
    "models": "Download, import, quantize, verify and remove models.",
    "subtitles": "Convert, check, shift and fix subtitle files.",
    "config": "Show the configuration file and the value of every option.",
}
"""Summary of each command, by its name, which is also its module's."""


class Commands(MutableMapping[str, "ClickCommand"]):
    """Commands, each loaded when it is first looked up."""

    def __init__(self) -> None:
        self._loaded: dict[str, ClickCommand] = {}
        self._names = list(SUMMARIES)

    def __getitem__(self, name: str) -> ClickCommand:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: ClickCommand) -> None:
        if name not in self._names:
            self._names.append(name)
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        self._names.remove(name)
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Root(Group):
    """``whisperctl`` itself."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "commands": None})
        self.commands = Commands()

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:
        """Parse the options of ``whisperctl`` itself.

        Raises:
            UsageError: the first is an option of a command, and a recording follows.
        """
        typed = () if ctx.resilient_parsing else args[:1]
        own = {name for param in self.get_params(ctx) for name in param.opts}
        if any(word.startswith("-") for word in typed) and own.isdisjoint(args):
            for recording in filter(_is_recording, args[1:]):
                raise _without_command(recording, args)
        return super().parse_args(ctx, args)

    def resolve_command(
        self, ctx: Context, args: list[str]
    ) -> tuple[str | None, ClickCommand | None, list[str]]:
        """Find the command that the first argument names.

        Raises:
            UsageError: it is a recording's name, or a command of a group, or there is none.
        """
        if not ctx.resilient_parsing and args and args[0] not in SUMMARIES:
            if _is_recording(args[0]):
                raise _without_command(args[0], args)
            for name in SUMMARIES:
                group = self.commands[name]
                if isinstance(group, Group) and args[0] in group.commands:
                    line = shlex.join(["whisperctl", name, *args])
                    raise UsageError(f"{quoted(args[0])} is a command of {name}: run {line}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


def _without_command(recording: str, args: list[str]) -> UsageError:
    from whisperctl.storage.urls import is_url

    # Not what a URL may hold of a password or signature.
    shown = ["URL" if is_url(word) else word for word in args]
    line = shlex.join(["whisperctl", "transcribe", *shown])
    return UsageError(f"{quoted(recording)} is not a command: run {line}")


def _is_recording(word: str) -> bool:
    """Return true if what stands where a command belongs is a recording, there or not."""
    if word in SUMMARIES or word.startswith("-"):
        return False
    from whisperctl.jobs.sources import EXTENSIONS
    from whisperctl.storage.urls import is_url

    path = Path(word)
    return is_url(word) or path.suffix[1:].lower() in EXTENSIONS or path.is_file()


def _load(name: str) -> ClickCommand:
    """Load a command from its module: a group is an ``app``, others a function of the same name."""
    module = import_module(f"whisperctl.cli.{name}")
    if hasattr(module, "app"):
        command: ClickCommand = typer.main.get_group(module.app)
    else:
        own = TranscribeCommand if name == "transcribe" else Command
        kind = getattr(module, f"{name.capitalize()}Command", own)
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name, cls=kind)(getattr(module, name))
        command = typer.main.get_command(alone)
    command.name = name
    return command


app = typer.Typer(
    cls=Root,
    # Without rich, which takes longer to start than everything else together.
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    # `--output_format`, as OpenAI's whisper spells its options, is `--output-format`.
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 90,
        "token_normalize_func": lambda token: token.replace("_", "-"),
    },
    help="Speech to text and subtitles, with backends you can compare.",
    epilog=(
        "Exit codes: 0 success; 1 at least one recording failed; 2 usage error; 129 terminated by "
        "SIGHUP, as when a terminal is closed; 130 interrupted by Ctrl-C; 141 the reader of "
        "standard output is gone; 143 terminated by SIGTERM."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"whisperctl {__version__}")
        raise typer.Exit


@app.callback()
def _whisperctl(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            "-V",
            help="Print the version and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    pass
