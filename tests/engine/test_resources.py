"""The process's peak memory."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import printed_by
from whisperctl.engine.resources import peak_memory_bytes

_MIB = 1 << 20
_CODE = (
    "from whisperctl.engine.resources import peak_memory_bytes\n"
    "before = peak_memory_bytes()\n"
    "held = bytearray(100 << 20)\n"
    "del held\n"
    "print(before, peak_memory_bytes())"
)


@pytest.mark.skipif(sys.platform == "win32", reason="not known on Windows")
def test_is_in_bytes_and_remembers_what_was_freed() -> None:
    # From a bigger process than the one that measures, whose own size must not show.
    ballast = b"x" * (200 * _MIB)
    out = printed_by(_CODE)
    del ballast

    before, after = map(int, out.split())
    if sys.platform == "linux":
        assert 5 * _MIB < before < 100 * _MIB
        assert 95 * _MIB < after - before < 120 * _MIB
    assert after > before
    own = peak_memory_bytes()
    assert own is not None
    assert own > 200 * _MIB
