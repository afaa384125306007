"""Puts the WebAssembly modules into the wheel, building them first when they are not there.

In a checkout they come from ../../wasm-build. A source distribution carries them built.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ZIGLANG = "ziglang==0.17.0"


class WasmBuildHook(BuildHookInterface[Any]):
    """Runs wasm-build when a module is missing or older than what it is made from."""

    PLUGIN_NAME = "custom"

    @property
    def _record(self) -> Path:
        return Path(self.root, "src/whisperctl_wasi/build.json")

    @property
    def _wasm_build(self) -> Path:
        return Path(self.root, "../../wasm-build").resolve()

    def _must_build(self) -> bool:
        sources = [
            path
            for path in self._wasm_build.rglob("*")
            if path.is_file()
            and path.suffix != ".md"
            and not {"__pycache__", "tests"} & set(path.relative_to(self._wasm_build).parts)
        ]
        if not sources:
            if not self._record.is_file():
                raise RuntimeError("the modules are missing, and so is wasm-build to make them")
            return False
        if not self._record.is_file():
            return True
        modules = json.loads(self._record.read_text("utf-8"))["modules"]
        if not all((self._record.parent / f"{name}.wasm").is_file() for name in modules):
            return True
        built = self._record.stat().st_mtime
        return any(path.stat().st_mtime > built for path in sources)

    def dependencies(self) -> list[str]:
        """What an isolated build needs beside hatchling, which is a lot only when it must build."""
        return [ZIGLANG, "pip"] if self._must_build() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build when needed. An editable install reads the checkout, which `make wasm` fills."""
        if version != "editable" and self._must_build():
            script = self._wasm_build / "build.py"
            subprocess.run([sys.executable, str(script)], check=True)  # noqa: S603
