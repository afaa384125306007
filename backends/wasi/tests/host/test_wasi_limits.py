"""Limits as a person sets them."""

from __future__ import annotations

import numpy as np
import pytest

from whisperctl.engine.protocol import OpenOptions
from whisperctl.errors import GuestError, UsageError
from whisperctl_wasi import WasiBackend
from whisperctl_wasi.host.limits import VARIABLE, Limits, limits_for


def test_without_a_setting_the_defaults_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert limits_for("decoder", idle_s=60.0) == Limits(idle_s=60.0)


def test_a_setting_comes_before_the_default_and_one_for_this_use_before_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(
        VARIABLE, "decoder.idle=20s, memory=1.5G,idle=1:30, threads=0,filter.memory=64MiB,errors=1k"
    )
    decoder = limits_for("decoder", idle_s=60.0, memory_bytes=1 << 20, output_bytes=1 << 20)
    assert decoder == Limits(
        memory_bytes=3 << 29, threads=0, output_bytes=1 << 20, error_bytes=1 << 10, idle_s=20
    )
    assert limits_for("filter").memory_bytes == 64 << 20
    assert limits_for("engine").idle_s == 90


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memory", '"memory" is not a limit: write NAME=VALUE, such as idle=20'),
        ("memory=1G,", '"" is not a limit: write NAME=VALUE, such as idle=20'),
        ("memry=1G", 'unknown limit "memry": did you mean "memory"?'),
        ("decodr.memory=1G", 'unknown kind of guest "decodr": did you mean "decoder"?'),
        ("memory=lots", 'memory is "lots": set a size from 1M to 4G'),
        ("memory=5G", 'memory is "5G": set a size from 1M to 4G'),
        ("memory=0", 'memory is "0": set a size from 1M to 4G'),
        (f"output={'9' * 400}G", f'output is "{"9" * 400}G": set a size from 1K to 1G'),
        ("threads=1.5", 'threads is "1.5": set a number from 0 to 1000'),
        ("threads=-1", 'threads is "-1": set a number from 0 to 1000'),
        ("idle=0", 'idle is "0": set seconds from 1 to 86400'),
        ("idle=inf", 'idle is "inf": set seconds from 1 to 86400'),
        ("idle=nan", 'idle is "nan": set seconds from 1 to 86400'),
        ("engine.start=\x1b[2J", r'engine.start is "\x1b[2J": set seconds from 1 to 86400'),
    ],
)
def test_what_cannot_be_read_is_one_line(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the guest is for: a mistake in another's limit is not passed over."""
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(UsageError) as caught:
        limits_for("quantizer")
    assert str(caught.value) == f"environment variable {VARIABLE}: {message}"


def test_a_limit_that_is_set_ends_the_guest(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "quantizer.output=1K,quantizer.errors=1K")
    values = np.zeros((100, 32), np.float32)
    with (
        WasiBackend().open_quantizer(OpenOptions(runtime=runtime)) as quantizer,
        pytest.raises(GuestError, match="it wrote more than 1 KiB of output"),
    ):
        quantizer.quantize(values, "q8_0")
