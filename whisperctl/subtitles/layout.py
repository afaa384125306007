"""What the lines of subtitles are to keep to; how is in ``cue_layout``."""

from __future__ import annotations

from dataclasses import dataclass, fields

from whisperctl.options import Topic, check, option


@dataclass(frozen=True, slots=True)
class SubtitleOptions:
    """Limits that cues keep to; ``None`` is no limit, and without any, a segment is a cue.

    ``max_line_width`` counts characters, full-width ones twice, ``max_cps`` characters a second of
    showing; ``min_cue_gap_s`` is kept free between cues. ``highlight_words`` marks each word while
    it is spoken. ``split_sentences`` begins a cue with each sentence where times of words allow it.

    Raises:
        UsageError: a value is outside its range.
    """

    max_line_width: int | None = option(
        None,
        "Break lines longer than this many characters; full-width ones count twice.",
        Topic.SUBTITLES,
        metavar="N",
        default="no limit",
        minimum=1,
        openai="--max_line_width",
        whisper_cli="-ml --max-len",
        remark="`-ml N` is one line of N characters",
    )
    max_line_count: int | None = option(
        None,
        "Show at most this many lines at once.",
        Topic.SUBTITLES,
        metavar="N",
        default="no limit",
        minimum=1,
        openai="--max_line_count",
    )
    max_words_per_line: int | None = option(
        None,
        "Put at most this many words on a line.",
        Topic.SUBTITLES,
        metavar="N",
        default="no limit",
        minimum=1,
        openai="--max_words_per_line",
    )
    max_cps: float | None = option(
        None,
        "Show at most this many characters per second, so that people can read along.",
        Topic.SUBTITLES,
        metavar="X",
        default="no limit",
        minimum=1,
    )
    min_cue_gap_s: float = option(
        0.0,
        "Leave at least this many seconds between subtitles.",
        Topic.SUBTITLES,
        name="min-cue-gap",
        metavar="S",
        minimum=0,
        maximum=10,
        unit="s",
    )
    highlight_words: bool = option(
        False,
        "Highlight each word while it is spoken.",
        Topic.SUBTITLES,
        negatable=True,
        openai="--highlight_words",
    )
    split_sentences: bool = option(
        False, "Start a new subtitle with each sentence.", Topic.SUBTITLES, negatable=True
    )

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the fields that are not as they would be by themselves."""
        return tuple(
            field.name for field in fields(self) if getattr(self, field.name) != field.default
        )

    @property
    def needs_words(self) -> bool:
        """Whether times of words are needed to keep to them."""
        return (
            self.highlight_words
            or self.split_sentences
            or self.max_line_count is not None
            or self.max_words_per_line is not None
            or self.max_line_width is not None
        )

    def __post_init__(self) -> None:
        check(self)


NO_LIMITS = SubtitleOptions()
"""What writers do when nothing is asked for."""
