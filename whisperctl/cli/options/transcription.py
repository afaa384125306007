"""The options of ``whisperctl transcribe`` that decide on its text, beyond those of decoding."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import typer

from whisperctl.cli.options import times
from whisperctl.cli.options.decoding import DecodingFlags
from whisperctl.cli.options.engine import DecoderFlags, EngineFlags, TrackFlags
from whisperctl.cli.options.flags import Flags
from whisperctl.cli.options.messages import MessageFlags
from whisperctl.cli.options.settings import Settings
from whisperctl.cli.options.speech import SpeechFlags
from whisperctl.cli.options.subtitles import SubtitleFlags
from whisperctl.cli.support import topics
from whisperctl.errors import UsageError
from whisperctl.options import Clip, TranscriptionOptions

_DEFAULT = TranscriptionOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartFlags(Flags):
    """Which parts of a recording to transcribe, as typed."""

    offset: Annotated[
        str | None,
        typer.Option(
            "--offset",
            metavar="TIME",
            help="Begin here: seconds, MM:SS or HH:MM:SS.mmm.",
            rich_help_panel=topics.PARTS,
        ),
    ] = None
    duration: Annotated[
        str | None,
        typer.Option(
            "--duration",
            metavar="TIME",
            help="Go on for so long.",
            rich_help_panel=topics.PARTS,
        ),
    ] = None
    clip: Annotated[
        list[str] | None,
        typer.Option(
            "--clip",
            metavar="START-END",
            help="Transcribe this stretch only, such as 1:30-2:00; may be repeated, or several "
            "with commas.",
            rich_help_panel=topics.PARTS,
        ),
    ] = None

    def clips(self) -> tuple[Clip, ...]:
        """The windows to transcribe; none is the whole recording.

        Raises:
            UsageError: a time cannot be read, or the options contradict each other.
        """
        if not self.clip:
            return times.window(self.offset, self.duration)
        if self.offset is not None or self.duration is not None:
            raise UsageError("give --clip, or --offset and --duration, not both")
        return times.clips(self.clip)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeFlags(Flags):
    """Every option that decides on a transcript and its subtitles, as typed."""

    engine: EngineFlags
    decoding: DecodingFlags
    compression_ratio_threshold: Annotated[
        float,
        typer.Option(
            "--compression-ratio-threshold",
            metavar="X",
            help="Text that repeats itself is decoded again: when its length over its length "
            "compressed by zlib is above. This is OpenAI whisper's test.",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.compression_ratio_threshold
    parts: PartFlags
    track: TrackFlags
    decoder: DecoderFlags
    speech: SpeechFlags
    subtitles: SubtitleFlags
    messages: MessageFlags

    def resolve(self) -> Settings:
        """Check every option, find the model, and check that the options fit it.

        Raises:
            UsageError: an option is out of its range, contradicts another or does not fit the
                model.
            ModelError: the model is unknown, not here, or damaged.
        """
        subtitles = self.subtitles.options()
        decoding = self.decoding.options(word_timestamps=self.subtitles.words(subtitles))
        transcription = TranscriptionOptions(
            decoding=decoding,
            clips=self.parts.clips(),
            audio_track=self.track.audio_track,
            decoder=self.decoder.checked(),
            filters=tuple(self.track.filters or ()),
            vad=self.speech.vad_options(),
            speech_check=self.speech.speech_check,
            compression_ratio_threshold=self.compression_ratio_threshold,
            speakers_from_channels=self.subtitles.speaker_from_channels,
        )
        settings = self.engine.settings(transcription)
        settings = dataclasses.replace(
            settings, subtitles=subtitles, vad_model=self.speech.vad_model
        )
        if self.messages.verbose or self.messages.log_file is not None:
            _say(settings)
        return settings


def _say(settings: Settings) -> None:
    """Say in full what a run will be done with."""
    import logging

    logger = logging.getLogger("whisperctl.options")
    logger.debug("model file: %s", settings.model)
    logger.debug("threads: %d", settings.threads)
    for options in (settings.decoding, settings.transcription, settings.subtitles):
        for field in dataclasses.fields(options):
            if field.name != "decoding":
                logger.debug("%s: %s", field.name.replace("_", " "), getattr(options, field.name))
