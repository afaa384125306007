"""Decodes one chunk of audio with the engine, with retries where the text repeats itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from whisperctl.audio import SAMPLE_RATE, Audio
from whisperctl.engine.protocol import OnLanguage, OnSegment
from whisperctl.engine.session import HostSession
from whisperctl.options import DecodeOptions
from whisperctl.transcript import Segment, SpokenLanguage, TimingsSum
from whisperctl.transcription.repetition import (
    Repetition,
    RepetitionFilter,
    RepetitionOutcome,
    once,
    sounds_alike,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

OnShare = Callable[[float], None]
OnRepetition = Callable[[RepetitionOutcome], None]

_WINDOW_S = 30.0
"""Seconds of audio that a Whisper model takes at once."""

_MARGIN_S = 0.2
"""Seconds before and after a copy that is decoded alone."""

_STEP_S = 1.0
"""Least distance from one restart of the engine to the next, so that a chunk comes to its end."""

_PROMPT_LENGTH = 1000
"""Characters in a prompt; the decoder takes the last 224 tokens, half of its context."""

_RESET_TEMPERATURE = 0.5
"""Text decoded at a higher temperature conditions nothing, as in openai-whisper."""


def tail(segments: Sequence[Segment]) -> str:
    """Text of the last segments, to condition the decoder on."""
    texts: list[str] = []
    length = 0
    for segment in reversed(segments):
        is_random = segment.temperature is not None and segment.temperature > _RESET_TEMPERATURE
        if is_random or length >= _PROMPT_LENGTH:
            break
        texts.append(segment.text)
        length += len(segment.text)
    return "".join(reversed(texts))


@dataclass(frozen=True, slots=True)
class ChunkOptions:
    """How to decode a chunk: ``first`` at its start, ``bare`` without the text before it."""

    first: DecodeOptions
    bare: DecodeOptions
    compression_ratio_threshold: float

    def in_language(self, code: str) -> ChunkOptions:
        """The same options with the language ``code``."""
        first, bare = replace(self.first, language=code), replace(self.bare, language=code)
        return replace(self, first=first, bare=bare)


class _StoppedError(Exception):
    """Stops the engine on purpose."""


class _RepeatedError(_StoppedError):
    """Stops the engine because its text repeats itself."""


class _DetectedError(_StoppedError):
    """Stops the engine once it has detected the language, before it decodes anything."""

    def __init__(self, spoken: SpokenLanguage) -> None:
        super().__init__(spoken)
        self.spoken = spoken


class UnsureLanguageError(_DetectedError):
    """The engine is not sure of the language."""


class ChunkDecoder:
    """Decodes chunks one after the other.

    ``timings`` is the sum of all runs of the engine, ``system_info`` the engine's description of
    itself, and ``spoken`` the language of the current chunk: ``None`` until the engine reports it.
    """

    def __init__(self, session: HostSession, source: str) -> None:
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
            options: decoding options for this chunk.
            on_segment: called with each final segment, in seconds from the first sample.
            on_progress: called with the share of the samples that is done; it may decrease.
            on_repetition: called with the outcome of each repetition.
            check_language: returns false if the language that the engine detected is too unsure.

        Raises:
            UnsureLanguageError: ``check_language`` returned false; nothing was decoded.
        """
        self.spoken = None
        self._check_language = check_language
        _ChunkRun(self, samples, options, on_segment, on_progress, on_repetition).run()

    def run(
        self,
        samples: Samples,
        options: DecodeOptions,
        on_segment: OnSegment,
        on_progress: OnShare | None,
    ) -> None:
        """Run the engine once over samples.

        Args:
            samples: as for ``decode``.
            options: decoding options; their language is replaced by ``spoken``, if known.
            on_segment: called with each segment, in seconds from the first of these samples.
            on_progress: called with the share of these samples that is done.
        """
        if self.spoken is not None:
            options = replace(options, language=self.spoken.code)
        spoken = self._transcribe(
            samples,
            options,
            on_segment=on_segment,
            on_progress=on_progress,
            on_language=self._on_language,
        )
        self.spoken = self.spoken or spoken

    def detect_language(self, samples: Samples, options: DecodeOptions) -> SpokenLanguage:
        """Detect the language of up to 30 s of speech without decoding it.

        Args:
            samples: as for ``decode``.
            options: decoding options with language ``"auto"``.
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
        try:
            transcript = self._session.transcribe(
                Audio(samples, self._source),
                options,
                on_segment=on_segment,
                on_progress=on_progress,
                on_language=on_language,
            )
        finally:
            self.timings.add(self._session.timings)  # also of a run that was stopped
        self.system_info = transcript.system_info
        return SpokenLanguage(transcript.language, transcript.language_probability)


class _ChunkRun:
    """Decoding of one chunk."""

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
        self._on_repetition = on_repetition
        self._given: list[Segment] = []
        self._filter = RepetitionFilter(options.compression_ratio_threshold)
        self._length_s = len(samples) / SAMPLE_RATE
        self._repetition: Repetition | None = None
        self._after: list[Segment] = []

    def run(self) -> None:
        """Decode the chunk to its end."""
        at_s = 0.0
        decoding = self._options.first
        while True:
            try:
                self._decode(at_s, self._length_s, decoding, self._add, self._progress)
                ended = True
            except _RepeatedError:
                ended = False
            if self._repetition is None:
                break
            least_s = at_s + _STEP_S
            repetition, end_s = self._give_real(self._repetition)
            if repetition is None:
                if ended:
                    break
                at_s, decoding = end_s, self._conditioned()
            else:
                self._after.clear()
                self._filter.forget()
                at_s, decoding = self._retry(repetition), self._options.bare
            at_s = max(at_s, least_s)
            if at_s >= self._length_s:
                break
        self._give(self._filter.flush())

    def _add(self, segment: Segment) -> None:
        if self._repetition is not None:
            self._after.append(segment)
            return
        ready, repetition = self._filter.add(segment)
        self._give(ready)
        if repetition is not None and self._is_one_sound(repetition):
            self._filter.accept(repetition)
            self._give(list(repetition.copies))
            return
        self._repetition = repetition
        if repetition is not None and repetition.certain:
            raise _RepeatedError

    def _progress(self, share: float) -> None:
        # An engine reports progress between two windows, where stopping it loses nothing.
        if self._repetition is not None:
            raise _RepeatedError
        self._on_progress(share)

    def _is_one_sound(self, repetition: Repetition) -> bool:
        """True if the last two copies are one sound, so that it is the recording that repeats."""
        if repetition.certain or repetition.earlier_s is None:
            return False
        start_s, end_s = repetition.check_s
        return sounds_alike(self._samples, repetition.earlier_s, start_s, end_s - start_s)

    def _give_real(self, repetition: Repetition | None) -> tuple[Repetition | None, float]:
        """Give out the segments held, up to the first repetition that is not real.

        Returns:
            That repetition, if there is one, and the end of the segments before it.
        """
        self._repetition = None
        end_s = 0.0
        while repetition is not None and not repetition.certain:
            if not repetition.confirmed_by(self._decode_alone(repetition)):
                break
            self._filter.accept(repetition)
            self._give(list(repetition.copies))
            end_s = repetition.end_s
            repetition = None
            after, self._after = self._after, []
            for segment in after:
                if repetition is not None:
                    self._after.append(segment)
                    continue
                end_s = max(end_s, segment.end_s)
                ready, repetition = self._filter.add(segment)
                self._give(ready)
        return repetition, end_s

    def _give(self, segments: list[Segment]) -> None:
        for segment in segments:
            self._given.append(segment)
            self._on_segment(segment)

    def _conditioned(self) -> DecodeOptions:
        """Options to continue with, conditioned on the text so far if that was asked for."""
        bare = self._options.bare
        if not bare.condition_on_previous_text or bare.carry_initial_prompt:
            return bare
        return replace(bare, initial_prompt=tail(self._given))

    def _decode_alone(self, repetition: Repetition) -> str:
        """Text of one copy without previous text."""
        texts: list[str] = []
        start_s, end_s = repetition.check_s
        start_s = max(0.0, start_s - _MARGIN_S)
        end_s = min(self._length_s, end_s + _MARGIN_S)
        self._decode(start_s, end_s, self._options.bare, lambda s: texts.append(s.text), None)
        return "".join(texts)

    def _retry(self, repetition: Repetition) -> float:
        """Decode the window again at rising temperatures; returns the time to continue at."""
        start_s = repetition.start_s
        end_s = min(start_s + _WINDOW_S, self._length_s)
        for temperature in _temperatures(self._options.bare):
            found = self._decode_at(temperature, start_s, end_s)
            if found is None:
                continue
            if end_s < self._length_s and len(found) > 1:
                found.pop()  # the end of the window may have cut it
                end_s = found[-1].end_s
            self._give(found)
            self._on_repetition(RepetitionOutcome(start_s, end_s, repetition.text))
            return end_s
        if repetition.within:  # otherwise the first copy was given out when it came
            segment = repetition.copies[0]
            end_s = segment.end_s
            self._give([once(segment)])
        self._on_repetition(RepetitionOutcome(start_s, end_s, repetition.text, resolved=False))
        return end_s

    def _decode_at(self, temperature: float, start_s: float, end_s: float) -> list[Segment] | None:
        """Segments of a window at a temperature; ``None`` if they repeat themselves again."""
        repetition_filter = RepetitionFilter(self._options.compression_ratio_threshold)
        found: list[Segment] = []

        def on_segment(segment: Segment) -> None:
            ready, repetition = repetition_filter.add(segment)
            found.extend(ready)
            if repetition is not None:
                raise _RepeatedError

        try:
            decoding = replace(self._options.bare, temperature=temperature)
            self._decode(start_s, end_s, decoding, on_segment, None)
        except _RepeatedError:
            return None
        return found + repetition_filter.flush()

    def _decode(
        self,
        start_s: float,
        end_s: float,
        decoding: DecodeOptions,
        on_segment: OnSegment,
        on_progress: OnShare | None,
    ) -> None:
        """Decode a part of the chunk; segments and progress are those of the chunk."""
        start = round(start_s * SAMPLE_RATE)
        samples = self._samples[start : round(end_s * SAMPLE_RATE)]
        offset_s = start / SAMPLE_RATE

        def on_part_segment(segment: Segment) -> None:
            on_segment(segment.shifted(offset_s) if offset_s else segment)

        def on_part_progress(share: float) -> None:
            if on_progress is not None and self._length_s:
                on_progress((offset_s + share * len(samples) / SAMPLE_RATE) / self._length_s)

        self._decoder.run(samples, decoding, on_part_segment, on_part_progress)


def _temperatures(options: DecodeOptions) -> Iterator[float]:
    """Temperatures of the retries; without an increment, the only one."""
    if not options.temperature_increment:
        yield options.temperature
        return
    step = 1
    while (temperature := options.temperature + step * options.temperature_increment) < 1 + 1e-6:
        yield min(1.0, temperature)
        step += 1
