"""The two kinds of models there are: Whisper, which transcribes, and Silero, which finds speech."""

from __future__ import annotations

from pathlib import Path

from whisperctl.models import ggml, silero


def check(path: Path) -> ggml.ModelInfo | None:
    """Check that ``path`` is a whole model of either kind; says more only of Whisper models.

    Raises:
        ModelError: it cannot be read, is something else, or is truncated or otherwise damaged; the
            message says which.
    """
    if silero.is_silero(path):
        silero.inspect(path)
        return None
    return ggml.inspect(path)
