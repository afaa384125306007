"""What of sessions in the sandbox is not tested as a promise of every backend."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bench import large_models
from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.errors import ModelError, UsageError
from whisperctl.options import DecodeOptions
from whisperctl.testing.fake import write_model
from whisperctl_wasi import WasiBackend, runtimes, session

pytestmark = pytest.mark.slow


def test_the_portable_module_says_when_it_is_asked_for_threads(
    tiny_en: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_WASI_VARIANT", "whisper")
    with pytest.raises(UsageError, match="at most 1 thread, not 2"):
        WasiBackend().open(Model.inspect(tiny_en), OpenOptions(2))


def test_a_window_without_any_timestamp_begins_at_its_start(tmp_path: Path, jfk: Audio) -> None:
    model = Model.inspect(write_model(tmp_path / "m.bin", says=(b"abc",), certain=True))
    with WasiBackend().open(model, OpenOptions(1)) as session:
        [segment] = session.transcribe(jfk, DecodeOptions(beam_size=1)).segments
    assert (segment.start_s, segment.text) == (0.0, "abc")


@pytest.mark.parametrize(
    ("shape", "ftype", "most_decoders"),
    [
        ("large-v3-turbo", "f16", 8),
        ("large-v3-turbo", "q5_0", 8),
        ("large-v3", "q8_0", 8),
        ("large-v3", "q5_0", 8),
        ("large-v3", "f16", 5),
    ],
)
def test_large_models_fit_with_so_many_decoders(
    shape: str, ftype: str, most_decoders: int, tmp_path: Path
) -> None:
    parameters = large_models.parameters(shape, ftype)
    info = Model.inspect(
        large_models.write_model(tmp_path / "large.bin", parameters, sparse=True)
    ).info
    fitting = [n for n in range(1, 9) if session.memory_bytes(info, n) < 4 << 30]
    assert fitting == list(range(1, most_decoders + 1))


def test_a_model_that_does_not_fit_is_refused_before_it_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_WASI_LIMITS", "memory=4G")
    monkeypatch.setattr(runtimes, "start", lambda *_: pytest.fail("a guest was started"))
    parameters = dataclasses.replace(large_models.parameters("large-v3", "f16"), n_text_layer=64)
    model = Model.inspect(large_models.write_model(tmp_path / "huge.bin", parameters, sparse=True))
    fix = r"needs \d+ MiB of 4096 MiB; quantize the model .*or use another backend"
    with pytest.raises(ModelError, match=fix):
        WasiBackend().open(model, OpenOptions())


def test_more_beams_than_fit_are_refused_before_a_run(
    tiny_en: Path, jfk: Audio, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Model.inspect(tiny_en)
    most = session.memory_bytes(model.info, 1) + (1 << 20)
    monkeypatch.setenv("WHISPERCTL_WASI_LIMITS", f"memory={most}")
    with (
        WasiBackend().open(model, OpenOptions()) as opened,
        pytest.raises(ModelError, match=r"with 5 beams or candidates.*--beam-size and --best-of"),
    ):
        opened.transcribe(jfk, DecodeOptions())
