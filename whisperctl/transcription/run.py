"""One run over one recording, and the checkpoints that it can resume from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from whisperctl import languages
from whisperctl.audio import SAMPLE_RATE
from whisperctl.engine.protocol import OnSegment
from whisperctl.engine.session import HostSession
from whisperctl.errors import UsageError
from whisperctl.options import DecodeOptions, TranscriptionOptions
from whisperctl.text import on_one_line, quoted
from whisperctl.transcript import Segment, SpokenLanguage, Transcript
from whisperctl.transcription.chunk_decoder import (
    ChunkDecoder,
    ChunkOptions,
    UnsureLanguageError,
    tail,
)
from whisperctl.transcription.chunking import Chunk, ChunkSource, detection_options
from whisperctl.transcription.quality import Tally, repetition_warning
from whisperctl.transcription.repetition import RepetitionOutcome
from whisperctl.transcription.spoken_language import SpeechWindows, is_sure, vote
from whisperctl.transcription.stages import (
    Blanks,
    ControlCharacters,
    Pipeline,
    Speaker,
    Stage,
    Words,
)
from whisperctl.transcription.stages.speech_check import ChunkSpeech, SpeechCheck
from whisperctl.transcription.stages.timestamps import (
    RecordingTimes,
    Stretch,
    Timeline,
    TimestampFixer,
    joined,
    stretches,
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """State of a run between two chunks.

    ``position_s`` is the start of the next chunk, in seconds from the recording's start.
    ``segments`` are those since the checkpoint before; to resume, they must be all segments so far.
    ``language`` is empty until there is text. ``previous_text`` conditions the decoder. ``done`` is
    true once the whole recording is transcribed.
    """

    position_s: float
    segments: tuple[Segment, ...]
    language: str = ""
    language_probability: float | None = None
    previous_text: str = ""
    done: bool = False


OnCheckpoint = Callable[[Checkpoint], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """Seconds of audio that are done, and all there are; ``total_s`` is ``None`` if unknown."""

    done_s: float
    total_s: float | None


OnProgress = Callable[[Progress], None]
OnWarning = Callable[[str], None]
OnLanguage = Callable[[SpokenLanguage], None]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Callbacks of a run, each of which may be missing; its methods call them."""

    on_segment: OnSegment | None = None
    on_progress: OnProgress | None = None
    on_warning: OnWarning | None = None
    on_checkpoint: OnCheckpoint | None = None
    on_language: OnLanguage | None = None

    def segment(self, segment: Segment) -> None:
        """Report a segment."""
        if self.on_segment is not None:
            self.on_segment(segment)

    def progress(self, done_s: float, total_s: float | None) -> None:
        """Report progress."""
        if self.on_progress is not None:
            self.on_progress(Progress(done_s, total_s))

    def warning(self, text: str) -> None:
        """Report a warning, on one line."""
        if self.on_warning is not None:
            self.on_warning(on_one_line(text))

    def language(self, spoken: SpokenLanguage) -> None:
        """Report the language of a chunk, once it has text."""
        if self.on_language is not None:
            self.on_language(spoken)

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Report a checkpoint."""
        if self.on_checkpoint is not None:
            self.on_checkpoint(checkpoint)


@dataclass(frozen=True, slots=True)
class _Channel:
    """One of ``count`` channels of a chunk."""

    index: int = 0
    count: int = 1
    speaker: str | None = None


_WHOLE = _Channel()


class RecordingRun:
    """One run over one recording; see ``Transcriber.transcribe``.

    Args:
        chunks: the recording, or a part of it; channels are apart if they are speakers.
        session: the open model.
        options: options of the whole run.
        callbacks: callbacks for what happens.
        resume_from: where an earlier run stopped.
    """

    def __init__(
        self,
        chunks: ChunkSource,
        session: HostSession,
        options: TranscriptionOptions,
        callbacks: Callbacks,
        resume_from: Checkpoint | None,
    ) -> None:
        self.tally = Tally()
        self._chunks = chunks
        self._options = options
        self._callbacks = callbacks
        self._segments: list[Segment] = []
        self._n_saved = 0
        self._language = ""
        self._language_probability: float | None = None
        self._previous_text = ""
        self._position = 0
        self._done_s = 0.0
        self._n_warnings = 0
        if resume_from is not None:
            self._segments += resume_from.segments
            self._n_saved = len(self._segments)
            self._language = resume_from.language
            self._language_probability = resume_from.language_probability
            self._previous_text = resume_from.previous_text
            self._position = round(resume_from.position_s * SAMPLE_RATE)
        self._decoder = ChunkDecoder(session, chunks.source)

    def transcribe(self, *, whole: bool = True) -> Transcript:
        """Transcribe what is left of the recording.

        Args:
            whole: false for a part of one, of which ``tally`` is counted and not reported.
        """
        source = quoted(self._chunks.source)
        for chunk in self._chunks:
            self._forward_warnings()
            if self._options.speakers_from_channels:
                self._transcribe_channels(chunk, source)
            else:
                self._transcribe_chunk(chunk, self._give)
                self._previous_text = tail(self._segments)
            self._position = chunk.end
            self._save()
        duration_s = self._chunks.duration_s()
        self._forward_warnings()
        if whole:
            for warning in self.tally.warnings(source, len(self._segments)):
                self._callbacks.warning(warning)
        done_s = self._chunks.done_s(self._position)
        self._callbacks.progress(done_s, done_s)
        self._save(done=True)
        return Transcript(
            segments=tuple(self._segments),
            language=self._language or requested_language(self._options.decoding),
            duration_s=duration_s,
            timings=self._decoder.timings.total(self._chunks.decode_ms),
            language_probability=self._language_probability,
            system_info=self._decoder.system_info,
            task=self._options.decoding.task,
            decoders=self._chunks.decoders,
        ).visible()

    def _transcribe_channels(self, chunk: Chunk, source: str) -> None:
        """Transcribe each channel alone, and give out all segments in order of time."""
        import numpy as np

        n_channels = chunk.samples.shape[1]
        if n_channels < 2:
            raise UsageError(
                f"{source} has only one channel, so speakers cannot be told apart: "
                "leave out --speaker-from-channels"
            )
        names = self._options.speakers
        if len(names) > n_channels:
            raise UsageError(
                f"{source} has {n_channels} channels, but {len(names)} speakers have names: "
                "name one a channel"
            )
        segments: list[Segment] = []
        for i in range(n_channels):
            samples = np.ascontiguousarray(chunk.samples[:, i])
            mono = Chunk(chunk.start, samples, chunk.detections[i : i + 1])
            name = names[i] if i < len(names) else f"Speaker {i + 1}"
            channel = _Channel(i, n_channels, name)
            self._transcribe_chunk(mono, segments.append, channel)
        # Segments of a channel are in order already, and the first channel's come first.
        for segment in sorted(segments, key=lambda segment: segment.start_s):
            self._give(segment)

    def _transcribe_chunk(
        self,
        chunk: Chunk,
        on_segment: OnSegment,
        channel: _Channel = _WHOLE,
    ) -> None:
        """Transcribe one chunk of mono."""
        speech, parts = self._find_speech(chunk)
        if not parts:
            self._report_progress(chunk, 1.0, channel)
            return
        self.tally.speech_detected |= speech.is_detected()
        timeline = Timeline([Stretch(chunk.start + p.start, chunk.start + p.end) for p in parts])
        before = [segment for segment in self._segments if segment.speaker == channel.speaker]
        stages = self._stages(chunk, before, speech, timeline, channel.speaker)

        def on_given(segment: Segment) -> None:
            if pipeline.n_segments == 1 and self._decoder.spoken is not None:
                self._callbacks.language(self._decoder.spoken)
            on_segment(segment)

        pipeline = Pipeline(stages, on_given)

        def on_progress(share: float) -> None:
            at = round(timeline.end_s(share * timeline.engine_s) * SAMPLE_RATE)
            self._report_progress(chunk, (at - chunk.start) / len(chunk.samples), channel)

        def on_repetition(outcome: RepetitionOutcome) -> None:
            at_s = timeline.start_s(outcome.start_s)
            self._callbacks.warning(repetition_warning(outcome, at_s))

        samples = joined(chunk.samples, parts)
        is_cut = len(samples) < len(chunk.samples)  # to speech
        spoken = [Stretch(0, len(samples))] if is_cut else speech.stretches()
        decode = partial(
            self._decoder.decode,
            samples,
            on_segment=pipeline.add,
            on_progress=on_progress,
            on_repetition=on_repetition,
        )
        previous_text = self._previous_text if channel.speaker is None else tail(before)
        options = self._chunk_options(bool(before), previous_text)
        self._decode(decode, options, SpeechWindows(samples, spoken))
        pipeline.flush()
        language = self._decoder.spoken
        if pipeline.n_segments and not self._language and language is not None:
            self._language = language.code
            self._language_probability = language.probability

    def _find_speech(self, chunk: Chunk) -> tuple[ChunkSpeech, list[Stretch]]:
        """Speech in a chunk, and the parts of the chunk to decode: none if it has no speech."""
        detection = chunk.detections[0] if chunk.detections else None
        speech = ChunkSpeech(chunk.start, chunk.samples, detection)
        if detection is not None and detection_options(self._options) is not None:
            return speech, stretches(detection.spans, len(chunk.samples))
        if self._options.speech_check and not speech.is_possible():
            return speech, []
        return speech, [Stretch(0, len(chunk.samples))]

    def _stages(
        self,
        chunk: Chunk,
        before: Sequence[Segment],
        speech: ChunkSpeech,
        timeline: Timeline,
        speaker: str | None,
    ) -> list[Stage]:
        """Stages for the segments of a chunk, in the order they pass them.

        Whole characters are the sessions' part. Words come first, as they need the text of the
        tokens; times are fixed last, as segments that are dropped take no room.
        """
        after_s = max(before[-1].end_s if before else 0.0, chunk.start / SAMPLE_RATE)
        with_words = self._options.decoding.word_timestamps
        stages: list[Stage | None] = [
            Words(self._language_code) if with_words else None,
            ControlCharacters(),
            RecordingTimes(timeline),
            Blanks(),
            SpeechCheck(speech, self.tally) if self._options.speech_check else None,
            TimestampFixer(after_s, chunk.end / SAMPLE_RATE),
            Speaker(speaker),
        ]
        return [stage for stage in stages if stage is not None]

    def _language_code(self) -> str:
        """Code of the language of the current chunk; empty while unknown."""
        return self._decoder.spoken.code if self._decoder.spoken is not None else ""

    def _chunk_options(self, has_text_before: bool, previous_text: str) -> ChunkOptions:
        """Options for the next chunk."""
        first = self._options.decoding
        if self._language:
            first = replace(first, language=self._language)
        bare = first if first.carry_initial_prompt else replace(first, initial_prompt="")
        # An initial prompt that is to be carried is repeated in every window, and so would be any
        # text that came with it.
        if has_text_before and not first.carry_initial_prompt:
            conditioned = first.condition_on_previous_text
            first = replace(first, initial_prompt=previous_text if conditioned else "")
        return ChunkOptions(first, bare, self._options.compression_ratio_threshold)

    def _decode(
        self,
        decode: Callable[..., None],
        options: ChunkOptions,
        windows: SpeechWindows,
    ) -> None:
        """Decode a chunk in the language asked for, or in that of its speech."""
        if options.first.language != languages.AUTO:
            decode(options)
            return
        votes: list[SpokenLanguage] = []
        if windows.first_holds_speech():
            # The engine detects the language before it decodes, which takes no extra time.
            try:
                decode(options, check_language=lambda s: is_sure(s) or not windows.are_several())
            except UnsureLanguageError as unsure:
                votes.append(unsure.spoken)
            else:
                return
        detect = partial(self._decoder.detect_language, options=options.bare)
        spoken = vote(windows.spread()[len(votes) :], detect, votes)
        decode(options.in_language(spoken.code))
        self._decoder.spoken = spoken

    def _report_progress(self, chunk: Chunk, share: float, channel: _Channel) -> None:
        share = (channel.index + share) / channel.count
        position = chunk.start + round(share * len(chunk.samples))
        # Audio that is decoded again does not count backwards.
        self._done_s = max(self._done_s, self._chunks.done_s(position))
        total_s = self._chunks.total_s
        self._callbacks.progress(
            self._done_s, None if total_s is None else max(total_s, self._done_s)
        )

    def _give(self, segment: Segment) -> None:
        self._segments.append(segment)
        self._callbacks.segment(segment)

    def _save(self, *, done: bool = False) -> None:
        new = tuple(self._segments[self._n_saved :])
        self._n_saved = len(self._segments)
        self._callbacks.checkpoint(
            Checkpoint(
                position_s=self._position / SAMPLE_RATE,
                segments=new,
                language=self._language,
                language_probability=self._language_probability,
                previous_text=self._previous_text,
                done=done,
            )
        )

    def _forward_warnings(self) -> None:
        """Report the new warnings about the recording."""
        warnings = self._chunks.warnings
        for warning in warnings[self._n_warnings :]:
            self._callbacks.warning(warning)
        self._n_warnings = len(warnings)


def requested_language(decoding: DecodeOptions) -> str:
    """Code of the language asked for; empty if it was to be detected."""
    if decoding.language == languages.AUTO:
        return ""
    return languages.resolve(decoding.language, True, "transcribe")
