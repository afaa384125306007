"""How far text repeats itself: openai-whisper's measure of it."""

from __future__ import annotations

import zlib


def ratio(text: str) -> float:
    """Length in bytes over length deflated: openai-whisper's ``compression_ratio``."""
    data = text.encode("utf-8", errors="replace")
    return len(data) / len(zlib.compress(data))
