"""The option that chooses one of several audio tracks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from whisperctl.cli.options import topics
from whisperctl.cli.options.flags import Flags


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFlags(Flags):
    """Which audio track to read, as typed."""

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
