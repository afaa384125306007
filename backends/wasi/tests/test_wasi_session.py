"""What of sessions in the sandbox is not tested as a promise of every backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.errors import UsageError
from whisperctl.options import DecodeOptions
from whisperctl_wasi import WasiBackend

pytestmark = pytest.mark.slow


def test_both_runtimes_say_the_same(jfk: Audio, tiny_en: Path) -> None:
    def run(runtime: str) -> list[tuple[float, float, str, tuple[int, ...]]]:
        with WasiBackend().open(Model.inspect(tiny_en), OpenOptions(2, runtime)) as session:
            result = session.transcribe(jfk, DecodeOptions())
        return [
            (part.start_s, part.end_s, part.text, tuple(token.id for token in part.tokens))
            for part in result.segments
        ]

    assert run("wasmer") == run("wasmtime")


def test_the_portable_module_says_when_it_is_asked_for_threads(
    tiny_en: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_WASI_VARIANT", "whisper")
    with pytest.raises(UsageError, match="at most 1 thread, not 2"):
        WasiBackend().open(Model.inspect(tiny_en), OpenOptions(2))
