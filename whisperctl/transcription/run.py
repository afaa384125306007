"""One run over one recording, and the checkpoints it can resume from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl import audio, languages
from whisperctl.audio import SAMPLE_RATE
from whisperctl.engine.protocol import Detector, OnSegment, Session
from whisperctl.engine.toolkit.words import words_of
from whisperctl.errors import BackendError, UsageError
from whisperctl.options import TranscriptionOptions, VadOptions
from whisperctl.text import on_one_line, quoted
from whisperctl.transcript import Segment, SpokenLanguage, Transcript
from whisperctl.transcription.chunk_decoder import (
    ChunkDecoder,
    ChunkOptions,
    Resolved,
    UnsureLanguageError,
    tail,
)
from whisperctl.transcription.chunking import Chunk, Chunks, audible_clips
from whisperctl.transcription.spoken_language import SpeechWindows, is_sure, vote
from whisperctl.transcription.stages.speech_check import SpeechCheck
from whisperctl.transcription.stages.timeline import Stretch, Timeline, joined, stretches
from whisperctl.transcription.stages.timestamps import TimestampFixer
from whisperctl.transcription.warnings import Tally, repetition_line

if TYPE_CHECKING:
    from whisperctl.audio import BlockStream


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the next chunk needs to know of those before it.

    ``position_s`` is where the next chunk begins, in seconds from the recording's start.
    ``segments`` are those since the checkpoint before; a run that goes on is given all of them in
    one checkpoint. ``language`` is empty while no speech has been heard. ``previous_text`` is what
    the decoder is conditioned on. ``done`` says that the whole recording is transcribed.
    """

    position_s: float
    segments: tuple[Segment, ...]
    language: str = ""
    language_probability: float | None = None
    previous_text: str = ""
    done: bool = False


OnCheckpoint = Callable[[Checkpoint], None]


_BLOCK_S = 30.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in seconds of audio; ``total_s`` is ``None`` when nobody knows."""

    done_s: float
    total_s: float | None


OnProgress = Callable[[Progress], None]
OnWarning = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """Whom to tell what."""

    on_segment: OnSegment | None = None
    on_progress: OnProgress | None = None
    on_warning: OnWarning | None = None
    on_checkpoint: OnCheckpoint | None = None

    def segment(self, segment: Segment) -> None:
        """Give out a segment."""
        if self.on_segment is not None:
            self.on_segment(segment)

    def progress(self, done_s: float, total_s: float | None) -> None:
        """Say how far the run is."""
        if self.on_progress is not None:
            self.on_progress(Progress(done_s, total_s))

    def warning(self, text: str) -> None:
        """Remark on something."""
        if self.on_warning is not None:
            self.on_warning(on_one_line(text))

    def checkpoint(self, checkpoint: Checkpoint) -> None:
        """Say where to go on from."""
        if self.on_checkpoint is not None:
            self.on_checkpoint(checkpoint)


class RecordingRun:
    """One run; see ``Transcriber.transcribe``."""

    def __init__(
        self,
        session: Session,
        detector: Detector | None,
        options: TranscriptionOptions,
        callbacks: Callbacks,
        resume_from: Checkpoint | None,
        *,
        chunk_s: float,
    ) -> None:
        self._session = session
        self._detector = detector
        self._options = options
        self._callbacks = callbacks
        self._chunk_s = chunk_s
        self._segments: list[Segment] = []
        self._n_saved = 0
        self._language = ""
        self._language_probability: float | None = None
        self._previous_text = ""
        self._position = 0
        self._shown_s = 0.0
        self._n_warnings = 0
        self._tally = Tally()
        if options.vad is not None and detector is None:
            raise BackendError("speech cannot be found here: no voice activity detector is open")
        if resume_from is not None:
            self._segments += resume_from.segments
            self._n_saved = len(self._segments)
            self._language = resume_from.language
            self._language_probability = resume_from.language_probability
            self._previous_text = resume_from.previous_text
            self._position = round(resume_from.position_s * SAMPLE_RATE)

    def over(self, source: str | Path) -> Transcript:
        """Transcribe a recording."""
        split = self._options.speakers_from_channels
        with audio.open_stream(
            source,
            block_s=_BLOCK_S,
            split=split,
            track=self._options.audio_track,
            decoder=self._options.decoder,
            filters=self._options.filters,
        ) as blocks:
            decoder = ChunkDecoder(self._session, blocks.source)
            clips = audible_clips(self._options)
            chunks = Chunks(blocks, clips, start=self._position, chunk_s=self._chunk_s)
            for chunk in chunks:
                self._warn(blocks)
                if split:
                    self._transcribe_channels(chunk, chunks, decoder, quoted(blocks.source))
                else:
                    self._transcribe(chunk, chunks, decoder, self._give)
                    self._previous_text = tail(self._segments)
                self._position = chunk.end
                self._save()
            duration_s = chunks.duration_s()
            self._warn(blocks)
            for line in self._tally.lines(quoted(blocks.source), len(self._segments)):
                self._callbacks.warning(line)
        self._callbacks.progress(chunks.done_s(self._position), chunks.done_s(self._position))
        self._save(done=True)
        return Transcript(
            segments=tuple(self._segments),
            language=self._language or self._asked_language(),
            duration_s=duration_s,
            timings=decoder.timings.total(chunks.decode_ms),
            language_probability=self._language_probability,
            system_info=decoder.system_info,
            task=self._options.decoding.task,
        ).visible()

    def _transcribe_channels(
        self, chunk: Chunk, chunks: Chunks, decoder: ChunkDecoder, source: str
    ) -> None:
        """Transcribe each channel by itself, and put their segments in the order of time."""
        import numpy as np

        n_channels = chunk.samples.shape[1]
        if n_channels < 2:
            raise UsageError(
                f"{source} has a single channel, which does not tell speakers apart: "
                "leave out the option for speakers from channels"
            )
        found: list[Segment] = []

        for channel in range(n_channels):
            samples = np.ascontiguousarray(chunk.samples[:, channel])
            self._transcribe(
                Chunk(chunk.start, samples),
                chunks,
                decoder,
                found.extend,
                f"Speaker {channel + 1}",
                (channel, n_channels),
            )
        self._give(sorted(found, key=lambda segment: (segment.start_s, segment.speaker)))

    def _transcribe(
        self,
        chunk: Chunk,
        chunks: Chunks,
        decoder: ChunkDecoder,
        give: Callable[[list[Segment]], None],
        speaker: str | None = None,
        turn: tuple[int, int] = (0, 1),
    ) -> None:
        """Transcribe one chunk of mono, the channel ``turn[0]`` of ``turn[1]``."""
        heard = self._listen(chunk)
        if heard is None:
            self._progress(chunks, chunk, 1.0, turn)
            return
        speech, parts = heard
        self._tally.speech_detected |= speech.speech_is_detected()
        timeline = Timeline([Stretch(chunk.start + p.start, chunk.start + p.end) for p in parts])
        before = [segment for segment in self._segments if segment.speaker == speaker]
        after_s = max(before[-1].end_s if before else 0.0, chunk.start / SAMPLE_RATE)
        fixer = TimestampFixer(after_s, chunk.end / SAMPLE_RATE)
        n_given = 0

        def give_tidy(segments: list[Segment]) -> None:
            nonlocal n_given
            n_given += len(segments)
            give([replace(segment, speaker=speaker) for segment in segments])

        def on_segment(segment: Segment) -> None:
            if self._options.decoding.word_timestamps:
                language = decoder.spoken.code if decoder.spoken is not None else ""
                segment = replace(segment, words=words_of(segment, language))
            segment = timeline.segment(segment.visible())
            if not segment.text.strip():
                return
            if self._options.speech_check and not speech.supports(segment):
                self._tally.n_dropped += 1
                return
            give_tidy(fixer.add(segment))

        def on_progress(share: float) -> None:
            at = round(timeline.end_s(share * timeline.heard_s) * SAMPLE_RATE)
            self._progress(chunks, chunk, (at - chunk.start) / len(chunk.samples), turn)

        def on_repetition(loop: Resolved) -> None:
            self._callbacks.warning(repetition_line(loop, timeline.start_s(loop.start_s)))

        samples = joined(chunk.samples, parts)
        cut = len(samples) < len(chunk.samples)  # to speech
        windows = SpeechWindows(samples, [Stretch(0, len(samples))] if cut else speech.speech())
        decode = partial(
            decoder.decode,
            samples,
            on_segment=on_segment,
            on_progress=on_progress,
            on_repetition=on_repetition,
        )
        decoding = self._decoding(before, self._previous_text if speaker is None else tail(before))
        self._decode(decode, decoder, decoding, windows)
        give_tidy(fixer.flush())
        if n_given and not self._language and decoder.spoken is not None:
            self._language = decoder.spoken.code
            self._language_probability = decoder.spoken.probability

    def _decode(
        self,
        decode: Callable[..., None],
        decoder: ChunkDecoder,
        decoding: ChunkOptions,
        windows: SpeechWindows,
    ) -> None:
        """Decode a chunk in the language asked for, or in the one that its speech is in."""
        if decoding.first.language != languages.AUTO:
            decode(decoding)
            return
        detect = partial(decoder.detect_language, options=decoding.bare)
        votes: list[SpokenLanguage] = []
        if windows.lead():
            # The engine detects it on its way, which takes no time of its own.
            try:
                decode(decoding, check_language=lambda s: is_sure(s) or not windows.several())
            except UnsureLanguageError as unsure:
                votes.append(unsure.spoken)
            else:
                return
        spoken = vote(windows.spread()[len(votes) :], detect, votes)
        decode(decoding.in_language(spoken.code))
        decoder.spoken = spoken

    def _give(self, segments: list[Segment]) -> None:
        for segment in segments:
            self._segments.append(segment)
            self._callbacks.segment(segment)

    def _listen(self, chunk: Chunk) -> tuple[SpeechCheck, list[Stretch]] | None:
        """What is heard in a chunk, and which parts of it to decode; ``None`` is none of it."""
        whole = [Stretch(0, len(chunk.samples))]
        vad = self._options.vad
        if vad is None and self._options.speakers_from_channels and self._detector is not None:
            # Whisper's times are bad around long silence, and each is silent while others speak.
            vad = VadOptions()
        detection = None
        if self._detector is not None and (vad is not None or self._options.speech_check):
            detection = self._detector.detect(chunk.samples, vad or VadOptions())
        speech = SpeechCheck(chunk.start, chunk.samples, detection)
        if vad is not None and detection is not None:
            parts = stretches(detection.spans, len(chunk.samples))
            return (speech, parts) if parts else None
        if self._options.speech_check and not speech.anything():
            return None
        return speech, whole

    def _decoding(self, before: Sequence[Segment], previous_text: str) -> ChunkOptions:
        """The options for the next chunk, given what was said before it."""
        first = self._options.decoding
        if self._language:
            first = replace(first, language=self._language)
        bare = first if first.carry_initial_prompt else replace(first, initial_prompt="")
        # The engine has the person's own prompt in front of every window if it is to be carried,
        # and would carry along any text that came with it.
        if before and not first.carry_initial_prompt:
            conditioned = first.condition_on_previous_text
            first = replace(first, initial_prompt=previous_text if conditioned else "")
        return ChunkOptions(first, bare, self._options.compression_ratio_threshold)

    def _asked_language(self) -> str:
        """The language asked for, if one was."""
        asked = self._options.decoding.language
        return "" if asked == languages.AUTO else languages.resolve(asked, True, "transcribe")

    def _progress(self, chunks: Chunks, chunk: Chunk, share: float, turn: tuple[int, int]) -> None:
        channel, n_channels = turn
        share = (channel + share) / n_channels
        position = chunk.start + round(share * len(chunk.samples))
        # What is decoded once more does not count backwards.
        self._shown_s = max(self._shown_s, chunks.done_s(position))
        total_s = chunks.total_s
        self._callbacks.progress(
            self._shown_s, None if total_s is None else max(total_s, self._shown_s)
        )

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

    def _warn(self, blocks: BlockStream) -> None:
        warnings = blocks.warnings
        for warning in warnings[self._n_warnings :]:
            self._callbacks.warning(warning)
        self._n_warnings = len(warnings)
