"""Where decoded audio lies in a recording, by its timestamps."""

from __future__ import annotations

_GAP_S = 0.1
"""Shorter gaps between timestamps are rounding: containers count in milliseconds or coarser."""

_JUMP_S = 10.0
"""A longer gap is a clock set anew, in formats whose clock may be. FFmpeg's tools draw the same
line, as -dts_delta_threshold."""

_UNSTATED_S = 600.0
"""A gap longer than this is a damaged timestamp, where no duration of the recording is stated, or
another clock."""

_MOST_SILENCE_S = 24 * 3600.0
"""Silence that is put into a recording at most, whatever its timestamps say."""


class Clock:
    """Follows the timestamps of one track.

    ``position_s`` is where the next sample lies, in seconds from the recording's start.
    ``missing_s`` is how much silence stands in for what is missing after the track's first sample.
    """

    def __init__(self, origin_s: float, end_s: float | None, *, jumps: bool) -> None:
        """Start a clock.

        Args:
            origin_s: the timestamp at which the recording starts.
            end_s: where the recording ends at the latest, in seconds from its start, if known.
            jumps: whether the clock of such files may be set anew in the middle, as where
                transport streams are joined.
        """
        self._origin_s = origin_s
        self._end_s = end_s
        self._jumps = jumps
        self._began = False
        self._silence_s = 0.0
        self.position_s = 0.0
        self.missing_s = 0.0

    def silence_before(self, time_s: float | None) -> float:
        """Seconds of silence to put before a sample with this timestamp, ``None`` if it has none.

        A gap that is not believed sets the clock: what follows counts from where it is.
        """
        gap_s = 0.0 if time_s is None else time_s - self._origin_s - self.position_s
        began, self._began = self._began, True
        if abs(gap_s) <= _GAP_S:
            return 0.0
        if gap_s < 0 or not self._believed(gap_s, began):
            self._origin_s += gap_s
            return 0.0
        if began:
            self.missing_s += gap_s
        self._silence_s += gap_s
        self.position_s += gap_s
        return gap_s

    def advance(self, duration_s: float) -> None:
        """Count decoded audio."""
        self.position_s += duration_s

    def _believed(self, gap_s: float, began: bool) -> bool:
        if self._silence_s + gap_s > _MOST_SILENCE_S:
            return False
        if self._jumps and began:
            return gap_s <= _JUMP_S
        if self._jumps or self._end_s is None:  # programs of one stream have clocks of their own
            return gap_s <= _UNSTATED_S
        return self.position_s + gap_s < self._end_s + 1
