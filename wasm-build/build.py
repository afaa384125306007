"""Builds whisper.wasm and whisper-threads.wasm from whisper.cpp's source and our own.

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
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import source  # noqa: E402  (found beside this file, however it is run)

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
    "ggml/src/ggml-cpu/hbm.cpp",
    "ggml/src/ggml-cpu/ops.cpp",
    "ggml/src/ggml-cpu/quants.c",
    "ggml/src/ggml-cpu/repack.cpp",
    "ggml/src/ggml-cpu/traits.cpp",
    "ggml/src/ggml-cpu/unary-ops.cpp",
    "ggml/src/ggml-cpu/vec.cpp",
    "ggml/src/ggml-quants.c",
    "ggml/src/ggml-threading.cpp",
    "ggml/src/ggml.c",
    "ggml/src/ggml.cpp",
    "ggml/src/gguf.cpp",
)
INCLUDES = ("include", "ggml/include", "ggml/src", "ggml/src/ggml-cpu", "examples")

# The most a 32-bit memory may have is 65536 pages; one less keeps the size itself in 32 bits.
MAX_MEMORY_BYTES = 65535 * 65536
STACK_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Variant:
    """One module: its name, the WebAssembly features it may use, and what is defined for it."""

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
    Variant("whisper", "simd128+bulk_memory", threads=False),
    Variant("whisper-threads", "simd128+relaxed_simd+bulk_memory+atomics", threads=True),
)


class BuildError(Exception):
    """A compiler or the linker failed."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One source file to compile: where it is, and its name in messages and object files."""

    path: Path
    name: str


def _units(tree: Path, variant: Variant) -> list[Unit]:
    units = [Unit(tree / name, name) for name in WHISPER_SOURCES]
    own = [*HERE.glob("guest/*.cpp"), *HERE.glob("kernels/*.cpp"), *HERE.glob("runtime/*.c*")]
    if variant.threads:
        own.append(HERE / "runtime/thread_start.s")
    own.remove(HERE / ("runtime/single.c" if variant.threads else "runtime/threads.c"))
    # What stands in for parts of libc comes first: the linker takes libc's own function as soon as
    # something asks for it.
    own.sort(key=lambda path: (path.parent.name != "runtime", path.suffix, path.name))
    return [Unit(path, path.relative_to(HERE).as_posix()) for path in own] + units


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


def _zig(kind: str) -> list[str]:
    return [sys.executable, "-m", "ziglang", kind]


def _target_flags(variant: Variant) -> list[str]:
    return ["-target", "wasm32-wasi", f"-mcpu=generic+{variant.features}"]


def _compile_command(
    unit: Unit, variant: Variant, tree: Path, versions: dict[str, str]
) -> list[str]:
    if unit.path.suffix == ".s":
        return [*_zig("cc"), *_target_flags(variant), "-c", str(unit.path)]
    cpp = unit.path.suffix == ".cpp"
    ours = unit.path.is_relative_to(HERE)
    defines = (
        # ggml's own name for the hook that kernels/sgemm.cpp stands behind.
        *("NDEBUG", "GGML_USE_CPU", "GGML_USE_LLAMAFILE"),
        f'GGML_VERSION="{versions["ggml"]}"',
        f'GGML_COMMIT="pywhispercpp-{source.VERSION}"',
        f'WHISPER_VERSION="{versions["whisper"]}"',
        *("_WASI_EMULATED_MMAN", "_WASI_EMULATED_PROCESS_CLOCKS", "_WASI_EMULATED_SIGNAL"),
        *(variant.defines if ours else ()),
        *(("WHISPERCTL_PROFILE",) if variant.profile else ()),
    )
    return [
        *_zig("c++" if cpp else "cc"),
        *_target_flags(variant),
        *("-O3", "-g0", "-fno-sanitize=undefined", "-std=gnu++17" if cpp else "-std=gnu11"),
        *(("-include", str(HERE / "runtime/compat.h")) if cpp else ()),
        *(("-Wall", "-Wextra", "-Werror") if ours else ("-w",)),
        *(f"-D{define}" for define in defines),
        # The library's headers as system headers: their warnings are not ours to mend.
        *(part for name in INCLUDES for part in ("-isystem" if ours else "-I", str(tree / name))),
        *(f"-ffile-prefix-map={tree}=whisper.cpp", f"-ffile-prefix-map={HERE}=wasm-build"),
        *("-c", str(unit.path)),
    ]


def _run(command: list[str], what: str, environment: dict[str, str]) -> None:
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, env=environment
    )
    if done.returncode != 0:
        raise BuildError(f"{what} failed:\n{done.stderr.strip()}\n$ {shlex.join(command)}")


def _dependencies(depfile: Path) -> list[Path]:
    text = depfile.read_text("utf-8").replace("\\\n", " ")
    return [
        Path(part.replace("\\ ", " "))
        for part in re.split(r"(?<!\\)\s+", text.partition(": ")[2])
        if part
    ]


def _is_fresh(output: Path, stamp: Path, command: list[str], inputs: list[Path]) -> bool:
    try:
        made = output.stat().st_mtime_ns
        return stamp.read_text("utf-8") == shlex.join(command) and all(
            path.stat().st_mtime_ns <= made for path in inputs
        )
    except OSError:
        return False


def _compile(unit: Unit, command: list[str], folder: Path, environment: dict[str, str]) -> Path:
    output = folder / (unit.name.replace("/", "--") + ".o")
    stamp = output.with_suffix(".command")
    depfile = output.with_suffix(".d")
    # The assembler writes no dependency file; such a source includes nothing.
    tracked = unit.path.suffix != ".s"
    if tracked and not depfile.is_file():
        inputs = [Path("missing")]
    else:
        inputs = _dependencies(depfile) if tracked else [unit.path]
    if not _is_fresh(output, stamp, command, inputs):
        stamp.unlink(missing_ok=True)
        extra = ["-MD", "-MF", str(depfile)] if tracked else []
        _run([*command, *extra, "-o", str(output)], unit.name, environment)
        stamp.write_text(shlex.join(command), "utf-8")
    return output


def build_variant(
    variant: Variant, tree: Path, build_dir: Path, versions: dict[str, str], jobs: int
) -> Path:
    """Compiles and links one module in ``build_dir``; its path.

    Raises:
        BuildError: with the tool's own message.
    """
    folder = build_dir / variant.name
    folder.mkdir(parents=True, exist_ok=True)
    # zig's caches stay in the build folder, so that `make clean` removes everything.
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": str(build_dir / "zig-global"),
        "ZIG_LOCAL_CACHE_DIR": str(build_dir / "zig-local"),
    }
    units = _units(tree, variant)
    done = 0

    def compile_one(unit: Unit) -> Path:
        nonlocal done
        command = _compile_command(unit, variant, tree, versions)
        output = _compile(unit, command, folder, environment)
        done += 1
        print(f"  {variant.name}.wasm [{done}/{len(units)}] {unit.name}", flush=True)
        return output

    with ThreadPoolExecutor(jobs) as pool:
        objects = list(pool.map(compile_one, units))

    module = folder / f"{variant.name}.wasm"
    command = [
        *_zig("c++"),
        *_target_flags(variant),
        *("-O3", "-s", f"-Wl,-z,stack-size={STACK_BYTES}"),
        *("-lwasi-emulated-mman", "-lwasi-emulated-process-clocks", "-lwasi-emulated-signal"),
        *variant.link_flags,
        *map(str, objects),
    ]
    stamp = module.with_suffix(".command")
    if not _is_fresh(module, stamp, command, objects):
        stamp.unlink(missing_ok=True)
        _run([*command, "-o", str(module)], f"linking {module.name}", environment)
        stamp.write_text(shlex.join(command), "utf-8")
    return module


def _write_atomic(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_bytes(data)
    temporary.replace(path)


def build(output: Path, build_dir: Path, jobs: int, *, profile: bool = False) -> None:
    """Builds every variant into ``output``, beside a ``build.json`` that says what they are.

    Raises:
        BuildError: a compiler or the linker failed.
        source.SourceError: whisper.cpp's source could not be had or patched.
    """
    print(
        f"Getting whisper.cpp from pywhispercpp {source.VERSION}'s source distribution", flush=True
    )
    tree = source.patched(source.fetch(build_dir), HERE / "patches", build_dir)
    numbers = versions(tree)
    print(f"Building whisper.cpp {numbers['whisper']} for WASI (about a minute)", flush=True)
    modules = {}
    for variant in (dataclasses.replace(variant, profile=profile) for variant in VARIANTS):
        data = build_variant(variant, tree, build_dir, numbers, jobs).read_bytes()
        _write_atomic(output / f"{variant.name}.wasm", data)
        modules[variant.name] = {
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "features": variant.features.split("+"),
        }
    record = {"pywhispercpp": source.VERSION, **numbers, "modules": modules}
    _write_atomic(output / "build.json", (json.dumps(record, indent=2) + "\n").encode())
    print(f"Built {', '.join(f'{name}.wasm' for name in modules)} in {output}", flush=True)


def main() -> int:
    """Command line: 0 when built, 1 with one message when not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="where the modules go")
    parser.add_argument("--build-dir", type=Path, default=DEFAULT_BUILD_DIR, help="for objects")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="modules that print where the time went",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="compilers at once")
    arguments = parser.parse_args()
    try:
        build(arguments.output, arguments.build_dir, arguments.jobs, profile=arguments.profile)
    except (BuildError, source.SourceError, OSError) as error:
        print(f"wasm-build: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
