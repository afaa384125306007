"""Options about what a run says besides its result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from whisperctl.cli.options.flags import Flags
from whisperctl.cli.support import topics
from whisperctl.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFlags(Flags):
    """The options as they were typed."""

    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet",
            "-q",
            help="Print segments and errors only.",
            rich_help_panel=topics.MESSAGES,
        ),
    ] = False
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Say what the engine says, where the time goes, and what the options come to.",
            rich_help_panel=topics.MESSAGES,
        ),
    ] = False
    log_file: Annotated[
        Path | None,
        typer.Option(
            "--log-file",
            metavar="FILE",
            help="Append all of that to a file, with times, whatever is shown here.",
            rich_help_panel=topics.MESSAGES,
        ),
    ] = None
    timestamps: Annotated[
        bool,
        typer.Option(
            "--timestamps/--no-timestamps",
            help="Print each segment's start and end before its text.",
            rich_help_panel=topics.MESSAGES,
        ),
    ] = True
    print_colors: Annotated[
        bool,
        typer.Option(
            "--print-colors/--no-print-colors",
            help="Colour printed text by how sure the model is, from red to green.",
            show_default=False,
            rich_help_panel=topics.MESSAGES,
        ),
    ] = False

    def __post_init__(self) -> None:
        if self.quiet and self.verbose:
            raise UsageError("--quiet and --verbose contradict each other: give one")
