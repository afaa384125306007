"""Quantization in the library that the bindings were linked with."""

from __future__ import annotations

import numpy as np
import pytest

from whisperctl.errors import BackendError
from whisperctl_native import NativeBackend, library


def test_blocks_are_those_of_the_format() -> None:
    values = np.arange(-32, 32, dtype=np.float32).reshape(2, 32)
    with NativeBackend().open_quantizer() as quantizer:
        blocks = np.frombuffer(quantizer.quantize(values, "q8_0"), np.uint8).reshape(2, 34)
    steps = np.abs(values).max(1) / np.float32(127)
    assert (blocks[:, :2].copy().view("<f2").ravel() == steps.astype("<f2")).all()
    expected = np.trunc(values / steps[:, None] + np.copysign(np.float32(0.5), values))
    assert (blocks[:, 2:].copy().view(np.int8) == expected).all()


def test_rows_that_fit_no_block_are_refused() -> None:
    with pytest.raises(BackendError, match="a multiple of 32"):
        NativeBackend().open_quantizer().quantize(np.zeros((2, 40), np.float32), "q8_0")


def test_a_runtime_it_has_not_is_refused() -> None:
    with pytest.raises(BackendError, match="has no runtime"):
        NativeBackend().open_quantizer(runtime="wasmtime")


def test_a_library_without_the_function_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_library", object)
    with pytest.raises(BackendError, match="use the wasi backend"):
        NativeBackend().open_quantizer().quantize(np.zeros((1, 32), np.float32), "q8_0")
