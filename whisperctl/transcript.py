"""Transcripts: segments, words and tokens, the language, and the timings of the run.

Frozen data, independent of any engine. Times are seconds from the start of the audio, durations of
work are milliseconds (as whisper.cpp prints them), memory is bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from whisperctl.options import Task
from whisperctl.text import visible

PHASES = ("load", "mel", "sample", "encode", "decode", "batchd", "prompt", "total")
"""whisper.cpp's phases, in the order of ``whisper_print_timings``."""


@dataclass(frozen=True, slots=True)
class Token:
    """One decoded token: its id in the model's vocabulary, its bytes, and its probability.

    A token may hold part of a UTF-8 character, hence bytes: join tokens before decoding.
    ``start_s`` and ``end_s`` are ``None`` unless word timestamps were asked for and the engine
    knows them.
    """

    id: int
    data: bytes
    probability: float
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A word with the space before it and the punctuation around it.

    ``probability`` is the mean of its tokens'. The words of a segment, joined, are its text.
    """

    start_s: float
    end_s: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech from ``start_s`` to ``end_s`` seconds, with the model's text.

    ``text`` keeps whisper.cpp's leading space; writers strip it if their format requires that.
    ``words`` is empty unless word timestamps were asked for. ``speaker`` is the speaker's name.
    ``no_speech_probability`` is the model's, for the window of the segment; ``temperature`` is the
    one that the text was decoded at. ``None`` means unknown.
    """

    start_s: float
    end_s: float
    text: str
    tokens: tuple[Token, ...] = ()
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    no_speech_probability: float | None = None
    temperature: float | None = None

    def visible(self) -> Segment:
        """The same segment with visible control characters in its texts; tokens do not change."""
        shown = replace(
            self,
            text=visible(self.text, prose=True),
            words=tuple(replace(word, text=visible(word.text, prose=True)) for word in self.words),
            speaker=None if self.speaker is None else visible(self.speaker, prose=True),
        )
        return self if shown == self else shown

    def shifted(self, offset_s: float) -> Segment:
        """The same segment ``offset_s`` later, with its words and tokens."""
        return replace(
            self,
            start_s=self.start_s + offset_s,
            end_s=self.end_s + offset_s,
            words=tuple(
                replace(word, start_s=word.start_s + offset_s, end_s=word.end_s + offset_s)
                for word in self.words
            ),
            tokens=tuple(
                token
                if token.start_s is None or token.end_s is None
                else replace(token, start_s=token.start_s + offset_s, end_s=token.end_s + offset_s)
                for token in self.tokens
            ),
        )


@dataclass(frozen=True, slots=True)
class SpokenLanguage:
    """Language of a recording: Whisper's code, and its probability if it was detected."""

    code: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """Time spent in one of whisper.cpp's phases, in ``runs`` calls."""

    total_ms: float
    runs: int = 1

    @property
    def per_run_ms(self) -> float:
        """Milliseconds per call."""
        return self.total_ms / max(1, self.runs)


@dataclass(frozen=True, slots=True)
class Timings:
    """Time and memory that one run took.

    ``phases`` are measured by whisper.cpp, by the names in ``PHASES``; the rest by the host.
    ``None`` means that the backend has no such step. ``module_compile_ms`` and ``instantiate_ms``
    belong to opening the session, ``wall_ms`` to the ``transcribe`` call. ``cpu_ms`` is the CPU
    time of all threads in ``wall_ms``. ``linear_memory_bytes`` is the size of a sandbox's memory,
    which never shrinks.
    """

    phases: Mapping[str, Phase] = field(default_factory=dict)
    wall_ms: float = 0.0
    audio_decode_ms: float | None = None
    module_compile_ms: float | None = None
    instantiate_ms: float | None = None
    peak_memory_bytes: int | None = None
    linear_memory_bytes: int | None = None
    cpu_ms: float | None = None


class TimingsSum:
    """Sum of the timings of several runs of one session."""

    def __init__(self) -> None:
        self._phases: dict[str, Phase] = {}
        self._wall_ms = 0.0
        self._cpu_ms: float | None = 0.0
        self._peak_bytes: int | None = None
        self._last: Timings | None = None

    def add(self, timings: Timings) -> None:
        """Add the timings of a run."""
        for name, phase in timings.phases.items():
            if name == "load" and self._last is not None and phase == self._last.phases.get(name):
                continue  # equal to the hundredth of a millisecond: the same load, reported again
            total = self._phases.get(name)
            if total is not None:
                phase = Phase(total.total_ms + phase.total_ms, total.runs + phase.runs)
            self._phases[name] = phase
        self._wall_ms += timings.wall_ms
        if self._cpu_ms is not None:
            # An unknown part leaves the sum unknown.
            self._cpu_ms = None if timings.cpu_ms is None else self._cpu_ms + timings.cpu_ms
        if timings.peak_memory_bytes is not None:
            self._peak_bytes = max(self._peak_bytes or 0, timings.peak_memory_bytes)
        if timings.phases:  # a run that was stopped has no phases
            self._last = timings

    def total(self, audio_decode_ms: float) -> Timings:
        """The sum, with the time spent on reading the recording."""
        last = self._last or Timings()
        return Timings(
            phases=dict(self._phases),
            wall_ms=self._wall_ms,
            audio_decode_ms=audio_decode_ms,
            module_compile_ms=last.module_compile_ms,
            instantiate_ms=last.instantiate_ms,
            peak_memory_bytes=self._peak_bytes,
            linear_memory_bytes=last.linear_memory_bytes,
            cpu_ms=self._cpu_ms,
        )


@dataclass(frozen=True, slots=True)
class Network:
    """Size of a model's encoder or decoder: positions, width, and heads in each layer."""

    n_ctx: int
    n_state: int
    n_heads: int
    n_layers: int


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """Description of a model in the header of its ggml file.

    ``ftype`` is whisper.cpp's number for the format of the weights: 1 is f16, 7 is q8_0.
    """

    multilingual: bool
    n_vocab: int
    n_mels: int
    ftype: int
    encoder: Network
    decoder: Network


@dataclass(frozen=True, slots=True)
class Transcript:
    """Result of one run over one recording.

    ``language`` is that of the speech, even if ``task`` is ``"translate"``. ``model`` is the file
    of the model, if known, and ``model_description`` describes it if it is a ggml file.
    ``decoders`` names those that read the recording, in order.
    """

    segments: tuple[Segment, ...]
    language: str
    duration_s: float
    timings: Timings = field(default_factory=Timings)
    language_probability: float | None = None
    system_info: str = ""
    task: Task = "transcribe"
    model: Path | None = None
    model_description: ModelDescription | None = None
    decoders: tuple[str, ...] = ()

    def visible(self) -> Transcript:
        """The same transcript with visible control characters in all texts."""
        return replace(
            self,
            segments=tuple(segment.visible() for segment in self.segments),
            language=visible(self.language),
            system_info=visible(self.system_info),
        )

    @property
    def text(self) -> str:
        """Text of all segments, joined as the model wrote it and stripped at both ends."""
        return "".join(segment.text for segment in self.segments).strip()
