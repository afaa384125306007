"""Quantization in the library that the bindings were linked with."""

from __future__ import annotations

import numpy as np
import pytest

from whisperctl.engine.protocol import OpenOptions
from whisperctl.errors import BackendError
from whisperctl_native import NativeBackend, library


def test_a_library_without_the_function_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "_library", object)
    quantizer = NativeBackend().open_quantizer(OpenOptions())
    with pytest.raises(BackendError, match="use another backend"):
        quantizer.quantize(np.zeros((1, 32), np.float32), "q8_0")
