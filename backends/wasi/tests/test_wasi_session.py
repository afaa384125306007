"""Sessions on real speech, on both runtimes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from whisperctl.audio import Audio
from whisperctl.decoding import DecodeOptions
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.transcript import Segment, Transcript
from whisperctl_wasi import WasiBackend

pytestmark = pytest.mark.slow

ASK_NOT = "ask not what your country can do for you"
GREEDY = DecodeOptions(beam_size=1)


def plain(transcript: Transcript) -> str:
    return transcript.text.lower().replace(",", "")


def test_real_speech_is_transcribed_and_streamed(runtime: str, jfk: Audio, tiny_en: Path) -> None:
    streamed: list[Segment] = []
    progress: list[float] = []
    with WasiBackend().open(tiny_en, threads=2, runtime=runtime) as session:
        result = session.transcribe(
            jfk, GREEDY, on_segment=streamed.append, on_progress=progress.append
        )
    assert ASK_NOT in plain(result)
    assert tuple(streamed) == result.segments
    assert progress[-1] == 1.0
    assert result.language == "en"
    assert result.timings.phases["encode"].runs == 1
    assert result.timings.phases["decode"].runs > 10
    assert {"load", "mel", "sample", "prompt", "total"} <= set(result.timings.phases)
    assert result.timings.peak_memory_bytes is not None
    assert result.timings.peak_memory_bytes > tiny_en.stat().st_size


def test_both_runtimes_say_the_same(jfk: Audio, tiny_en: Path) -> None:
    def run(runtime: str) -> list[tuple[float, float, str, tuple[int, ...]]]:
        with WasiBackend().open(tiny_en, threads=2, runtime=runtime) as session:
            result = session.transcribe(jfk, DecodeOptions())
        return [
            (part.start_s, part.end_s, part.text, tuple(token.id for token in part.tokens))
            for part in result.segments
        ]

    assert run("wasmer") == run("wasmtime")


def test_a_session_forgets_the_recording_before(runtime: str, jfk: Audio, tiny_en: Path) -> None:
    other = Audio(np.ascontiguousarray(jfk.samples[::-1]), "backwards")
    with WasiBackend().open(tiny_en, threads=2, runtime=runtime) as session:
        first = session.transcribe(jfk, GREEDY)
        session.transcribe(other, DecodeOptions(beam_size=1, temperature_increment=0))
        again = session.transcribe(jfk, GREEDY)
    assert again.segments == first.segments


def test_a_callback_that_raises_stops_the_run_and_the_session_goes_on(
    runtime: str, jfk: Audio, tiny_en: Path
) -> None:
    class StopHere(Exception):
        pass

    stopped = 0.0

    def stop(_: object) -> None:
        nonlocal stopped
        stopped = time.monotonic()
        raise StopHere

    with WasiBackend().open(tiny_en, threads=2, runtime=runtime) as session:
        with pytest.raises(StopHere):
            session.transcribe(jfk, GREEDY, on_progress=stop)
        assert time.monotonic() - stopped < 1
        assert ASK_NOT in plain(session.transcribe(jfk, GREEDY))


def test_ctrl_c_stops_a_run_within_a_second(runtime: str, jfk: Audio, tiny_en: Path) -> None:
    pressed = 0.0

    def press() -> None:
        nonlocal pressed
        pressed = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)

    with WasiBackend().open(tiny_en, threads=2, runtime=runtime) as session:
        timer = threading.Timer(0.3, press)
        # Long enough audio that the run cannot be over before.
        long = Audio(np.tile(jfk.samples, 20), "long")
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            session.transcribe(long, GREEDY)
        assert time.monotonic() - pressed < 1
        timer.join()


def test_a_damaged_model_is_refused_with_whisper_cpps_reason(runtime: str, tmp_path: Path) -> None:
    model = tmp_path / "not a model.bin"
    model.write_bytes(b"nothing of the kind" * 1000)
    with pytest.raises(ModelError, match=r"not a model\.bin.*bad magic"):
        WasiBackend().open(model, threads=1, runtime=runtime)


def test_audio_too_short_to_hold_speech_gives_no_segments(
    runtime: str, jfk: Audio, tiny_en: Path
) -> None:
    with WasiBackend().open(tiny_en, threads=1, runtime=runtime) as session:
        nothing = session.transcribe(Audio(jfk.samples[:0], "empty"), GREEDY)
        blink = session.transcribe(Audio(jfk.samples[:800], "blink"), GREEDY)
    assert nothing.segments == ()
    assert blink.segments == ()


def test_the_portable_module_says_when_it_is_asked_for_threads(
    tiny_en: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHISPERCTL_WASI_VARIANT", "whisper")
    with pytest.raises(UsageError, match="at most 1 thread, not 2"):
        WasiBackend().open(tiny_en, threads=2)


def test_a_language_the_model_does_not_know_is_a_usage_error(tiny_en: Path, jfk: Audio) -> None:
    with WasiBackend().open(tiny_en, threads=1) as session, pytest.raises(UsageError):
        session.transcribe(jfk, DecodeOptions(language="de"))


def test_a_closed_session_says_so(tiny_en: Path, jfk: Audio) -> None:
    session = WasiBackend().open(tiny_en, threads=1)
    session.close()
    session.close()
    with pytest.raises(BackendError, match="closed already"):
        session.transcribe(jfk, GREEDY)


def test_a_session_left_open_does_not_spoil_the_end_of_the_process(
    runtime: str, tiny_en: Path
) -> None:
    script = (
        "import pathlib, sys\n"
        "from whisperctl_wasi import WasiBackend\n"
        "session = WasiBackend().open(pathlib.Path(sys.argv[1]), threads=1, runtime=sys.argv[2])\n"
        "print('open', flush=True)\n"
    )

    said = subprocess.run(
        [sys.executable, "-c", script, str(tiny_en), runtime],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert (said.returncode, said.stdout, said.stderr) == (0, "open\n", "")
