"""The text that decoding is conditioned on."""

from __future__ import annotations

from collections.abc import Sequence

from whisperctl.transcript import Segment

_LENGTH = 1000
"""Characters kept: a decoder's prompt holds half its context, 224 tokens, and takes the last."""

_RESET_TEMPERATURE = 0.5
"""Text decoded at a higher temperature conditions nothing, as in openai-whisper."""


def tail(segments: Sequence[Segment]) -> str:
    """The end of what was said, to condition on."""
    texts: list[str] = []
    length = 0
    for segment in reversed(segments):
        hot = segment.temperature is not None and segment.temperature > _RESET_TEMPERATURE
        if hot or length >= _LENGTH:
            break
        texts.append(segment.text)
        length += len(segment.text)
    return "".join(reversed(texts))
