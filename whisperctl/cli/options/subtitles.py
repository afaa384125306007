"""Options about words and the lines of subtitles."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

import typer

from whisperctl.cli.options.flags import Flags
from whisperctl.cli.support import topics
from whisperctl.errors import UsageError
from whisperctl.formats import FORMATS
from whisperctl.subtitles.layout import SubtitleOptions

_DEFAULT = SubtitleOptions()


def ignored(formats: Iterable[str], options: SubtitleOptions) -> str | None:
    """A warning of the options that were given and change nothing in a format that is written.

    Args:
        formats: names of formats.
        options: what subtitles are to keep to.

    Returns:
        One line, or ``None`` where every option changes something in every format.
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in formats:
        if names := FORMATS[name].ignores(options):
            alike.setdefault(names, []).append(name)
    if not alike:
        return None
    parts = (
        f"{', '.join(map(_spelled, names))} {'have' if len(names) > 1 else 'has'} no effect on "
        f"the lines of {', '.join(some)}"
        for names, some in alike.items()
    )
    return f"warning: {'; '.join(parts)}"


def _spelled(field: str) -> str:
    return f"--{field.removesuffix('_s').replace('_', '-')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleFlags(Flags):
    """The options as they were typed."""

    word_timestamps: Annotated[
        bool | None,
        typer.Option(
            "--word-timestamps/--no-word-timestamps",
            help="Find start, end and probability of each word.",
            show_default="where another option needs it",
            rich_help_panel=topics.SUBTITLES,
        ),
    ] = None
    max_line_width: Annotated[
        int | None,
        typer.Option(
            "--max-line-width",
            metavar="N",
            help="Characters a line; full-width ones count twice.",
            show_default="no limit",
            rich_help_panel=topics.SUBTITLES,
        ),
    ] = _DEFAULT.max_line_width
    max_line_count: Annotated[
        int | None,
        typer.Option(
            "--max-line-count",
            metavar="N",
            help="Lines shown at once.",
            show_default="no limit",
            rich_help_panel=topics.SUBTITLES,
        ),
    ] = _DEFAULT.max_line_count
    max_words_per_line: Annotated[
        int | None,
        typer.Option(
            "--max-words-per-line",
            metavar="N",
            help="Words a line.",
            show_default="no limit",
            rich_help_panel=topics.SUBTITLES,
        ),
    ] = _DEFAULT.max_words_per_line
    max_cps: Annotated[
        float | None,
        typer.Option(
            "--max-cps",
            metavar="X",
            help="Characters shown a second, for people to read along.",
            show_default="no limit",
            rich_help_panel=topics.SUBTITLES,
        ),
    ] = _DEFAULT.max_cps
    min_cue_gap: Annotated[
        float,
        typer.Option(
            "--min-cue-gap",
            metavar="S",
            help="Seconds kept free between subtitles.",
            rich_help_panel=topics.SUBTITLES,
        ),
    ] = _DEFAULT.min_cue_gap_s
    split_sentences: Annotated[
        bool,
        typer.Option(
            "--split-sentences/--no-split-sentences",
            help="Begin a subtitle with each sentence.",
            show_default=False,
            rich_help_panel=topics.SUBTITLES,
        ),
    ] = _DEFAULT.split_sentences
    highlight_words: Annotated[
        bool,
        typer.Option(
            "--highlight-words/--no-highlight-words",
            help="Mark each word while it is spoken.",
            show_default=False,
            rich_help_panel=topics.SUBTITLES,
        ),
    ] = _DEFAULT.highlight_words
    speaker_from_channels: Annotated[
        bool,
        typer.Option(
            "--speaker-from-channels/--no-speaker-from-channels",
            help="Transcribe each channel by itself, as a speaker of its own.",
            show_default=False,
            rich_help_panel=topics.SUBTITLES,
        ),
    ] = False

    def options(self) -> SubtitleOptions:
        """What subtitles keep to.

        Raises:
            UsageError: a value is outside its range.
        """
        return SubtitleOptions(
            max_line_width=self.max_line_width,
            max_line_count=self.max_line_count,
            max_words_per_line=self.max_words_per_line,
            max_cps=self.max_cps,
            min_cue_gap_s=self.min_cue_gap,
            highlight_words=self.highlight_words,
            split_sentences=self.split_sentences,
        )

    def words(self, options: SubtitleOptions) -> bool:
        """Whether times of words are to be found: when asked for, or when ``options`` need them.

        Raises:
            UsageError: they are needed, and were asked not to be found.
        """
        if self.word_timestamps is None:
            return options.needs_words
        if options.needs_words and not self.word_timestamps:
            needing = next(
                name
                for name in (
                    *("highlight_words", "split_sentences", "max_words_per_line"),
                    *("max_line_count", "max_line_width"),
                )
                if getattr(options, name)
            )
            raise UsageError(
                f"--{needing.replace('_', '-')} needs times of words: leave out "
                "--no-word-timestamps"
            )
        return self.word_timestamps
