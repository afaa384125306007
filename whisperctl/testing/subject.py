"""The backend under test, and its sessions."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from whisperctl.audio import Audio
from whisperctl.engine import protocol as backends
from whisperctl.engine.protocol import Backend, Session
from whisperctl.engine.registry import Engine, resolve
from whisperctl.errors import ModelError
from whisperctl.jobs.job import resident_bytes
from whisperctl.options import DecodeOptions
from whisperctl.transcript import Segment, SpokenLanguage, Transcript

MULTILINGUAL = "base"
"""What writes other scripts, where the model under test knows English only."""

GREEDY = DecodeOptions(language="en", beam_size=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the command line of pytest names.

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
            BackendError: there is no such backend, or it does not import.
            ModelError: the model is not here.
            UsageError: the backend has no such runtime.
        """
        from whisperctl.models import store

        resolve(Engine(name, runtime))
        return cls(backends.load(name), name, runtime, store.resolve(model).absolute())

    @property
    def engine(self) -> Engine:
        """The backend and its runtime, as whisperctl opens them for its users."""
        return Engine(self.name, self.runtime)

    @property
    def english_only(self) -> bool:
        """Whether the model knows no language but English."""
        from whisperctl.models import ggml

        return not ggml.inspect(self.model).multilingual

    def multilingual(self) -> Path | None:
        """A model that writes other scripts, if one is here."""
        from whisperctl.models import store

        try:
            return store.resolve(MULTILINGUAL).absolute()
        except ModelError:
            return None

    def open(
        self, model: Path | None = None, *, threads: int = 1, word_timestamps: bool = False
    ) -> Session:
        """See ``whisperctl.engine.protocol.Backend.open``."""
        extra = {"word_timestamps": True} if word_timestamps else {}
        return self.backend.open(
            model or self.model, threads=threads, runtime=self.runtime, **extra
        )


@dataclass(slots=True)
class Outcome:
    """A transcript, and what the callbacks were told on the way to it."""

    transcript: Transcript
    streamed: list[Segment] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    languages: list[SpokenLanguage] = field(default_factory=list)
    language_came_late: bool = False
    threads: set[threading.Thread] = field(default_factory=set)
    wall_ms: float = 0.0
    first_segment_ms: float = 0.0


@dataclass(slots=True)
class Shared:
    """The session that most tests use, and the memory the process held after each run."""

    session: Session
    memory: list[int] = field(default_factory=list)

    def transcribe(self, audio: Audio, options: DecodeOptions = GREEDY) -> Transcript:
        """See ``whisperctl.engine.protocol.Session.transcribe``."""
        return self.hear(audio, options).transcript

    def hear(self, audio: Audio, options: DecodeOptions = GREEDY) -> Outcome:
        """Transcribe with callbacks, all of them recorded."""
        heard = Outcome(Transcript((), "", 0.0))

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
        held = resident_bytes(os.getpid())
        if held is not None and heard.transcript.segments:
            self.memory.append(held)
        return heard


def replaced(**options: Any) -> DecodeOptions:
    """Greedy decoding of English, with these options different."""
    return replace(GREEDY, **options)


def outline(transcript: Transcript) -> list[tuple[float, float, str]]:
    """When what is said, which no thread count or earlier run may change."""
    return [(one.start_s, one.end_s, one.text) for one in transcript.segments]


def one_line(error: BaseException) -> bool:
    """Whether an error's message is one line that says something."""
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
    "max_context": 3,
    "suppress_nst": True,
    "suppress_regex": " [Ff]ellow",
}
"""One value other than the default for each option that a backend may refuse."""
