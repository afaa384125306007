"""Options about where there is speech at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from whisperctl.cli import completion
from whisperctl.cli.options.flags import Flags
from whisperctl.cli.support import topics
from whisperctl.options import VadOptions

_DEFAULT = VadOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFlags(Flags):
    """The options as they were typed; ``None`` is one that was not."""

    vad: Annotated[
        bool | None,
        typer.Option(
            "--vad/--no-vad",
            help="Cut away what is not speech before decoding; any number below implies it.",
            show_default=False,
            rich_help_panel=topics.SILENCE,
        ),
    ] = None
    vad_threshold: Annotated[
        float | None,
        typer.Option(
            "--vad-threshold",
            metavar="P",
            help="Probability from which a moment is speech.",
            show_default=f"{_DEFAULT.threshold}",
            rich_help_panel=topics.SILENCE,
        ),
    ] = None
    vad_min_speech_duration_ms: Annotated[
        int | None,
        typer.Option(
            "--vad-min-speech-duration-ms",
            metavar="MS",
            help="Shorter speech is dropped.",
            show_default=f"{_DEFAULT.min_speech_duration_ms}",
            rich_help_panel=topics.SILENCE,
        ),
    ] = None
    vad_min_silence_duration_ms: Annotated[
        int | None,
        typer.Option(
            "--vad-min-silence-duration-ms",
            metavar="MS",
            help="Shorter silence does not end speech.",
            show_default=f"{_DEFAULT.min_silence_duration_ms}",
            rich_help_panel=topics.SILENCE,
        ),
    ] = None
    vad_max_speech_duration_s: Annotated[
        float | None,
        typer.Option(
            "--vad-max-speech-duration-s",
            metavar="S",
            help="Longer speech is cut.",
            show_default="no limit",
            rich_help_panel=topics.SILENCE,
        ),
    ] = None
    vad_speech_pad_ms: Annotated[
        int | None,
        typer.Option(
            "--vad-speech-pad-ms",
            metavar="MS",
            help="Kept at both ends of speech.",
            show_default=f"{_DEFAULT.speech_pad_ms}",
            rich_help_panel=topics.SILENCE,
        ),
    ] = None
    vad_model: Annotated[
        str | None,
        typer.Option(
            "--vad-model",
            metavar="NAME|PATH",
            help="Silero model that hears speech, for --vad and --speech-check.",
            show_default="the one of whisper.cpp",
            autocompletion=completion.vad_models,
            rich_help_panel=topics.SILENCE,
        ),
    ] = None
    speech_check: Annotated[
        bool,
        typer.Option(
            "--speech-check/--no-speech-check",
            help="Drop text where no speech at all is heard.",
            rich_help_panel=topics.SILENCE,
        ),
    ] = True

    def vad_options(self) -> VadOptions | None:
        """How to cut away what is not speech; ``None`` is not at all.

        Raises:
            UsageError: a value is outside its range.
        """
        typed = {
            "threshold": self.vad_threshold,
            "min_speech_duration_ms": self.vad_min_speech_duration_ms,
            "min_silence_duration_ms": self.vad_min_silence_duration_ms,
            "max_speech_duration_s": self.vad_max_speech_duration_s,
            "speech_pad_ms": self.vad_speech_pad_ms,
        }
        given = {name: value for name, value in typed.items() if value is not None}
        options = VadOptions(**given)  # type: ignore[arg-type]  # typer saw to it
        wanted = bool(given) if self.vad is None else self.vad
        return options if wanted else None
