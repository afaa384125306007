"""What a transcription is: segments, their tokens, and where the time went.

Plain frozen data with no engine behind it. Times are seconds from the start of the audio,
durations of work are milliseconds (as whisper.cpp prints them), memory is bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from whisperctl.options import Task
from whisperctl.text import visible

PHASES = ("load", "mel", "sample", "encode", "decode", "batchd", "prompt", "total")
"""whisper.cpp's phases, in the order ``whisper_print_timings`` prints them."""


@dataclass(frozen=True, slots=True)
class Token:
    """One decoded token: its id in the model's vocabulary, its bytes, and its probability.

    A token may hold part of a UTF-8 character, hence bytes: join tokens before decoding.
    ``start_s`` and ``end_s`` are known when word timestamps were asked for and the engine can tell.
    """

    id: int
    data: bytes
    probability: float
    start_s: float | None = None
    end_s: float | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """A whole word with what clings to it: the space before it and the punctuation around it.

    ``probability`` is the mean of its tokens'. The words of a segment, joined, are its text.
    """

    start_s: float
    end_s: float
    text: str
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech: ``start_s`` to ``end_s`` seconds, and its text as the model wrote it.

    ``text`` keeps whisper.cpp's leading space; writers strip it where their format wants that.
    ``words`` is empty unless word timestamps were asked for. ``speaker`` names who speaks, where
    that is known. ``no_speech_probability`` is the model's own, of the window the segment is from;
    ``temperature`` is that of the decoding that gave the text. ``None`` means not known.
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
        """The same with control characters in its texts made visible; tokens stay as they are."""
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
    """The language of a recording: Whisper's code, and its probability if it was detected."""

    code: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """Time spent in one of whisper.cpp's phases, over ``runs`` calls."""

    total_ms: float
    runs: int = 1

    @property
    def per_run_ms(self) -> float:
        """Milliseconds a call."""
        return self.total_ms / max(1, self.runs)


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time of one run went.

    ``phases`` is whisper.cpp's own account, keyed by the names in ``PHASES``; the rest is what only
    the host can see. ``None`` means that the backend has no such step. ``module_compile_ms`` and
    ``instantiate_ms`` belong to opening the session, ``wall_ms`` to the ``transcribe`` call.
    ``linear_memory_bytes`` is the size of a sandbox's memory, which never shrinks. ``cpu_ms`` is
    what all threads computed in ``wall_ms``.
    """

    phases: Mapping[str, Phase] = field(default_factory=dict)
    wall_ms: float = 0.0
    audio_decode_ms: float | None = None
    module_compile_ms: float | None = None
    instantiate_ms: float | None = None
    peak_memory_bytes: int | None = None
    linear_memory_bytes: int | None = None
    cpu_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Network:
    """The size of a model's encoder or decoder: positions, width, and heads in each layer."""

    n_ctx: int
    n_state: int
    n_heads: int
    n_layers: int


@dataclass(frozen=True, slots=True)
class ModelDescription:
    """What a ggml model's file says of the model.

    ``ftype`` is the number that whisper.cpp has for the format of the weights: 1 is f16, 7 q8_0.
    """

    multilingual: bool
    n_vocab: int
    n_mels: int
    ftype: int
    encoder: Network
    decoder: Network


@dataclass(frozen=True, slots=True)
class Transcript:
    """The result of one run over one recording.

    ``language`` is that of the speech, also when ``task`` is ``"translate"``. ``model`` is the file
    it was made with, if any is known, and ``model_description`` what that is if it is a ggml file.
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

    def visible(self) -> Transcript:
        """The same with control characters in all its texts made visible."""
        return replace(
            self,
            segments=tuple(segment.visible() for segment in self.segments),
            language=visible(self.language),
            system_info=visible(self.system_info),
        )

    @property
    def text(self) -> str:
        """All segments' text, joined as the model wrote it and stripped at both ends."""
        return "".join(segment.text for segment in self.segments).strip()
