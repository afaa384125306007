"""Prints what an environment has as JSON: ``python -m bench.probe``."""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from whisperctl.engine import registry
from whisperctl.engine.registry import InstalledBackend

_PACKAGES = (
    "whisperctl-asr",
    "whisperctl-native",
    "whisperctl-wasi",
    "whisperctl-faster-whisper",
    "pywhispercpp",
    "wasmer-sdk",
    "wasmtime",
    "faster-whisper",
    "ctranslate2",
    "numpy",
)


def describe() -> dict[str, Any]:
    """Versions of Python and packages, and of each backend its engine, features and runtimes."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "python": platform.python_version(),
        "packages": packages,
        "backends": {found.name: _backend(found) for found in _found()},
    }


def _found() -> list[InstalledBackend]:
    return list(
        {
            one.name: one for one in [*registry.probe(), *map(registry.find, registry.OPTIONAL)]
        }.values()
    )


def _backend(found: InstalledBackend) -> dict[str, Any]:
    if found.info is None:
        return {"problem": found.problem}
    return {
        "engine": found.info.engine,
        "system_info": found.info.system_info,
        "runtimes": {
            runtime.name: {"version": runtime.version, "problem": runtime.problem}
            for runtime in found.info.runtimes
        },
    }


if __name__ == "__main__":
    json.dump(describe(), sys.stdout)
