"""Sessions, detectors and quantizers of every backend: one user at a time, and closed for good."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from whisperctl import audio
from whisperctl.audio import Audio
from whisperctl.engine import registry
from whisperctl.engine.toolkit.handle import Handle
from whisperctl.errors import BackendError
from whisperctl.options import DecodeOptions, VadOptions

GREEDY = DecodeOptions(language="en", beam_size=1)
VALUES = np.ones((1, 32), np.float32)
CLOSED = "the run was stopped because its|was closed while it was transcribing"


class Counted(Handle):
    """Counts how often it was freed."""

    def __init__(self) -> None:
        super().__init__("thing")
        self.n_freed = 0

    def _request_stop(self) -> None:
        pass

    def _free(self) -> None:
        self.n_freed += 1


def in_another_thread(call: Callable[[], object]) -> str:
    """What a call says that fails in a thread of its own; nothing if it does not fail."""
    said: list[str] = []

    def work() -> None:
        try:
            call()
        except BackendError as error:
            said.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return said[0] if said else ""


def enter(handle: Handle) -> None:
    with handle.use():
        pass


def test_a_second_user_is_refused_and_the_first_goes_on() -> None:
    handle = Counted()
    with handle.use():
        assert in_another_thread(lambda: enter(handle)) == (
            "the thing is busy with another call: open one for each thread"
        )
        with pytest.raises(BackendError, match="busy"):
            enter(handle)
    enter(handle)
    assert handle.n_freed == 0


def test_what_is_closed_in_use_is_freed_after_it() -> None:
    handle = Counted()
    with handle.use():
        assert in_another_thread(handle.close) == ""
        assert handle.n_freed == 0
    assert handle.n_freed >= 1
    with pytest.raises(BackendError, match=r"^the thing is already closed$"):
        enter(handle)


@pytest.fixture(scope="module")
def clip(jfk: Path) -> Audio:
    return Audio(audio.load(jfk).samples[: 3 * 16_000], "clip")


@pytest.fixture(params=["native", "wasi", "faster-whisper"])
def any_backend(request: pytest.FixtureRequest) -> Iterator[registry.Engine]:
    yield registry.parse(str(request.param))


@pytest.mark.slow
def test_a_session_is_for_one_thread_until_it_is_closed(
    any_backend: registry.Engine, reciting: Path, clip: Audio
) -> None:
    intruders: list[str] = []
    session = registry.open_session(any_backend, reciting, threads=1)

    def intrude(_: object) -> None:
        intruders.append(in_another_thread(lambda: session.transcribe(clip, GREEDY)))

    assert session.transcribe(clip, GREEDY, on_segment=intrude).segments
    assert intruders
    assert all(said.startswith("the session is busy") for said in intruders)
    with pytest.raises(BackendError, match=CLOSED):
        session.transcribe(clip, GREEDY, on_progress=lambda _: session.close())
    with pytest.raises(BackendError, match=r"^the session is already closed$"):
        session.transcribe(clip, GREEDY)


@pytest.mark.slow
def test_closing_a_detector_in_another_thread_ends_its_run(
    engine: str, silero: Path, jfk: Path
) -> None:
    minutes = np.tile(audio.load(jfk).samples, 60)
    detector = registry.open_detector(registry.parse(engine), silero)
    timer = threading.Timer(0.5, detector.close)
    timer.start()
    with pytest.raises(BackendError, match="the run was stopped because its detector was closed"):
        detector.detect(minutes, VadOptions())
    timer.join()
    with pytest.raises(BackendError, match=r"^the detector is already closed$"):
        detector.detect(minutes, VadOptions())


def test_a_closed_quantizer_says_so(engine: str) -> None:
    quantizer = registry.open_quantizer(registry.parse(engine))
    assert len(quantizer.quantize(VALUES, "q8_0")) == 34
    quantizer.close()
    quantizer.close()
    with pytest.raises(BackendError, match=r"^the quantizer is already closed$"):
        quantizer.quantize(VALUES, "q8_0")
