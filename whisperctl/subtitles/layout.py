"""What the lines of subtitles are to keep to; how is in ``cue_layout``."""

from __future__ import annotations

from dataclasses import dataclass, fields

from whisperctl.errors import UsageError


@dataclass(frozen=True, slots=True)
class SubtitleOptions:
    """Limits that cues keep to; ``None`` is no limit, and without any, a segment is a cue.

    ``max_line_width`` counts characters, full-width ones twice, ``max_cps`` characters a second of
    showing; ``min_cue_gap_s`` is kept free between cues. ``highlight_words`` marks each word while
    it is spoken. ``split_sentences`` begins a cue with each sentence where times of words allow it.

    Raises:
        UsageError: a value is outside its range.
    """

    max_line_width: int | None = None
    max_line_count: int | None = None
    max_words_per_line: int | None = None
    max_cps: float | None = None
    min_cue_gap_s: float = 0.0
    highlight_words: bool = False
    split_sentences: bool = False

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
        for name, value, least in (
            ("max line width", self.max_line_width, 1),
            ("max line count", self.max_line_count, 1),
            ("max words per line", self.max_words_per_line, 1),
            ("max cps", self.max_cps, 1),
        ):
            if value is not None and not value >= least:
                raise UsageError(f"{name} must be at least {least}, not {value:g}")
        if not 0 <= self.min_cue_gap_s <= 10:
            raise UsageError(f"min cue gap must be from 0 to 10 s, not {self.min_cue_gap_s:g}")


NO_LIMITS = SubtitleOptions()
"""What writers do when nothing is asked for."""
