"""The vector kernels against plain ones, under both runtimes."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from dataclasses import replace
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
import compiler  # noqa: E402
import source  # noqa: E402

# Both ways to multiply and add. Threads are called one after the other, so neither shares memory.
VARIANTS = {
    "relaxed" if variant.threads else "portable": variant.features for variant in build.VARIANTS
}
OF_MEDIA = frozenset(
    {
        "media/dct32.c",
        "media/imdct.c",
        "media/imdct15.c",
        "media/mp3_window.c",
        "libavcodec/dct32_float.c",
        "libavcodec/fft_float.c",
        "libavcodec/mdct15.c",
        "libavcodec/mdct_float.c",
        "libavcodec/mpegaudiodsp_float.c",
        "libavutil/mem.c",
    }
)
"""Sources that the test program of the media module's kernels is linked with."""

# So many that a program which stops early, or compares nothing, is noticed.
FEWEST_CASES = 760

# The lines about quantized products, hashes of the results included, of the run that came first.
_first_quantized: list[str] = []


@pytest.fixture(scope="module", params=sorted(VARIANTS))
def program(request: pytest.FixtureRequest) -> Program:
    """The test program, compiled with the flags that the modules are compiled with."""
    variant = build.Variant(request.param, VARIANTS[request.param], threads=False)
    build_dir = ROOT / "build/wasm"
    source.fetch(build_dir, [source.PYWHISPERCPP])
    tree = source.unpack(source.PYWHISPERCPP, WASM_BUILD / "patches/whisper", build_dir)
    sources = [
        *sorted(WASM_BUILD.glob("tests/*.cpp")),
        *sorted(WASM_BUILD.glob("kernels/*.cpp")),
    ]
    command = (
        *compiler.zig("c++", build.WASI, variant.features),
        *("-O3", "-g0", "-std=gnu++17", "-fno-sanitize=undefined", "-fno-exceptions"),
        "-D_LIBCPP_REMOVE_TRANSITIVE_INCLUDES",
        *("-Wall", "-Wextra", "-Werror", f"-I{WASM_BUILD / 'kernels'}"),
        *(part for name in build.INCLUDES for part in ("-isystem", str(tree / name))),
    )
    link = (
        *compiler.zig("cc", build.WASI, build.LIBRARY_FEATURES),
        *("-O3", "-s"),
        # Of the C++ library, what the module is made with.
        *map(str, sorted((build_dir / build.VARIANTS[0].name).glob("libcxx*.o"))),
    )
    units = [compiler.Unit(path, path.name, command) for path in sources]
    tested = compiler.Program(f"tests/kernels-{variant.name}", variant.features, units, link)
    path = compiler.build([tested], build_dir, 2)[tested.name]
    return Program(path, hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Program, str], list[str]]:
    """Runs a program under a runtime to its end: the lines that it prints."""
    # Compiled test programs have no place among the user's.
    monkeypatch.setenv("WHISPERCTL_CACHE", str(tmp_path))

    def run(program: Program, runtime: str) -> list[str]:
        guest = runtimes.start(runtime, program, Limits())
        lines = []
        try:
            while True:
                line = guest.receive(timeout_s=60)
                assert isinstance(line, bytes), "the program neither writes nor ends"
                lines.append(line.decode())
        except GuestError:
            return lines  # It has ended; its exit code shows in its lines.
        finally:
            guest.kill()

    return run


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["wasmtime", "wasmer"])
def test_kernels_agree_with_plain_arithmetic(
    program: Program, runtime: str, printed: Callable[[Program, str], list[str]]
) -> None:
    lines = printed(program, runtime)
    assert [line for line in lines if not line.startswith("ok ")] == []
    assert len(lines) >= FEWEST_CASES
    assert lines[-1].startswith("ok attention")
    # Integers, and nothing that a runtime may fuse: the same bits in every variant and runtime.
    quantized = [line for line in lines if line.startswith("ok quantized")]
    assert quantized
    _first_quantized.extend([] if _first_quantized else quantized)
    assert quantized == _first_quantized


@pytest.mark.slow
def test_kernels_of_the_media_module_give_what_portable_code_does(
    printed: Callable[[Program, str], list[str]],
) -> None:
    lines = printed(_media_program(), "wasmtime")

    assert [line for line in lines if not line.startswith("ok ")] == []
    assert {line.split()[1] for line in lines} == {"dct", "imdct", "imdct15", "window"}


def _media_program() -> Program:
    build_dir = build.DEFAULT_BUILD_DIR
    source.fetch(build_dir, [source.FFMPEG])
    tree = source.unpack(source.FFMPEG, WASM_BUILD / "patches/ffmpeg", build_dir)
    media = build.media(tree, build_dir)
    common = next(unit for unit in media.units if unit.name == "media/imdct.c")
    main = Path(__file__).with_name("media_kernels.c")
    units = [
        replace(common, path=main, name=main.name),
        *(unit for unit in media.units if unit.name in OF_MEDIA),
    ]
    tested = replace(media, name="media-kernels", units=units)
    path = compiler.build([tested], build_dir, 2)[tested.name]
    return Program(path, hashlib.sha256(path.read_bytes()).hexdigest())
