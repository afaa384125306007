"""What is measured here: the engines that are installed, and how the process of each is started."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from whisperctl.compare import runner
from whisperctl.engine.registry import Engine

ROOT = Path(__file__).resolve().parents[1]
TUNED_PYTHON = ROOT / ".venv-native/bin/python"
"""The interpreter of what ``make native`` builds."""

GGML_FORMATS = ("f16", "q8_0", "q5_1")
CT2_FORMATS = ("float32", "int8")
"""What faster-whisper computes with, which are its runtimes; it reads the file that f16 has."""

REFERENCE = "native"
"""The engine that ratios are against: pywhispercpp's wheel, with the model in f16."""

_PROBE_TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Subject:
    """An engine to measure.

    ``name`` is what a person asks for, ``label`` what tables say. ``start`` is the command of its
    process. ``own_formats`` are for an engine that computes with others than its file has, and are
    its runtimes then. ``versions`` are of the environment it runs in.
    """

    name: str
    label: str
    backend: str
    runtime: str
    start: tuple[str, ...]
    own_formats: tuple[str, ...]
    versions: Mapping[str, str] = field(hash=False)

    def engine(self, model_format: str) -> Engine:
        """What its process is asked for."""
        return Engine(self.backend, model_format if self.own_formats else self.runtime)


@dataclass(frozen=True, slots=True)
class Missing:
    """Something that could have been measured, and why it was not."""

    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class _Kind:
    label: str
    backend: str
    runtime: str
    own_formats: tuple[str, ...] = ()


_KINDS = {
    "native": _Kind("native", "native", "native"),
    "tuned": _Kind("native (tuned)", "native", "native"),
    "wasmer": _Kind("wasi/wasmer", "wasi", "wasmer"),
    "wasmtime": _Kind("wasi/wasmtime", "wasi", "wasmtime"),
    "faster-whisper": _Kind("faster-whisper", "faster-whisper", CT2_FORMATS[0], CT2_FORMATS),
}

NAMES = tuple(_KINDS)
"""Every engine that can be asked for, the reference first."""


def find(tuned_python: Path = TUNED_PYTHON) -> tuple[list[Subject], list[Missing]]:
    """Every engine that works here, and the others with the reason."""
    usable: list[Subject] = []
    missing: list[Missing] = []
    here = _probe(sys.executable)
    for name, kind in _KINDS.items():
        if name == "tuned":
            found = _tuned(kind, tuned_python)
        else:
            found = _own(name, kind, here, sys.executable)
        if isinstance(found, Subject):
            usable.append(found)
        else:
            missing.append(found)
    return usable, missing


def _own(name: str, kind: _Kind, probe: dict[str, Any], python: str) -> Subject | Missing:
    backend = probe["backends"].get(kind.backend, {"problem": probe["problem"]})
    if backend.get("problem"):
        return Missing(name, backend["problem"])
    runtime = backend["runtimes"].get(kind.runtime, {"problem": "there is no such runtime"})
    if runtime["problem"]:
        return Missing(name, runtime["problem"])
    versions = {
        **_packages(probe, kind),
        "engine": backend["engine"],
        "python": probe["python"],
    }
    start = runner.command(python=python)
    return Subject(name, kind.label, kind.backend, kind.runtime, start, kind.own_formats, versions)


def _tuned(kind: _Kind, python: Path) -> Subject | Missing:
    if not python.is_file():
        return Missing("tuned", "pywhispercpp is not compiled for this machine: run make native")
    probe = _probe(str(python))
    features = probe["backends"].get("native", {}).get("system_info", "")
    if probe["backends"] and "LLAMAFILE = 1" not in features:
        return Missing("tuned", f"{python} has not the tuned library: run make native")
    return _own("tuned", kind, probe, str(python))


_PACKAGES = {
    "native": ("pywhispercpp", "whisperctl-native"),
    "wasmer": ("wasmer-sdk", "whisperctl-wasi"),
    "wasmtime": ("wasmtime", "whisperctl-wasi"),
    "float32": ("faster-whisper", "ctranslate2", "whisperctl-faster-whisper"),
}


def _packages(probe: dict[str, Any], kind: _Kind) -> dict[str, str]:
    names = _PACKAGES[kind.runtime]
    return {name: probe["packages"][name] for name in names if name in probe["packages"]}


def _probe(python: str) -> dict[str, Any]:
    """What ``bench.probe`` says in another environment, or why it says nothing."""
    try:
        done = subprocess.run(  # noqa: S603 - our own module
            [python, "-P", "-m", "bench.probe"],
            capture_output=True,
            text=True,
            timeout=_PROBE_TIMEOUT_S,
            check=False,
        )
        found: dict[str, Any] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return {"problem": f"{python} does not work: {error}", "backends": {}, "packages": {}}
    return found | {"problem": ""}
