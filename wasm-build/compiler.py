"""Compiles and links programs to WebAssembly with zig: only what changed, on all processors.

The same sources give the same bytes: no path, date or order of this machine gets into a module.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path


class BuildError(Exception):
    """A compiler or the linker failed, or a source is not as it used to be."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One source file to compile, once for all programs that have an equal one.

    Attributes:
        path: the file.
        name: its name in messages and object files.
        command: the compiler with all options but those that name files to write.
    """

    path: Path
    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """One module to build.

    Attributes:
        name: of the module, without ``.wasm``; a slash puts it into a folder.
        features: the WebAssembly features it may use, joined with plus signs.
        units: what is compiled, in the order in which it is linked.
        link: the linker with all options but those that name files.
    """

    name: str
    features: str
    units: Sequence[Unit]
    link: Sequence[str]


def zig(kind: str, target: str, features: str) -> tuple[str, ...]:
    """Start of a command that runs zig's compiler, ``kind`` being ``cc`` or ``c++``.

    Raises:
        BuildError: zig is not installed for this Python.
    """
    return _zig(), kind, "-target", target, f"-mcpu=generic+{features}"


def zig_library() -> Path:
    """The folder with the sources of zig's C and C++ libraries.

    Raises:
        BuildError: zig is not installed for this Python.
    """
    return Path(_zig()).with_name("lib")


@functools.cache
def _zig() -> str:
    # The program itself: `python -m ziglang` would start Python before each compiler.
    package = importlib.util.find_spec("ziglang")
    if package is None or package.origin is None:
        raise BuildError(f"zig is not installed: run {sys.executable} -m pip install ziglang")
    return str(Path(package.origin).with_name("zig"))


def build(programs: Sequence[Program], build_dir: Path, jobs: int) -> dict[str, Path]:
    """Modules in ``build_dir``, by name, made with ``jobs`` compilers at once.

    Raises:
        BuildError: with the tool's own message.
    """
    for program in programs:
        _folder(build_dir, program).mkdir(parents=True, exist_ok=True)
    if not (build_dir / "zig-global").exists():
        print("The first module that is linked takes half a minute: zig compiles its C library")
    run = _Run(build_dir, programs)
    # The largest sources first, or one processor would have nothing to do while they end.
    units = sorted(run.units, key=lambda unit: -unit.path.stat().st_size)
    with ThreadPoolExecutor(jobs) as pool:
        works = [pool.submit(run.compile, unit) for unit in units]
        try:
            for work in as_completed(works):
                work.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {program.name: _module(build_dir, program) for program in programs}


def _folder(build_dir: Path, program: Program) -> Path:
    return build_dir / program.name


def _module(build_dir: Path, program: Program) -> Path:
    return _folder(build_dir, program) / f"{Path(program.name).name}.wasm"


class _Run:
    """One build: what is done of it, and the units that each module still waits for.

    Attributes:
        units: each with the programs that have it; its object is in the folder of the first.
    """

    def __init__(self, build_dir: Path, programs: Sequence[Program]) -> None:
        self._build_dir = build_dir
        self.units: dict[Unit, list[Program]] = {}
        for program in programs:
            for unit in program.units:
                self.units.setdefault(unit, []).append(program)
        self._total = len(programs) + len(self.units)
        self._done = 0
        self._compiled: dict[str, int] = {}
        self._lock = threading.Lock()
        # zig's caches stay in the build folder, so that `make clean` removes everything.
        self._environment = {
            **os.environ,
            "ZIG_GLOBAL_CACHE_DIR": str(build_dir / "zig-global"),
            "ZIG_LOCAL_CACHE_DIR": str(build_dir / "zig-local"),
        }

    def compile(self, unit: Unit) -> None:
        """Compile a source, and link the modules that it was the last one of."""
        programs = self.units[unit]
        output = self._object(unit)
        stamp, depfile = output.with_suffix(".command"), output.with_suffix(".d")
        # The assembler writes no dependency file; such a source includes nothing.
        tracked = unit.path.suffix != ".s"
        inputs = _dependencies(depfile) if tracked else [unit.path]
        if not _is_fresh(output, stamp, unit.command, inputs):
            extra = ["-MD", "-MF", str(depfile)] if tracked else []
            command = [*unit.command, *extra, "-c", str(unit.path), "-o", str(output)]
            self._make(stamp, unit.command, command, unit.name, programs[0])
        complete = []
        with self._lock:
            self._done += 1
            for program in programs:
                self._compiled[program.name] = self._compiled.get(program.name, 0) + 1
                if self._compiled[program.name] == len(program.units):
                    complete.append(program)
        for program in complete:
            self._link(program)

    def _link(self, program: Program) -> None:
        module = _module(self._build_dir, program)
        objects = [self._object(unit) for unit in program.units]
        command = [*program.link, *map(str, objects)]
        stamp = module.with_suffix(".command")
        if not _is_fresh(module, stamp, command, objects):
            self._make(stamp, command, [*command, "-o", str(module)], "linking", program)
        with self._lock:
            self._done += 1

    def _object(self, unit: Unit) -> Path:
        return _folder(self._build_dir, self.units[unit][0]) / (unit.name.replace("/", "--") + ".o")

    def _make(
        self,
        stamp: Path,
        identity: Sequence[str],
        command: Sequence[str],
        what: str,
        program: Program,
    ) -> None:
        stamp.unlink(missing_ok=True)
        print(f"  [{self._done + 1}/{self._total}] {program.name}.wasm: {what}", flush=True)
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, env=self._environment
        )
        if done.returncode != 0:
            said = f"{done.stderr.strip()}\n$ {shlex.join(command)}"
            raise BuildError(f"{program.name}.wasm: {what} failed:\n{said}")
        stamp.write_text(shlex.join(identity), "utf-8")


def _dependencies(depfile: Path) -> list[Path] | None:
    try:
        text = depfile.read_text("utf-8").replace("\\\n", " ")
    except OSError:
        return None
    return [
        Path(part.replace("\\ ", " "))
        for part in re.split(r"(?<!\\)\s+", text.partition(": ")[2])
        if part
    ]


def _is_fresh(
    output: Path, stamp: Path, command: Sequence[str], inputs: Sequence[Path] | None
) -> bool:
    try:
        made = output.stat().st_mtime_ns
        return (
            inputs is not None
            and stamp.read_text("utf-8") == shlex.join(command)
            and all(path.stat().st_mtime_ns <= made for path in inputs)
        )
    except OSError:
        return False
