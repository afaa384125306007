"""Options that select the model, the engine, the audio track and the decoder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from whisperctl import resources
from whisperctl.audio.decoders import registry
from whisperctl.cli import completion
from whisperctl.cli.options.flags import Flags
from whisperctl.cli.options.settings import Settings
from whisperctl.cli.support import topics
from whisperctl.errors import UsageError
from whisperctl.options import DecodeOptions, TranscriptionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFlags(Flags):
    """Audio track to read and filters to apply, as typed."""

    audio_track: Annotated[
        str | None,
        typer.Option(
            "--audio-track",
            metavar="N|LANGUAGE",
            help="Audio track to read of files with several: its number, from 1, or its language.",
            show_default="the default track, else the first",
            rich_help_panel=topics.SPEECH,
        ),
    ] = None
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="NAME[:KEY=VALUE,...]",
            help="Apply this filter to the audio, such as highpass:frequency=80; may be repeated, "
            'in order. List filters with "whisperctl filters".',
            autocompletion=completion.filters,
            rich_help_panel=topics.SPEECH,
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderFlags(Flags):
    """Decoder to read recordings with, as typed."""

    decoder: Annotated[
        str,
        typer.Option(
            "--decoder",
            metavar="NAME",
            help="Decoder to read recordings with, and no other; see: whisperctl backends.",
            autocompletion=completion.decoders,
            show_default="auto, the first that can",
            rich_help_panel=topics.SPEECH,
        ),
    ] = registry.AUTO

    def checked(self) -> str:
        """Its name.

        Raises:
            UsageError: it is not installed.
            PluginError: two packages provide it.
        """
        registry.check(self.decoder)
        return self.decoder


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFlags(Flags):
    """The options as they were typed."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH",
            help="Model to use.",
            autocompletion=completion.models,
            show_default="base if it is here, else tiny.en",
            rich_help_panel=topics.ENGINE,
        ),
    ] = None
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            "-t",
            metavar="N",
            help="Threads to compute with.",
            show_default="one a processor, at most 4",
            rich_help_panel=topics.ENGINE,
        ),
    ] = None

    def settings(self, transcription: TranscriptionOptions) -> Settings:
        """Find the model, and check that the options fit it.

        Raises:
            UsageError: an option does not fit the model, or threads are fewer than one.
            ModelError: the model is unknown, not here, or damaged.
        """
        from whisperctl.models import store

        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads must be at least 1, not {self.threads}")
        model = store.resolve(self.model)
        check_fit(model, transcription.decoding)
        threads = resources.default_threads() if self.threads is None else self.threads
        return Settings(model, threads, transcription.decoding, transcription)


def check_fit(model: Path, decoding: DecodeOptions) -> None:
    """Check that a model knows the language, and can do what is asked for.

    Raises:
        UsageError: an option does not fit the model.
        ModelError: the model is damaged.
    """
    from whisperctl import languages
    from whisperctl.models import ggml

    info = ggml.inspect(model)
    languages.resolve(
        decoding.language, info.multilingual, decoding.task, cantonese=info.n_languages > 99
    )
