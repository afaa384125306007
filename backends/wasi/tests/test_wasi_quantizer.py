"""Quantization in the sandbox, request by request."""

from __future__ import annotations

import numpy as np
import pytest

from whisperctl.engine.protocol import OpenOptions
from whisperctl.errors import BackendError, GuestError
from whisperctl_wasi import WasiBackend, modules


@pytest.mark.parametrize("variant", [modules.THREADS, modules.PORTABLE])
def test_values_come_back_within_half_a_step(
    runtime: str, variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(modules.VARIANT_VARIABLE, variant)
    values = np.random.default_rng(1).standard_normal((40, 96)).astype(np.float32)
    with WasiBackend().open_quantizer(OpenOptions(runtime=runtime)) as quantizer:
        blocks = np.frombuffer(quantizer.quantize(values, "q8_0"), np.uint8).reshape(-1, 34)
    steps = blocks[:, :2].copy().view("<f2").astype(np.float32)
    again = (steps * blocks[:, 2:].copy().view(np.int8)).reshape(values.shape)
    # Half a step for rounding the value, and a little for rounding the step itself to float16.
    limit = np.repeat(np.abs(values).reshape(-1, 32).max(1), 32).reshape(values.shape) / 127 * 0.57
    assert (np.abs(again - values) <= limit).all()


@pytest.mark.slow
def test_rows_may_come_in_any_number_of_parts(runtime: str) -> None:
    values = np.random.default_rng(2).standard_normal((2048, 1024)).astype(np.float32)
    with WasiBackend().open_quantizer(OpenOptions(runtime=runtime)) as quantizer:
        at_once = quantizer.quantize(values, "q5_1")
        in_parts = [quantizer.quantize(values[i : i + 500], "q5_1") for i in range(0, 2048, 500)]
    assert at_once == b"".join(in_parts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "type_name", "said"),
    [
        ((2, 33), "q8_0", "multiple of 32"),
        ((0, 32), "q8_0", '"rows" must be an integer from 1'),
        ((1, 32), "q8_1", '"type" must be q4_0'),
        ((2049, 1024), "q8_0", "at most 2097152 values"),
    ],
)
def test_a_request_that_is_wrong_ends_the_guest_with_a_reason(
    shape: tuple[int, int], type_name: str, said: str
) -> None:
    quantizer = WasiBackend().open_quantizer(OpenOptions())
    with pytest.raises(GuestError, match=said):
        quantizer.quantize(np.zeros(shape, np.float32), type_name)
    with pytest.raises(BackendError, match="already closed"):
        quantizer.quantize(np.zeros((1, 32), np.float32), "q8_0")
    quantizer.close()
