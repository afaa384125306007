"""The WebAssembly modules this package ships."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from whisperctl.errors import BackendError
from whisperctl_wasi.host.guest import Program

THREADS = "whisper-threads"
"""Shared memory, wasi-threads and relaxed SIMD: what both runtimes can do."""

PORTABLE = "whisper"
"""SIMD128 and nothing else: what every WASI runtime can do, on one thread."""

MEDIA = "media"
"""FFmpeg's demuxers and decoders, on one thread, for every WASI runtime."""

VARIANT_VARIABLE = "WHISPERCTL_WASI_VARIANT"

_FIX = "install the whisperctl-wasi wheel again, or run `make wasm` in a checkout"


class _Built(msgspec.Struct, frozen=True):
    sha256: str


class _Build(msgspec.Struct, frozen=True):
    """What the build recorded of the modules and the libraries in them."""

    whisper: str
    ffmpeg: str
    modules: dict[str, _Built]


@dataclass(frozen=True, slots=True)
class Module(Program):
    """A shipped module: its file, the SHA-256 its build recorded, and whisper.cpp's version."""

    whisper_version: str


@dataclass(frozen=True, slots=True)
class MediaModule(Program):
    """``media.wasm``: its file, the SHA-256 its build recorded, and FFmpeg's version."""

    ffmpeg_version: str


def find(variant: str | None = None) -> Module:
    """The module of ``variant``; by default the one ``WHISPERCTL_WASI_VARIANT`` names, or THREADS.

    Raises:
        BackendError: the variant is unknown, or the package was installed without its modules.
    """
    variant = variant or os.environ.get(VARIANT_VARIABLE) or THREADS
    if variant not in (THREADS, PORTABLE):
        raise BackendError(
            f'{VARIANT_VARIABLE}: there is no variant "{variant}"; use {THREADS} or {PORTABLE}'
        )
    return Module(*_find(variant, "whisper"))


def media() -> MediaModule:
    """The module that reads media files.

    Raises:
        BackendError: the package was installed without its modules.
    """
    return MediaModule(*_find(MEDIA, "ffmpeg"))


def _find(name: str, library: Literal["whisper", "ffmpeg"]) -> tuple[Path, str, str]:
    """Path and SHA-256 of a module, and the version of the library that it was made of."""
    folder = Path(__file__).parent
    path = folder / f"{name}.wasm"
    missing = f"{path.name} is missing from the installed package; {_FIX}"
    try:
        record = (folder / "build.json").read_bytes()
    except OSError as error:
        raise BackendError(missing) from error
    if not path.is_file():
        raise BackendError(missing)
    try:
        build = msgspec.json.decode(record, type=_Build)
        return path, build.modules[name].sha256, getattr(build, library)
    except (KeyError, RecursionError, UnicodeDecodeError, msgspec.DecodeError) as error:
        raise BackendError(f"build.json does not describe {path.name}: {_FIX}") from error
