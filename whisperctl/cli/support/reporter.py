"""Tells a person what a run over recordings says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from whisperctl.cli import drop_stdout
from whisperctl.cli.support import console
from whisperctl.cli.support.progress import Bars
from whisperctl.jobs import events
from whisperctl.jobs.events import Event
from whisperctl.jobs.sources import Recording
from whisperctl.text import on_one_line
from whisperctl.transcript import Segment


class Reporter:
    """Prints segments, remarks and errors as they come; ``failures`` grows by each that failed.

    Where files are written as well, a reader of the segments who goes away does not end the run.
    """

    def __init__(
        self,
        recordings: Sequence[Recording],
        bars: Bars,
        line: Callable[[Segment], str],
        *,
        several: bool,
        quiet: bool,
        shows_segments: bool,
        writes_files: bool,
    ) -> None:
        self.failures: list[tuple[Recording, str]] = []
        self._recordings = recordings
        self._bars = bars
        self._line = line
        self._several = several
        self._quiet = quiet
        self._shows_segments = shows_segments
        self._writes_files = writes_files

    def event(self, index: int, event: Event) -> None:
        """Print what an event says."""
        self._bars.event(index, event)
        recording = self._recordings[index]
        match event:
            case events.Started():
                if self._several and not self._quiet:
                    console.heading(recording.name)
            case events.SegmentDecoded(segment):
                if self._shows_segments:
                    self._show(segment)
            case events.Written(text):
                self._bars.result(text.removesuffix("\n"))
            case events.WarningIssued(text):
                self._note(text)
            case events.Logged(logger, level, text):
                logging.getLogger(logger).log(level, "%s", text)
            case events.Failed(reason):
                console.error(reason)
                self.failures.append((recording, reason))
            case events.Finished():
                self._finished(event)

    def _show(self, segment: Segment) -> None:
        try:
            self._bars.result(self._line(segment))
        except BrokenPipeError:
            if not self._writes_files:
                raise
            drop_stdout()
            self._shows_segments = False

    def _finished(self, event: events.Finished) -> None:
        from whisperctl.languages import LANGUAGES

        if event.n_segments and event.language_probability is not None:
            name = LANGUAGES.get(event.language, event.language).title()
            self._note(f"detected language: {name} (p = {event.language_probability:.2f})")
        if event.quality:
            self._note(event.quality)

    def _note(self, text: str) -> None:
        if not self._quiet:
            console.note(text)

    def summarize(self, n_recordings: int) -> None:
        """List what failed, once all is over."""
        if not self.failures or n_recordings < 2:
            return
        console.error(f"{len(self.failures)} of {n_recordings} recordings failed:")
        for recording, reason in self.failures:
            name = recording.label
            text = on_one_line(reason)
            console.line(f"  {text}" if text.startswith(name) else f"  {name}: {text}")
