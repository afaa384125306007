"""Builds every WebAssembly module from its sources: whisper.cpp, FFmpeg, and our own.

Run by ``make wasm`` and by the wasi backend's build hook. Only what changed is compiled again, and
the same sources give the same bytes: no path, date or order of this machine gets into a module.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import compiler  # noqa: E402  (found beside this file, however it is run)
import ffmpeg  # noqa: E402
import source  # noqa: E402
from compiler import BuildError, Program, Unit  # noqa: E402

DEFAULT_OUTPUT = HERE.parent / "backends/wasi/src/whisperctl_wasi"
DEFAULT_BUILD_DIR = source.DEFAULT_BUILD_DIR

# The CPU engine of ggml; whisper.cpp itself is compiled by way of guest/whisper.cpp.
WHISPER_SOURCES = (
    "ggml/src/ggml-alloc.c",
    "ggml/src/ggml-backend-meta.cpp",
    "ggml/src/ggml-backend-reg.cpp",
    "ggml/src/ggml-backend.cpp",
    "ggml/src/ggml-cpu/arch/wasm/quants.c",
    "ggml/src/ggml-cpu/binary-ops.cpp",
    "ggml/src/ggml-cpu/ggml-cpu.c",
    "ggml/src/ggml-cpu/ggml-cpu.cpp",
    "ggml/src/ggml-cpu/ops.cpp",
    "ggml/src/ggml-cpu/quants.c",
    "ggml/src/ggml-cpu/traits.cpp",
    "ggml/src/ggml-cpu/unary-ops.cpp",
    "ggml/src/ggml-cpu/vec.cpp",
    "ggml/src/ggml-quants.c",
    "ggml/src/ggml-threading.cpp",
    "ggml/src/ggml.c",
    "ggml/src/ggml.cpp",
)
# Flags of single files of whisper.cpp's. ggml's scheduler sets memory aside for copies between
# devices, for each of four graphs 65 MB of a 32-bit memory; there is one device here, and no copy.
WHISPER_FLAGS = {"ggml/src/ggml-backend.cpp": ("-DGGML_SCHED_MAX_SPLIT_INPUTS=1",)}
# Sources that name what runtime/compat.h stands in for.
COMPAT_SOURCES = frozenset(
    ("ggml/src/ggml-backend-reg.cpp", "ggml/src/ggml-threading.cpp", "guest/whisper.cpp")
)
# Sources that give the same code with threads as without, and are compiled once for both modules:
# no atomic operations, no thread-local variables (the linker would refuse them), no relaxed SIMD.
SHARED_SOURCES = frozenset(
    (
        *(f"ggml/src/ggml-{name}" for name in ("alloc.c", "backend-meta.cpp", "backend.cpp")),
        *(f"ggml/src/ggml-cpu/{name}.cpp" for name in ("binary-ops", "traits", "vec")),
        *(
            "ggml/src/ggml-cpu/arch/wasm/quants.c",
            "ggml/src/ggml-cpu/quants.c",
            "ggml/src/ggml.cpp",
        ),
        *(f"libcxx/src/{name}.cpp" for name in ("algorithm", "functional", "memory", "regex")),
        "libcxx/src/stdexcept.cpp",
    )
)
# What these use of the C++ library that comes with zig, which itself would compile all of it for
# each module, in more than twice the time. What is missing is an undefined symbol to the linker.
LIBRARY_SOURCES = (
    *(
        f"libcxx/src/{name}.cpp"
        for name in (
            *("algorithm", "call_once", "error_category", "functional", "ios", "locale"),
            *("memory", "new", "new_helpers", "regex", "stdexcept", "string", "system_error"),
            "verbose_abort",
        )
    ),
    *(
        f"libcxxabi/src/{name}.cpp"
        for name in (
            *("abort_message", "cxa_default_handlers", "cxa_guard", "cxa_handlers", "cxa_virtual"),
            *("private_typeinfo", "stdlib_exception", "stdlib_stdexcept", "stdlib_typeinfo"),
        )
    ),
)
LIBRARY_FLAGS = (
    *("-w", "-std=c++23", "-fno-exceptions", "-fvisibility=hidden", "-fvisibility-inlines-hidden"),
    *("-D_LIBCPP_BUILDING_LIBRARY", "-DLIBCXX_BUILDING_LIBCXXABI"),
    *("-D_LIBCXXABI_BUILDING_LIBRARY", "-D_LIBCXXABI_HAS_NO_THREADS"),
)
INCLUDES = ("include", "ggml/include", "ggml/src", "ggml/src/ggml-cpu", "examples")

WASI = "wasm32-wasi"
SIMD = "simd128+bulk_memory"
# zig compiles its C library for each set of features that something is linked with. All modules use
# the one for threads: without shared memory, the linker places thread-local variables as ordinary
# ones, and what of it they use has no atomic operations.
LIBRARY_FEATURES = f"{SIMD}+atomics"
OUR_WARNINGS = ("-Wall", "-Wextra", "-Werror")

# What a processor compiles beside its own file, of speexdsp; see processors/speexdsp/config.h.
PROCESSOR_SOURCES = {
    "denoise": tuple(
        f"libspeexdsp/{name}.c" for name in ("fftwrap", "filterbank", "preprocess", "smallft")
    )
}

# The most a 32-bit memory may have is 65536 pages; one less keeps the size itself in 32 bits.
MAX_MEMORY_BYTES = 65535 * 65536
STACK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Variant:
    """One module of whisper.cpp: its name, the WebAssembly features it may use, its defines."""

    name: str
    features: str
    threads: bool
    # Whether it prints where the time went when it ends; see kernels/profile.cpp.
    profile: bool = False

    @property
    def defines(self) -> tuple[str, ...]:
        """What our own sources are compiled with."""
        named = (f'WHISPERCTL_VARIANT="{self.name}"',)
        return (*named, "WHISPERCTL_THREADS") if self.threads else named

    @property
    def link_flags(self) -> tuple[str, ...]:
        """What a module with threads needs: a memory that its threads share."""
        if not self.threads:
            return ()
        return (
            *("-Wl,--import-memory", "-Wl,--export-memory", "-Wl,--shared-memory"),
            f"-Wl,--max-memory={MAX_MEMORY_BYTES}",
        )


VARIANTS = (
    Variant("whisper", SIMD, threads=False),
    Variant("whisper-threads", "simd128+relaxed_simd+bulk_memory+atomics", threads=True),
)


def whisper(tree: Path, variant: Variant) -> Program:
    """The module of whisper.cpp in one variant, from its source in ``tree``."""
    own = [*HERE.glob("guest/*.cpp"), *HERE.glob("kernels/*.cpp"), *HERE.glob("runtime/*.c*")]
    if variant.threads:
        own.append(HERE / "runtime/thread_start.s")
    own.remove(HERE / ("runtime/single.c" if variant.threads else "runtime/threads.c"))
    # What stands in for parts of libc comes first: the linker takes libc's own function as soon as
    # something asks for it.
    own.sort(key=lambda path: (path.parent.name != "runtime", path.suffix, path.name))
    numbers = versions(tree)
    units = [_whisper_unit(path, variant, tree, numbers) for path in own]
    single = dataclasses.replace(VARIANTS[0], profile=variant.profile)
    for name in (*WHISPER_SOURCES, *LIBRARY_SOURCES):
        compiled = single if name in SHARED_SOURCES else variant
        units.append(
            _whisper_unit(tree / name, compiled, tree, numbers)
            if name in WHISPER_SOURCES
            else _library_unit(name, compiled)
        )
    link = (
        *compiler.zig("cc", WASI, LIBRARY_FEATURES),
        *("-O3", "-s", f"-Wl,-z,stack-size={STACK_BYTES}"),
        *("-lwasi-emulated-mman", "-lwasi-emulated-process-clocks", "-lwasi-emulated-signal"),
        *variant.link_flags,
    )
    name = f"profile/{variant.name}" if variant.profile else variant.name
    return Program(name, variant.features, units, link)


def versions(tree: Path) -> dict[str, str]:
    """The versions that whisper.cpp's build files state of it and of ggml.

    Raises:
        BuildError: they do not.
    """
    whisper = re.search(
        r'project\("whisper\.cpp" VERSION ([\d.]+)\)', (tree / "CMakeLists.txt").read_text("utf-8")
    )
    parts = re.findall(
        r"set\(GGML_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)\)",
        (tree / "ggml/CMakeLists.txt").read_text("utf-8"),
    )
    if not whisper or len(parts) != 3:
        raise BuildError("whisper.cpp's build files do not state the versions as they used to")
    return {"whisper": whisper[1], "ggml": ".".join(parts)}


def _whisper_unit(path: Path, variant: Variant, tree: Path, numbers: dict[str, str]) -> Unit:
    ours = path.is_relative_to(HERE)
    name = path.relative_to(HERE if ours else tree).as_posix()
    if path.suffix == ".s":
        return Unit(path, name, compiler.zig("cc", WASI, variant.features))
    cpp = path.suffix == ".cpp"
    defines = (
        # ggml's own name for the hook that kernels/sgemm.cpp stands behind.
        *("NDEBUG", "GGML_USE_CPU", "GGML_USE_LLAMAFILE"),
        f'GGML_VERSION="{numbers["ggml"]}"',
        f'GGML_COMMIT="pywhispercpp-{source.VERSION}"',
        f'WHISPER_VERSION="{numbers["whisper"]}"',
        *("_WASI_EMULATED_MMAN", "_WASI_EMULATED_PROCESS_CLOCKS", "_WASI_EMULATED_SIGNAL"),
        *(variant.defines if ours else ()),
        *(("WHISPERCTL_PROFILE",) if variant.profile else ()),
    )
    command = (
        *compiler.zig("c++" if cpp else "cc", WASI, variant.features),
        *("-O3", "-g0", "-fno-sanitize=undefined", "-std=gnu++17" if cpp else "-std=gnu11"),
        # The headers of the C++ library include others only for the sake of old programs. Reading
        # those took half the time that most sources need.
        *(("-D_LIBCPP_REMOVE_TRANSITIVE_INCLUDES",) if cpp else ()),
        *(("-include", str(HERE / "runtime/compat.h")) if name in COMPAT_SOURCES else ()),
        *(OUR_WARNINGS if ours else ("-w",)),
        *WHISPER_FLAGS.get(name, ()),
        *(f"-D{define}" for define in defines),
        # The library's headers as system headers: their warnings are not ours to mend.
        *(part for name in INCLUDES for part in ("-isystem" if ours else "-I", str(tree / name))),
        *(f"-ffile-prefix-map={tree}=whisper.cpp", f"-ffile-prefix-map={HERE}=wasm-build"),
    )
    return Unit(path, name, command)


def _library_unit(name: str, variant: Variant) -> Unit:
    library = compiler.zig_library()
    command = (
        *compiler.zig("c++", WASI, variant.features),
        *("-O3", "-g0", "-fno-sanitize=undefined", *LIBRARY_FLAGS),
        *(f"-I{library / folder}" for folder in ("libcxx/src", "libcxx/libc")),
        f"-ffile-prefix-map={library}=zig",
    )
    return Unit(library / name, name, command)


# Flags of single files of FFmpeg's.
FFMPEG_FLAGS = {
    # media/dct32.c and media/mp3_window.c stand in for these.
    "libavcodec/dct32_float.c": ("-Dff_dct32_float=portable_dct32",),
    "libavcodec/mpegaudiodsp_float.c": ("-Dff_mpadsp_apply_window_float=portable_window",),
}


def media(tree: Path, build_dir: Path) -> Program:
    """The module that decodes media, from FFmpeg's source in ``tree``."""
    configured = build_dir / "ffmpeg-configuration"
    theirs = ffmpeg.configure(tree, HERE / "media/config.h", configured)
    common = (
        *compiler.zig("cc", WASI, SIMD),
        *("-O2", "-g0", "-fno-sanitize=undefined", "-std=gnu11", "-fno-math-errno"),
        *("-fno-signed-zeros", "-fdata-sections"),
        *(f"-ffile-prefix-map={tree}=ffmpeg", f"-ffile-prefix-map={configured}=ffmpeg"),
        f"-ffile-prefix-map={HERE}=wasm-build",
    )
    units = [
        Unit(
            path,
            path.relative_to(HERE).as_posix(),
            (*common, *OUR_WARNINGS, "-isystem", str(configured), "-isystem", str(tree)),
        )
        for path in sorted(HERE.glob("media/*.c"))
    ]
    units += [
        Unit(
            tree / name,
            name,
            (
                *(*common, "-w", "-DHAVE_AV_CONFIG_H"),
                f"-DBUILDING_{name.partition('/')[0].removeprefix('lib')}",
                *("-I", str(configured), "-I", str(tree)),
                *FFMPEG_FLAGS.get(name, ()),
            ),
        )
        for name in theirs
    ]
    link = (
        *compiler.zig("cc", WASI, LIBRARY_FEATURES),
        "-O2",
        "-s",
        f"-Wl,-z,stack-size={STACK_BYTES}",
    )
    return Program("media", SIMD, units, link)


def processor(path: Path, speexdsp: Path) -> Program:
    """The module of one DSP processor: freestanding, so that it can ask its host for nothing.

    Its source names what it exports, and carries its description as a custom section.
    """
    common = (
        *compiler.zig("cc", "wasm32-freestanding", SIMD),
        *("-O3", "-g0", "-fno-sanitize=undefined", "-std=gnu11", "-fno-math-errno"),
        *(f"-ffile-prefix-map={speexdsp}=speexdsp", f"-ffile-prefix-map={HERE}=wasm-build"),
    )
    further = PROCESSOR_SOURCES.get(path.stem, ())
    headers = (str(HERE / "processors/speexdsp"), str(speexdsp / "include"))
    units = [
        Unit(
            path,
            path.relative_to(HERE).as_posix(),
            (*common, *OUR_WARNINGS, *(f"-isystem{header}" for header in headers if further)),
        )
    ]
    units += [
        Unit(
            speexdsp / name,
            name,
            (*common, "-w", "-DHAVE_CONFIG_H", *(f"-I{header}" for header in headers)),
        )
        for name in further
    ]
    link = (*common, "-Wl,--no-entry", "-Wl,--strip-debug")
    return Program(f"processors/{path.stem}", SIMD, units, link)


def fetch(build_dir: Path) -> dict[source.Archive, Path]:
    """Trees of all sources below ``build_dir``, fetched, unpacked and patched where that is due.

    Raises:
        source.SourceError: a source could not be had or patched.
    """
    source.fetch(build_dir)
    return {
        archive: source.unpack(archive, HERE / "patches" / archive.patches, build_dir)
        for archive in source.ARCHIVES
    }


def programs(
    trees: dict[source.Archive, Path], build_dir: Path, *, profile: bool = False
) -> list[Program]:
    """Every program.

    Args:
        trees: what ``fetch`` returned.
        build_dir: where FFmpeg's configuration goes.
        profile: whisper's modules print where the time went.

    Raises:
        BuildError: a source is not as it used to be.
    """
    variants = [dataclasses.replace(variant, profile=profile) for variant in VARIANTS]
    return [
        *(whisper(trees[source.PYWHISPERCPP], variant) for variant in variants),
        media(trees[source.FFMPEG], build_dir),
        *(processor(path, trees[source.SPEEXDSP]) for path in sorted(HERE.glob("processors/*.c"))),
    ]


def build(
    output: Path, build_dir: Path, jobs: int, *, only: Sequence[str] = (), profile: bool = False
) -> None:
    """Build modules into ``output``, with a ``build.json`` that says what they are.

    Args:
        output: where the modules go.
        build_dir: for sources and objects.
        jobs: compilers at once.
        only: names of modules; all if empty.
        profile: modules that print where the time went.

    Raises:
        BuildError: a compiler or the linker failed.
        source.SourceError: a source could not be had or patched.
    """
    started = time.monotonic()
    trees = fetch(build_dir)
    chosen = [
        program
        for program in programs(trees, build_dir, profile=profile)
        if not only or program.name in only
    ]
    paths = compiler.build(chosen, build_dir, jobs)
    modules = {}
    for program in chosen:
        data = paths[program.name].read_bytes()
        _write_atomic(output / f"{program.name}.wasm", data)
        modules[program.name] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "features": program.features.split("+"),
        }
    for path in output.rglob("*.wasm"):
        if not only and path.relative_to(output).with_suffix("").as_posix() not in modules:
            path.unlink()  # Of a program that is no more.
    record = {
        "pywhispercpp": source.VERSION,
        **versions(trees[source.PYWHISPERCPP]),
        "ffmpeg": source.FFMPEG_VERSION,
        "speexdsp": source.SPEEXDSP_VERSION,
        "modules": modules,
    }
    _write_atomic(output / "build.json", (json.dumps(record, indent=2) + "\n").encode())
    print(
        f"Built {len(modules)} modules in {time.monotonic() - started:.0f} s: {output}", flush=True
    )


def _write_atomic(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


def main() -> int:
    """Command line: 0 when built, 1 with one message when not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="where the modules go")
    parser.add_argument("--build-dir", type=Path, default=DEFAULT_BUILD_DIR, help="for objects")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at once")
    arguments = parser.parse_args()
    try:
        build(arguments.output, arguments.build_dir, arguments.jobs)
    except (BuildError, source.SourceError, OSError) as error:
        print(f"wasm-build: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
