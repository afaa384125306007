"""Speech to text and subtitles on the command line, natively and in a WebAssembly sandbox.

As a library: ``whisperctl.transcribe("talk.mp3", model="base")`` returns a ``Transcript``;
``whisperctl.Transcriber`` keeps the model loaded for many recordings, ``whisperctl.write`` makes
subtitles, and ``whisperctl.pull`` installs a model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whisperctl.api import Audio, Progress, Transcriber, pull, transcribe, write
    from whisperctl.errors import (
        AudioError,
        BackendError,
        ModelError,
        OutputError,
        PluginError,
        UnknownModelError,
        UsageError,
        WhisperctlError,
    )
    from whisperctl.options import DecodeOptions, SubtitleOptions, VadOptions
    from whisperctl.transcript import Segment, Token, Transcript, Word

__version__ = "0.1.0"

__all__ = [
    "Audio",
    "AudioError",
    "BackendError",
    "DecodeOptions",
    "ModelError",
    "OutputError",
    "PluginError",
    "Progress",
    "Segment",
    "SubtitleOptions",
    "Token",
    "Transcriber",
    "Transcript",
    "UnknownModelError",
    "UsageError",
    "VadOptions",
    "WhisperctlError",
    "Word",
    "__version__",
    "pull",
    "transcribe",
    "write",
]

_HOMES = {
    **dict.fromkeys(__all__, "errors"),
    **dict.fromkeys(("Audio", "Progress", "Transcriber", "pull", "transcribe", "write"), "api"),
    **dict.fromkeys(("DecodeOptions", "SubtitleOptions", "VadOptions"), "options"),
    **dict.fromkeys(("Segment", "Token", "Transcript", "Word"), "transcript"),
}


def __getattr__(name: str) -> object:
    # Imported on first use: the start of the command must not wait for it.
    if name not in _HOMES:
        raise AttributeError(f'module "{__name__}" has no attribute "{name}"')
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
