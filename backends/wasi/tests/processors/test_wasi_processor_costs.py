"""Thousands of processors at once."""

from __future__ import annotations

import psutil
import pytest

from whisperctl_wasi.processors import Module
from whisperctl_wasi.processors.filters import FOLDER


@pytest.mark.slow
def test_ten_thousand_instances_run_in_one_process_and_leave_nothing() -> None:
    module = Module.load(FOLDER / "gain.wasm")
    module.instance(16_000, 1, 512).close()
    process = psutil.Process()
    before = process.num_threads(), process.num_fds(), process.memory_info().rss
    instances = [module.instance(16_000, 1, 512, {"db": n / 1000}) for n in range(10_000)]
    for n, instance in enumerate(instances):
        instance.input[0, :] = 0.25
        instance.process(512)
        assert instance.output[0, 511] == pytest.approx(0.25 * 10 ** (n / 20_000), rel=1e-5)

    for instance in instances:
        instance.close()
    del instances, instance

    assert process.num_threads() <= before[0]
    assert process.num_fds() <= before[1]
    assert process.memory_info().rss - before[2] < 200 << 20
