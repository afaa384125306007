"""Puts the events of recordings that are worked on at once in the recordings' order."""

from __future__ import annotations

from whisperctl.batch.events import Advanced, Event, Failed, Finished, OnEvent, Opened


class Ordered:
    """Passes the first unfinished recording's events on at once, and keeps the others' for later.

    What says how far things are cannot wait and is passed on always.
    """

    def __init__(self, on_event: OnEvent, n_recordings: int) -> None:
        self._on_event = on_event
        self._kept: list[list[Event]] = [[] for _ in range(n_recordings)]
        self._first = 0

    def event(self, index: int, event: Event) -> None:
        """Take an event of the recording at this place."""
        if isinstance(event, Advanced | Opened):
            self._on_event(index, event)
            return
        self._kept[index].append(event)
        while self._first < len(self._kept) and self._kept[self._first]:
            kept, self._kept[self._first] = self._kept[self._first], []
            place = self._first
            if isinstance(kept[-1], Finished | Failed):
                self._first += 1
            for one in kept:
                self._on_event(place, one)
