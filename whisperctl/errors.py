"""Every error whisperctl raises on purpose.

::

    WhisperctlError
    ├── UsageError      an option or argument is wrong; exit code 2
    ├── AudioError      a media file is missing, empty, damaged, or contains no audio
    │   ├── UnsupportedMediaError  a decoder does not read this kind of file; another may
    │   └── DecoderStoppedError    a decoder ended before the recording did
    ├── ModelError      a model is missing, truncated, or not a ggml file
    │   └── UnknownModelError      no model has a name; a UsageError too
    ├── BackendError    a backend is unknown or unavailable, or its engine failed
    │   └── GuestError  the program inside the sandbox trapped, aborted, or broke the protocol
    ├── PluginError     a decoder, filter or executor does not load, or is for another version
    ├── SubtitleError   a subtitle file is missing, damaged, or something else
    └── OutputError     a result could not be written

A message is one line: what is wrong, with which file, and what to do about it. Whatever a message
quotes, such as an engine's own words, it holds no control character. Lower layers raise; only
``whisperctl.cli`` prints or exits.
"""

from __future__ import annotations

from whisperctl.text import on_one_line


class WhisperctlError(Exception):
    """Base of every error whisperctl raises on purpose; its text is fit to show to a person."""

    def __str__(self) -> str:
        return on_one_line(super().__str__())


class UsageError(WhisperctlError):
    """An option or an argument is wrong."""


class AudioError(WhisperctlError):
    """A media file is missing, empty, damaged, or contains no audio."""


class UnsupportedMediaError(AudioError):
    """A decoder does not read this kind of file; another may."""


class DecoderStoppedError(AudioError):
    """A decoder ended without a word about the recording: what it gave before is not the whole."""


class ModelError(WhisperctlError):
    """A model is unknown, missing, truncated, or not a ggml Whisper file."""


class UnknownModelError(ModelError, UsageError):
    """A name is neither an installed nor a published model's."""


class BackendError(WhisperctlError):
    """A backend is unknown or unavailable, or its engine failed."""


class GuestError(BackendError):
    """The program inside the sandbox trapped, aborted, or broke the protocol."""


class PluginError(WhisperctlError):
    """A decoder, filter or executor cannot be loaded, or was written for another version."""


class SubtitleError(WhisperctlError):
    """A subtitle file is missing, damaged, or something else."""


class OutputError(WhisperctlError):
    """A result could not be written."""
