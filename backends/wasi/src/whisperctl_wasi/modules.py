"""The WebAssembly modules this package ships."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from whisperctl.errors import BackendError
from whisperctl_wasi.host.guest import Program

THREADS = "whisper-threads"
"""Shared memory, wasi-threads and relaxed SIMD: what both runtimes can do."""

PORTABLE = "whisper"
"""SIMD128 and nothing else: what every WASI runtime can do, on one thread."""

MEDIA = "media"
"""FFmpeg's demuxers and decoders, on one thread, for every WASI runtime."""

VARIANT_VARIABLE = "WHISPERCTL_WASI_VARIANT"


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


def _find(name: str, library: str) -> tuple[Path, str, str]:
    """Path and SHA-256 of a module, and the version of the library that it was made of."""
    folder = Path(__file__).parent
    path = folder / f"{name}.wasm"
    try:
        record = json.loads((folder / "build.json").read_text("utf-8"))
        if not path.is_file():
            raise FileNotFoundError(path)
        return path, record["modules"][name]["sha256"], record[library]
    except (OSError, ValueError, KeyError) as error:
        raise BackendError(
            f"{path.name} is missing from the installed package; install the whisperctl-wasi wheel "
            "again, or run `make wasm` in a checkout"
        ) from error
