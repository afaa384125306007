"""Speech to text and subtitles on the command line, natively and in a WebAssembly sandbox.

As a library: ``whisperctl.transcribe("talk.mp3", model="base")`` gives a ``Transcript``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whisperctl.api import transcribe
    from whisperctl.decoding import DecodeOptions
    from whisperctl.errors import (
        AudioError,
        BackendError,
        ModelError,
        OutputError,
        UsageError,
        WhisperctlError,
    )
    from whisperctl.speech import VadOptions
    from whisperctl.transcript import Segment, Token, Transcript, Word

__version__ = "0.1.0"

__all__ = [
    "AudioError",
    "BackendError",
    "DecodeOptions",
    "ModelError",
    "OutputError",
    "Segment",
    "Token",
    "Transcript",
    "UsageError",
    "VadOptions",
    "WhisperctlError",
    "Word",
    "__version__",
    "transcribe",
]

_HOMES = {
    **dict.fromkeys(__all__, "errors"),
    "transcribe": "api",
    "DecodeOptions": "decoding",
    "VadOptions": "speech",
    **dict.fromkeys(("Segment", "Token", "Transcript", "Word"), "transcript"),
}


def __getattr__(name: str) -> object:
    # Only when it is asked for: the command's own start must not wait for it.
    from whisperctl.lazy import attribute

    return attribute(__name__, _HOMES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
