"""The error tree is public: its names and their order are pinned here."""

from __future__ import annotations

import inspect

from whisperctl import errors


def test_every_error_is_a_whisperctl_error_and_is_drawn_in_the_docstring() -> None:
    classes = {
        name: cls
        for name, cls in vars(errors).items()
        if inspect.isclass(cls) and cls.__module__ == errors.__name__
    }
    assert set(classes) == {
        "AudioError",
        "BackendError",
        "DecoderStoppedError",
        "GuestError",
        "ModelError",
        "OutputError",
        "PluginError",
        "SubtitleError",
        "UnknownModelError",
        "UnsupportedMediaError",
        "UsageError",
        "WhisperctlError",
    }
    assert all(issubclass(cls, errors.WhisperctlError) for cls in classes.values())
    assert issubclass(errors.GuestError, errors.BackendError)
    assert issubclass(errors.UnsupportedMediaError, errors.AudioError)
    assert errors.__doc__ is not None
    assert all(name in errors.__doc__ for name in classes)
