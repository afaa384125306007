"""One chunk of audio through the engine, with retries where the text repeats itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.engine.protocol import OnLanguage, OnSegment, Session
from whisperctl.options import DecodeOptions
from whisperctl.resources import cpu_time_s
from whisperctl.transcript import Phase, Segment, SpokenLanguage, Timings
from whisperctl.transcription.repetition import Repetition, RepetitionFilter, once
from whisperctl.transcription.similarity import alike

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]


_LENGTH = 1000
"""Characters kept: a decoder's prompt holds half its context, 224 tokens, and takes the last."""

_RESET_TEMPERATURE = 0.5
"""Text decoded at a higher temperature conditions nothing, as in openai-whisper."""


def tail(segments: Sequence[Segment]) -> str:
    """The end of what was said, to condition on."""
    texts: list[str] = []
    length = 0
    for segment in reversed(segments):
        hot = segment.temperature is not None and segment.temperature > _RESET_TEMPERATURE
        if hot or length >= _LENGTH:
            break
        texts.append(segment.text)
        length += len(segment.text)
    return "".join(reversed(texts))


class TimingsSum:
    """What several runs of one session took together."""

    def __init__(self) -> None:
        self._phases: dict[str, Phase] = {}
        self._wall_ms = 0.0
        self._cpu_ms: float | None = 0.0
        self._peak_bytes: int | None = None
        self._last: Timings | None = None

    def add(self, timings: Timings) -> None:
        """Count one more run in."""
        for name, phase in timings.phases.items():
            if name == "load" and self._last is not None and phase == self._last.phases.get(name):
                continue  # to the hundredth of a millisecond: the same loading, told once more
            sofar = self._phases.get(name)
            if sofar is not None:
                phase = Phase(sofar.total_ms + phase.total_ms, sofar.runs + phase.runs)
            self._phases[name] = phase
        self._wall_ms += timings.wall_ms
        if self._cpu_ms is not None:
            # A part that nobody knows leaves the sum unknown.
            self._cpu_ms = None if timings.cpu_ms is None else self._cpu_ms + timings.cpu_ms
        if timings.peak_memory_bytes is not None:
            self._peak_bytes = max(self._peak_bytes or 0, timings.peak_memory_bytes)
        if timings.phases:  # a run that was stopped has no phases
            self._last = timings

    def total(self, audio_decode_ms: float) -> Timings:
        """The sum, with the time that reading the recording took."""
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


_WINDOW_S = 30.0
"""What a Whisper model hears at once."""

_MARGIN_S = 0.2
"""What is heard before and after a copy that is decoded by itself."""

_STEP_S = 1.0
"""A further try begins at least this much later, so that there is an end to trying."""

OnShare = Callable[[float], None]
OnRepetition = Callable[["Resolved"], None]


@dataclass(frozen=True, slots=True)
class Resolved:
    """What became of a loop; times are seconds from the chunk's first sample.

    ``given_up`` says that it repeated itself at every temperature, and one copy is left.
    """

    start_s: float
    end_s: float
    text: str
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """How to decode a chunk: ``first`` to begin with, ``bare`` without the text before it."""

    first: DecodeOptions
    bare: DecodeOptions
    compression_ratio_threshold: float

    def in_language(self, code: str) -> ChunkOptions:
        """The same for a language that is known."""
        first, bare = replace(self.first, language=code), replace(self.bare, language=code)
        return replace(self, first=first, bare=bare)


class _StoppedError(Exception):
    """Stops an engine on purpose."""


class _LoopedError(_StoppedError):
    """Stops an engine that repeats itself."""


class _DetectedError(_StoppedError):
    """Stops an engine once it has detected the language, before it has decoded anything."""

    def __init__(self, spoken: SpokenLanguage) -> None:
        super().__init__(spoken)
        self.spoken = spoken


class UnsureLanguageError(_DetectedError):
    """The engine is not sure of the language."""


class ChunkDecoder:
    """Decodes chunks one after the other; what they took is counted in ``timings``.

    ``spoken`` is the language of the chunk under way, ``None`` until the engine has told it.
    ``system_info`` is the engine's.
    """

    def __init__(self, session: Session, source: str) -> None:
        self.timings = TimingsSum()
        self.spoken: SpokenLanguage | None = None
        self.system_info = ""
        self._session = session
        self._source = source

    def decode(
        self,
        samples: Samples,
        options: ChunkOptions,
        *,
        on_segment: OnSegment,
        on_progress: OnShare,
        on_repetition: OnRepetition,
        check_language: Callable[[SpokenLanguage], bool] = lambda spoken: True,
    ) -> None:
        """Decode one chunk.

        Args:
            samples: float32, shape (n_samples,), [-1, 1], 16 kHz mono.
            options: how to, for this chunk.
            on_segment: gets segments once they are certain, in seconds from the first sample.
            on_progress: gets the share of the samples that is done; it may fall back.
            on_repetition: gets what repeated itself and was decoded again.
            check_language: whether to go on in the language that the engine tells.

        Raises:
            UnsureLanguageError: not to go on; nothing was decoded.
        """
        self.spoken = None
        self._check_language = check_language
        _Pass(self, samples, options, on_segment, on_progress, on_repetition).go()

    def run(
        self,
        samples: Samples,
        options: DecodeOptions,
        on_segment: OnSegment,
        on_progress: OnShare | None,
    ) -> None:
        """Give samples to the engine as they are.

        Args:
            samples: as for ``decode``.
            options: exactly how to, but for a language that is known by now.
            on_segment: gets segments, in seconds from the first of these samples.
            on_progress: gets the share of these samples that is done.
        """
        if self.spoken is not None:
            options = replace(options, language=self.spoken.code)
        told = self._transcribe(
            samples,
            options,
            on_segment=on_segment,
            on_progress=on_progress,
            on_language=self._on_language,
        )
        self.spoken = self.spoken or told

    def detect_language(self, samples: Samples, options: DecodeOptions) -> SpokenLanguage:
        """The language of up to 30 s of speech; nothing is decoded.

        Args:
            samples: as for ``decode``.
            options: with the language to be detected.
        """

        def on_language(spoken: SpokenLanguage) -> None:
            raise _DetectedError(spoken)

        try:
            return self._transcribe(samples, options, on_language=on_language)
        except _DetectedError as detected:
            return detected.spoken

    def _on_language(self, spoken: SpokenLanguage) -> None:
        if self.spoken is not None:
            return
        if not self._check_language(spoken):
            raise UnsureLanguageError(spoken)
        self.spoken = spoken

    def _transcribe(
        self,
        samples: Samples,
        options: DecodeOptions,
        *,
        on_language: OnLanguage,
        on_segment: OnSegment | None = None,
        on_progress: OnShare | None = None,
    ) -> SpokenLanguage:
        started, started_cpu_s = perf_counter(), cpu_time_s()
        try:
            transcript = self._session.transcribe(
                Audio(samples, self._source),
                options,
                on_segment=on_segment,
                on_progress=on_progress,
                on_language=on_language,
            )
        except _StoppedError:
            wall_ms = (perf_counter() - started) * 1000
            cpu_ms = (cpu_time_s() - started_cpu_s) * 1000
            self.timings.add(Timings(wall_ms=wall_ms, cpu_ms=cpu_ms))
            raise
        self.timings.add(transcript.timings)
        self.system_info = transcript.system_info
        return SpokenLanguage(transcript.language, transcript.language_probability)


class _Pass:
    """One chunk on its way."""

    def __init__(
        self,
        decoder: ChunkDecoder,
        samples: Samples,
        options: ChunkOptions,
        on_segment: OnSegment,
        on_progress: OnShare,
        on_repetition: OnRepetition,
    ) -> None:
        self._decoder = decoder
        self._samples = samples
        self._options = options
        self._on_segment = on_segment
        self._on_progress = on_progress
        self._on_loop = on_repetition
        self._said: list[Segment] = []
        self._guard = RepetitionFilter(options.compression_ratio_threshold)
        self._length_s = len(samples) / SAMPLE_RATE
        self._loop: Repetition | None = None
        self._after: list[Segment] = []

    def go(self) -> None:
        """Decode to the end."""
        at_s = 0.0
        decoding = self._options.first
        while True:
            try:
                self._run(at_s, self._length_s, decoding, self._guarded, self._progressed)
                ended = True
            except _LoopedError:
                ended = False
            if self._loop is None:
                break
            least_s = at_s + _STEP_S
            loop, real_s = self._while_real(self._loop)
            if loop is None:
                if ended:
                    break
                at_s, decoding = real_s, self._continued()
            else:
                self._after.clear()
                self._guard.forget()
                at_s, decoding = self._again(loop), self._options.bare
            at_s = max(at_s, least_s)
            if at_s >= self._length_s:
                break
        self._give(self._guard.flush())

    def _guarded(self, segment: Segment) -> None:
        if self._loop is not None:
            self._after.append(segment)
            return
        ready, loop = self._guard.add(segment)
        self._give(ready)
        if loop is not None and self._sounds_alike(loop):
            self._guard.trust(loop)
            self._give(list(loop.copies))
            return
        self._loop = loop
        if loop is not None and loop.certain:
            raise _LoopedError

    def _sounds_alike(self, loop: Repetition) -> bool:
        """Whether the last two copies are one sound, so that the repetition is the recording's."""
        if loop.certain or loop.earlier_s is None:
            return False
        start_s, end_s = loop.proof_s
        return alike(self._samples, loop.earlier_s, start_s, end_s - start_s)

    def _progressed(self, share: float) -> None:
        # An engine says how far it is between two windows, where stopping it loses nothing.
        if self._loop is not None:
            raise _LoopedError
        self._on_progress(share)

    def _while_real(self, loop: Repetition | None) -> tuple[Repetition | None, float]:
        """Give what is no loop of all that is held; where that ends, and the loop after it."""
        self._loop = None
        end_s = 0.0
        while loop is not None and not loop.certain and loop.confirmed_by(self._alone(loop)):
            self._guard.trust(loop)
            self._give(list(loop.copies))
            end_s = loop.end_s
            loop = None
            after, self._after = self._after, []
            for segment in after:
                if loop is not None:
                    self._after.append(segment)
                    continue
                end_s = max(end_s, segment.end_s)
                ready, loop = self._guard.add(segment)
                self._give(ready)
        return loop, end_s

    def _give(self, segments: list[Segment]) -> None:
        for segment in segments:
            self._said.append(segment)
            self._on_segment(segment)

    def _continued(self) -> DecodeOptions:
        bare = self._options.bare
        if not bare.condition_on_previous_text or bare.carry_initial_prompt:
            return bare
        return replace(bare, initial_prompt=tail(self._said))

    def _alone(self, loop: Repetition) -> str:
        """What a part of a loop says by itself."""
        texts: list[str] = []
        start_s = max(0.0, loop.proof_s[0] - _MARGIN_S)
        end_s = min(self._length_s, loop.proof_s[1] + _MARGIN_S)
        self._run(start_s, end_s, self._options.bare, lambda s: texts.append(s.text), None)
        return "".join(texts)

    def _again(self, loop: Repetition) -> float:
        """Decode a loop's window anew, hotter each time; gives where to go on from."""
        start_s = loop.start_s
        end_s = min(start_s + _WINDOW_S, self._length_s)
        for temperature in _temperatures(self._options.bare):
            found = self._try(start_s, end_s, temperature)
            if found is None:
                continue
            if end_s < self._length_s and len(found) > 1:
                found.pop()  # the window's end may have cut it
                end_s = found[-1].end_s
            self._give(found)
            self._on_loop(Resolved(start_s, end_s, loop.text))
            return end_s
        if not loop.within:  # the first copy was given out when it came
            self._on_loop(Resolved(start_s, end_s, loop.text, given_up=True))
            return end_s
        segment = loop.copies[0]
        self._give([once(segment)])
        self._on_loop(Resolved(start_s, segment.end_s, loop.text, given_up=True))
        return segment.end_s

    def _try(self, start_s: float, end_s: float, temperature: float) -> list[Segment] | None:
        """A window's segments at a temperature; ``None`` when it repeats itself again."""
        guard = RepetitionFilter(self._options.compression_ratio_threshold)
        found: list[Segment] = []

        def on_segment(segment: Segment) -> None:
            ready, loop = guard.add(segment)
            found.extend(ready)
            if loop is not None:
                raise _LoopedError

        try:
            decoding = replace(self._options.bare, temperature=temperature)
            self._run(start_s, end_s, decoding, on_segment, None)
        except _LoopedError:
            return None
        return found + guard.flush()

    def _run(
        self,
        start_s: float,
        end_s: float,
        decoding: DecodeOptions,
        on_segment: OnSegment,
        on_progress: OnShare | None,
    ) -> None:
        start = round(start_s * SAMPLE_RATE)
        samples = self._samples[start : round(end_s * SAMPLE_RATE)]
        offset_s = start / SAMPLE_RATE

        def shifted(segment: Segment) -> None:
            on_segment(_later(segment, offset_s) if offset_s else segment)

        def progressed(share: float) -> None:
            if on_progress is not None and self._length_s:
                on_progress((offset_s + share * len(samples) / SAMPLE_RATE) / self._length_s)

        self._decoder.run(samples, decoding, shifted, progressed)


def _temperatures(options: DecodeOptions) -> Iterator[float]:
    """The temperatures of further tries; without any step it is the one there is."""
    if not options.temperature_increment:
        yield options.temperature
        return
    step = 1
    while (hot := options.temperature + step * options.temperature_increment) < 1 + 1e-6:
        yield min(1.0, hot)
        step += 1


def _later(segment: Segment, offset_s: float) -> Segment:
    tokens = []
    for token in segment.tokens:
        if token.start_s is not None and token.end_s is not None:
            token = replace(token, start_s=token.start_s + offset_s, end_s=token.end_s + offset_s)
        tokens.append(token)
    return replace(
        segment,
        start_s=segment.start_s + offset_s,
        end_s=segment.end_s + offset_s,
        tokens=tuple(tokens),
    )
