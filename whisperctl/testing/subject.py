"""The backend under test, its sessions, and the speech that it is tested with."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import Backend, Model, OpenOptions, Session, SessionResult
from whisperctl.engine.registry import Engine
from whisperctl.errors import UsageError
from whisperctl.jobs.job import resident_bytes
from whisperctl.options import DecodeOptions
from whisperctl.transcript import Segment, SpokenLanguage

GREEDY = DecodeOptions(language="en", beam_size=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """The backend, runtime and model that pytest's command line names.

    Raises:
        WhisperctlError: see ``find``.
    """

    backend: Backend
    name: str
    runtime: str | None
    model: Path

    @classmethod
    def find(cls, name: str, runtime: str | None, model: str) -> Subject:
        """Load the backend and find the model.

        Raises:
            BackendError: the backend cannot be imported.
            ModelError: the model is not installed.
            UsageError: there is no such backend or runtime.
        """
        from whisperctl.models import store

        registry.resolve(registry.parse(name if runtime is None else f"{name}/{runtime}"))
        return cls(registry.load(name), name, runtime, store.resolve(model).absolute())

    def open_options(self, *, threads: int = 1, word_timestamps: bool = False) -> OpenOptions:
        """Options that open the runtime under test."""
        return OpenOptions(threads, self.runtime, word_timestamps)

    @property
    def engine(self) -> Engine:
        """The backend and its runtime, as whisperctl opens them for its users."""
        return Engine(self.name, self.runtime)

    @property
    def english_only(self) -> bool:
        """True if the model knows no language but English."""
        return not Model.inspect(self.model).info.multilingual

    def open(
        self, model: Path | None = None, *, threads: int = 1, word_timestamps: bool = False
    ) -> Session:
        """See ``whisperctl.engine.protocol.Backend.open``."""
        options = self.open_options(threads=threads, word_timestamps=word_timestamps)
        return self.backend.open(Model.inspect(model or self.model), options)

    def open_as_shared(self) -> Session:
        """Open a session like the one that most tests use: with two threads where it can."""
        try:
            return self.open(threads=2)
        except UsageError:
            return self.open(threads=1)


@dataclass(slots=True)
class Outcome:
    """Result of a run, and the arguments of its callbacks."""

    transcript: SessionResult
    streamed: list[Segment] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    languages: list[SpokenLanguage] = field(default_factory=list)
    language_came_late: bool = False
    threads: set[threading.Thread] = field(default_factory=set)
    calls: int = 0
    """Calls of callbacks until the run returned."""
    wall_ms: float = 0.0
    first_segment_ms: float = 0.0

    def calls_so_far(self) -> int:
        """Calls of callbacks, those after the end of the run included."""
        return len(self.streamed) + len(self.progress) + len(self.languages)


@dataclass(slots=True)
class Shared:
    """The session that most tests use, and the memory the process held after each run."""

    session: Session
    memory: list[int] = field(default_factory=list)

    def transcribe(self, audio: Audio, options: DecodeOptions = GREEDY) -> SessionResult:
        """See ``whisperctl.engine.protocol.Session.transcribe``."""
        return self.hear(audio, options).transcript

    def hear(self, audio: Audio, options: DecodeOptions = GREEDY) -> Outcome:
        """Transcribe with callbacks, all of them recorded."""
        heard = Outcome(SessionResult((), ""))

        def on_segment(segment: Segment) -> None:
            if not heard.streamed:
                heard.first_segment_ms = (time.perf_counter() - started) * 1000
            heard.streamed.append(segment)
            heard.threads.add(threading.current_thread())

        def on_progress(fraction: float) -> None:
            heard.progress.append(fraction)
            heard.threads.add(threading.current_thread())

        def on_language(language: SpokenLanguage) -> None:
            heard.language_came_late |= bool(heard.streamed)
            heard.languages.append(language)
            heard.threads.add(threading.current_thread())

        started = time.perf_counter()
        heard.transcript = self.session.transcribe(
            audio,
            options,
            on_segment=on_segment,
            on_progress=on_progress,
            on_language=on_language,
        )
        heard.wall_ms = (time.perf_counter() - started) * 1000
        heard.calls = heard.calls_so_far()
        if heard.transcript.segments:
            self.note_memory()
        return heard

    def note_memory(self) -> None:
        """Add the memory that the process holds now, where it is known."""
        held = resident_bytes(os.getpid())
        if held is not None:
            self.memory.append(held)


def replaced(**options: Any) -> DecodeOptions:
    """Greedy decoding of English, with these options different."""
    return replace(GREEDY, **options)


def outline(transcript: SessionResult) -> list[tuple[float, float, str]]:
    """Times and texts of segments, which no number of threads and no earlier run may change."""
    return [(one.start_s, one.end_s, one.text) for one in transcript.segments]


def one_line(error: BaseException) -> bool:
    """True if an error's message is one line, and not empty."""
    return bool(str(error).strip()) and "\n" not in str(error)


UNUSUAL: dict[str, Any] = {
    "best_of": 2,
    "temperature": 0.8,
    "temperature_increment": 0.0,
    "entropy_threshold": 3.0,
    "logprob_threshold": -0.5,
    "no_speech_threshold": 0.9,
    "initial_prompt": "AND SO MY FELLOW AMERICANS ASK NOT WHAT YOUR COUNTRY",
    "carry_initial_prompt": True,
    "condition_on_previous_text": False,
    "batch_size": 4,
    "max_context": 3,
    "suppress_nst": True,
    "suppress_regex": " [Ff]ellow",
}
"""One value other than the default for each option that a backend may refuse."""


TIMES = 3
"""Repeats of the recording in a long one, of two windows."""

BEGINNING = "And so, my fellow Americans"
BEGINNING_S = 3.5
"""Its first words, and the time at which they have been said."""

RECITED = "আমআমআ"
"""Text of the model that the suite writes, in letters of three bytes."""


def sample(name: str) -> Path:
    """A file of ``samples``, as installed with the package or as it is in a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "samples" / name
    return installed if installed.exists() else here.parents[1] / "samples" / name


def load_recording() -> Audio:
    """Eleven seconds of clear English."""
    return audio.load(sample("jfk.wav"))


def reference_text() -> str:
    """Text of what is said in it."""
    return sample("jfk.txt").read_text(encoding="utf-8")


def beginning(whole: Audio, seconds: float) -> Audio:
    """The first seconds of a recording."""
    return Audio(whole.samples[: round(seconds * SAMPLE_RATE)], f"the first {seconds} s")


def repeated(whole: Audio, times: int) -> Audio:
    """A recording several times over."""
    return Audio(np.tile(whole.samples, times), f"{times} times over")


def word_error_rate(expected: str, text: str) -> float:
    """Share of wrong words after the normalization of Whisper's own tests."""
    import jiwer

    from whisperctl.compare.scoring.wer import normalize

    return float(jiwer.wer(normalize(expected, "en"), normalize(text, "en")))
