"""What ``whisperctl filters bench`` and ``stress`` measure of processors, and thousands at once."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from whisperctl.audio.filters import AudioFormat, Measurable, registry
from whisperctl.compare import filters as measuring
from whisperctl_wasi.processors import Module
from whisperctl_wasi.processors.filters import FOLDER

BLOCKS = (1, 7, 300, 64, 1000, 2, 4000)
AUDIO = AudioFormat(16_000, 2, max(BLOCKS))


def noise(n: int) -> NDArray[np.float32]:
    found = np.random.default_rng(3).normal(0, 0.3, (n, AUDIO.n_channels)).astype(np.float32)
    found.flags.writeable = False
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "bit_crusher",
        "bit_crusher:bits=5.5,hold=3",
        "echo",
        "echo:delay=3,feedback=0.9,mix=1",
        "gain:db=-7.5",
        "highpass:frequency=300",
        "lowpass",
        "wave_shaper:drive=0.9",
        "wave_shaper:curve=hard",
    ],
)
def test_what_a_processor_is_measured_against_gives_the_same(text: str) -> None:
    spec = registry.parse(text)
    assert isinstance(spec.plugin, Measurable)
    found = spec.plugin.in_python(AUDIO, dict(spec.values))
    assert found is not None
    _, same = found
    processor = spec.plugin.open(AUDIO, dict(spec.values))
    for n in BLOCKS:
        block = noise(n)
        np.testing.assert_allclose(same.process(block), processor.process(block), atol=2e-5)
    processor.close()


@pytest.mark.parametrize("name", ["gate", "compressor", "denoise"])
def test_what_only_a_loop_could_do_in_python_is_not_compared(name: str) -> None:
    spec = registry.parse(name)
    assert isinstance(spec.plugin, Measurable)
    assert spec.plugin.in_python(AUDIO, dict(spec.values)) is None


def test_a_module_of_somebody_else_is_not_taken_for_ours(tmp_path: Path) -> None:
    path = tmp_path / "gain.wasm"
    path.write_bytes((FOLDER / "gain.wasm").read_bytes())

    cost = measuring.bench(registry.parse(str(path)), [128], 0)

    assert (cost.technology, cost.python, cost.blocks[0].python_us) == ("WebAssembly", "", None)


@pytest.mark.slow
def test_the_costs_of_a_processor_are_taken_apart() -> None:
    # It works much longer than a call takes, also where others have the processor at times.
    cost = measuring.bench(registry.parse("denoise"), [16_384], 0)

    assert list(cost.starts_ms) == ["compile", "read compiled", "instantiate"]
    assert all(ms > 0 for ms in cost.starts_ms.values())
    (one,) = cost.blocks
    assert one.call_us is not None and one.copies_us is not None and one.work_us is not None
    assert one.call_us > 0
    assert one.copies_us > 0
    assert one.work_us > 0


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's address space")
def test_an_instance_that_the_machine_refuses_ends_the_stress_test() -> None:
    code = """if True:
        import resource, sys
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        from whisperctl.cli import main
        sys.argv[1:] = ["filters", "stress", "gain", "--audio", "0", "--time", "20"]
        sys.exit(main())"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    (said,) = [line for line in done.stdout.splitlines() if line.startswith("  WebAssembly: ")]
    assert re.match(
        r"  WebAssembly: \d+ at once kept the deadline, and number \d+ was refused: "
        r'processor ".*" finds no room for its memory \(mmap .*\): run fewer at once, or lower '
        r"filter.memory in WHISPERCTL_WASI_LIMITS; opening one took ",
        said,
    )


@pytest.mark.slow
def test_ten_thousand_instances_run_in_one_process_and_leave_nothing() -> None:
    module = Module.load(FOLDER / "gain.wasm")
    module.instance(16_000, 1, 512).close()
    process = psutil.Process()
    before = process.num_threads(), process.num_fds(), process.memory_info().rss
    instances = [module.instance(16_000, 1, 512, {"db": n / 1000}) for n in range(10_000)]
    for instance in instances:
        instance.input[0, :] = 0.25
        instance.process(512)
    last = [instance.output[0, 511] for instance in instances]
    np.testing.assert_allclose(last, 0.25 * 10 ** (np.arange(10_000) / 20_000), rtol=1e-5)

    for instance in instances:
        instance.close()
    del instances, instance

    assert process.num_threads() <= before[0]
    assert process.num_fds() <= before[1]
    assert process.memory_info().rss - before[2] < 200 << 20
