"""Guests that speak the protocol and lie: sessions and detectors say so, in one error."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.errors import BackendError, GuestError, ModelError
from whisperctl.models import store
from whisperctl.options import DecodeOptions, TranscriptionOptions, VadOptions
from whisperctl.testing.fake import write_model
from whisperctl.transcript import Segment
from whisperctl.transcription.transcriber import Transcriber
from whisperctl_wasi import WasiBackend, modules
from whisperctl_wasi.host.guest import Program
from whisperctl_wasi.modules import Module

Event = dict[str, object]

HELLO: Event = {
    "event": "hello",
    "protocol": 2,
    "max_threads": 4,
    "whisper": "1.8.5",
    "system_info": "",
}
READY: Event = {"event": "ready", "memory_bytes": 1, "multilingual": False, "n_vocab": 51864}
N_SAMPLES = 5 * 512
JFK = Path(__file__).parents[3] / "samples" / "jfk.wav"


@pytest.fixture
def says(
    talker: Callable[..., Program], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., None]:
    """Has the backend run a program that says these things at once, and then reads for ever."""
    monkeypatch.setenv("WHISPERCTL_CACHE", str(tmp_path))

    def install(*events: Event | bytes) -> None:
        lines = (e if isinstance(e, bytes) else json.dumps(e).encode() for e in events)
        program = talker(b"".join(line + b"\n" for line in lines))
        module = Module(program.path, program.sha256, "1.8.5")
        monkeypatch.setattr(modules, "find", lambda variant=None: module)

    return install


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small one, as these guests read none."""
    return write_model(tmp_path_factory.mktemp("models") / "ggml-tiny.en.bin")


def transcribe(runtime: str, model: Path, jfk: Audio) -> str:
    with WasiBackend().open(Model.inspect(model), OpenOptions(1, runtime)) as session:
        return session.transcribe(jfk, DecodeOptions()).text


def test_a_greeting_of_another_version_is_named(
    runtime: str, model: Path, jfk: Audio, says: Callable[..., None]
) -> None:
    says(HELLO | {"protocol": 3})
    with pytest.raises(GuestError, match="does not speak version 2"):
        transcribe(runtime, model, jfk)


@pytest.mark.parametrize("said", [b"Segmentation fault", b"#4\nabc"], ids=["text", "payload"])
def test_what_is_no_greeting_is_an_error(
    said: bytes, runtime: str, model: Path, jfk: Audio, says: Callable[..., None]
) -> None:
    says(said)
    with pytest.raises(GuestError, match="broke the protocol"):
        transcribe(runtime, model, jfk)


def test_a_model_that_the_guest_refuses_is_named(
    model: Path, jfk: Audio, says: Callable[..., None]
) -> None:
    says(HELLO, {"event": "error", "message": "it smells"})
    with pytest.raises(ModelError, match=r"tiny\.en.*: it smells"):
        transcribe("wasmtime", model, jfk)


@pytest.mark.slow
@pytest.mark.parametrize(
    "lie",
    [
        {"event": "segment", "t0": 0, "t1": 1, "no_speech": 0, "temperature": 0, "tokens": [[1]]},
        {"event": "segment", "t0": 0, "t1": 1, "no_speech": 9, "temperature": 0, "tokens": []},
        {"event": "result"},
        {"event": "result", "memory_bytes": -1},
        {"event": "cancelled"},
    ],
    ids=str,
)
def test_a_lie_in_the_middle_of_a_run_is_one_error(
    lie: Event, model: Path, jfk: Audio, says: Callable[..., None]
) -> None:
    says(HELLO, READY, lie)
    with pytest.raises(GuestError, match="broke the protocol"):
        transcribe("wasmtime", model, jfk)


def test_numbers_in_log_lines_that_are_none_are_passed_over(
    model: Path, jfk: Audio, says: Callable[..., None]
) -> None:
    """whisper.cpp's timings and language come as lines of its log."""
    says(
        HELLO,
        READY,
        {"event": "log", "text": f"encode time = {'9' * 5000} ms / {'9' * 5000} runs"},
        {"event": "log", "text": "encode time = 1.2.3 ms / 1 runs"},
        {"event": "log", "text": "auto-detected language: xx (p = 1.2.3)"},
        {"event": "log", "text": f"auto-detected language: en (p = {'9' * 5000})"},
        {"event": "log", "text": f"fallbacks = {'9' * 5000} p / 1 h"},
        {"event": "result", "memory_bytes": 1},
    )
    assert transcribe("wasmtime", model, jfk) == ""


@pytest.mark.slow
def test_control_characters_of_a_guest_are_visible(model: Path, says: Callable[..., None]) -> None:
    link = "\x1b]8;;https://evil.example\x1b\\\x9b2J\x07"
    shown = r"\x1b]8;;https://evil.example\x1b\\u009b2J\x07"
    token = [5, 0.5, base64.b64encode(f" a{link}".encode()).decode()]
    segment = {"event": "segment", "t0": 0, "t1": 100, "no_speech": 0, "temperature": 0}
    says(
        HELLO | {"system_info": link},
        READY,
        segment | {"tokens": [token]},
        {"event": "result", "memory_bytes": 1},
        {"event": "error", "message": f"it said\n{link}"},
    )
    options = TranscriptionOptions(speech_check=False, decoder="soundfile")
    heard: list[Segment] = []
    with WasiBackend().open(Model.inspect(model), OpenOptions(1, "wasmtime")) as session:
        transcriber = Transcriber(session)
        result = transcriber.transcribe(JFK, options, on_segment=heard.append)
        with pytest.raises(BackendError) as caught:
            transcriber.transcribe(JFK, options)

    assert [segment.text for segment in heard] == [f" a{shown}"]
    assert result.segments == tuple(heard)
    assert result.segments[0].tokens[0].data == f" a{link}".encode()
    assert result.system_info == shown
    assert str(caught.value).endswith(f"it said {shown}")


def test_a_character_that_is_cut_between_segments_is_joined(
    model: Path, jfk: Audio, says: Callable[..., None]
) -> None:
    def segment(t0: int, data: bytes) -> Event:
        token = [5, 0.5, base64.b64encode(data).decode()]
        times = {"t0": t0, "t1": t0 + 10, "no_speech": 0, "temperature": 0}
        return {"event": "segment", **times, "tokens": [token]}

    parts = segment(0, b" caf\xc3"), segment(10, b"\xa9\xe3\x81")
    says(HELLO, READY, *parts, {"event": "result", "memory_bytes": 1})
    heard: list[Segment] = []
    with WasiBackend().open(Model.inspect(model), OpenOptions(1, "wasmtime")) as session:
        transcript = session.transcribe(jfk, DecodeOptions(), on_segment=heard.append)

    assert [segment.text for segment in transcript.segments] == [" caf", "é"]
    assert transcript.segments == tuple(heard)


def detected(**changes: object) -> Event:
    half = base64.b64encode(struct.pack("<5f", *[0.5] * 5)).decode()
    return {"event": "detected", "spans": [[0, 10]], "probabilities": half} | changes


@pytest.mark.slow
@pytest.mark.parametrize(
    "lie",
    [
        detected(probabilities=""),
        detected(probabilities=base64.b64encode(struct.pack("<4f", *[0.5] * 4)).decode()),
        detected(probabilities=base64.b64encode(struct.pack("<5f", *[float("nan")] * 5)).decode()),
        detected(probabilities=base64.b64encode(struct.pack("<5f", *[7.0] * 5)).decode()),
        detected(spans=[[5, 2]]),
        detected(spans=[[5, 8], [6, 9]]),
        {"event": "error", "message": "failed"},
    ],
    ids=str,
)
def test_a_detection_that_cannot_be_is_an_error(lie: Event, says: Callable[..., None]) -> None:
    import numpy as np

    says(HELLO, {"event": "ready", "memory_bytes": 1}, detected(), lie)
    with WasiBackend().open_detector(store.Store().require("silero"), OpenOptions()) as detector:
        samples = np.zeros(N_SAMPLES, np.float32)
        assert len(detector.detect(samples, VadOptions()).spans) == 1
        with pytest.raises(BackendError, match=r"in the sandbox (broke the protocol|failed)"):
            detector.detect(samples, VadOptions())


def test_quantized_blocks_of_another_size_are_an_error(says: Callable[..., None]) -> None:
    import numpy as np

    says(HELLO, {"event": "quantized", "data": "AAAA"})
    with (
        WasiBackend().open_quantizer(OpenOptions()) as quantizer,
        pytest.raises(GuestError, match="broke the protocol"),
    ):
        quantizer.quantize(np.zeros((2, 32), np.float32), "q8_0")
