"""The vector kernels against plain ones in double precision, under both runtimes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from whisperctl.errors import GuestError
from whisperctl_wasi import runtimes
from whisperctl_wasi.host.guest import Program
from whisperctl_wasi.host.limits import Limits

WASM_BUILD = Path(__file__).resolve().parents[1]
ROOT = WASM_BUILD.parent

sys.path.insert(0, str(WASM_BUILD))

import build  # noqa: E402
import source  # noqa: E402

# Both ways to multiply and add. Threads are called one after the other, so neither shares memory.
VARIANTS = {
    "relaxed" if variant.threads else "portable": variant.features for variant in build.VARIANTS
}
# So many that a program which stops early, or compares nothing, is noticed.
FEWEST_CASES = 550

# The lines about quantized products, hashes of the results included, of the run that came first.
_first_quantized: list[str] = []


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The test program, compiled with the flags that the modules are compiled with."""
    variant = build.Variant(request.param, VARIANTS[request.param], threads=False)
    build_dir = ROOT / "build/wasm"
    source.fetch(build_dir, [source.PYWHISPERCPP])
    tree = source.unpack(source.PYWHISPERCPP, WASM_BUILD / "patches/whisper", build_dir)
    sources = [
        *sorted(WASM_BUILD.glob("tests/*.cpp")),
        *sorted(WASM_BUILD.glob("kernels/*.cpp")),
    ]
    folder = tmp_path_factory.mktemp("kernels")
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(build_dir / "zig-global"),
        "ZIG_LOCAL_CACHE_DIR": str(build_dir / "zig-local"),
    }
    compiled = folder / "kernels.wasm"
    command = [
        *(sys.executable, "-m", "ziglang", "c++", "-target", "wasm32-wasi"),
        # Stripped as the modules are, or zig would compile its C++ library once more.
        *(f"-mcpu=generic+{variant.features}", "-O3", "-s", "-std=gnu++17"),
        "-fno-sanitize=undefined",
        *("-fno-exceptions", "-Wall", "-Wextra", "-Werror", f"-I{WASM_BUILD / 'kernels'}"),
        *(part for name in build.INCLUDES for part in ("-isystem", str(tree / name))),
        *map(str, sources),
        *("-o", str(compiled)),
    ]
    subprocess.run(command, check=True, env=environment)
    digest = hashlib.sha256(compiled.read_bytes()).hexdigest()
    return Program(compiled, digest)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["wasmtime", "wasmer"])
def test_kernels_agree_with_plain_arithmetic(
    program: Program, runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Compiled test programs have no place among the user's.
    monkeypatch.setenv("WHISPERCTL_CACHE", str(tmp_path))
    guest = runtimes.start(runtime, program, Limits())
    lines = []
    try:
        while True:
            line = guest.receive(timeout_s=60)
            assert isinstance(line, bytes), "the program neither writes nor ends"
            lines.append(line.decode())
    except GuestError:
        pass  # It has ended; its exit code shows in its lines.
    finally:
        guest.kill()
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert len(lines) >= FEWEST_CASES
    assert lines[-1].startswith("ok attention")
    # Integers, and nothing that a runtime may fuse: the same bits in every variant and runtime.
    quantized = [line for line in lines if line.startswith("ok quantized")]
    assert quantized
    _first_quantized.extend([] if _first_quantized else quantized)
    assert quantized == _first_quantized
