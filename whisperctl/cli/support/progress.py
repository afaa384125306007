"""Progress of a run: bars on a terminal, and results and messages above them."""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from whisperctl.cli import drop_stdout
from whisperctl.cli.support import console
from whisperctl.jobs import events
from whisperctl.jobs.events import (
    Advanced,
    Ended,
    Event,
    Failed,
    Finished,
    Opened,
    Started,
    Workload,
)
from whisperctl.jobs.sources import Recording
from whisperctl.text import on_one_line, quoted, timestamp, visible
from whisperctl.transcript import Segment

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.text import Text

_MANY = 200
_SHOWN_EVERY_S = 0.25


class Bars:
    """A bar for each recording in progress and, if there are several, one for the whole run.

    Nothing is drawn if standard error is not a terminal.
    """

    def __init__(self, recordings: Sequence[Recording], *, wanted: bool) -> None:
        self._recordings = recordings
        self._workload = Workload(recordings)
        self._bars: dict[int, TaskID] = {}
        self._overall: TaskID | None = None
        self._shown_s = 0.0
        self._progress = bars() if wanted and sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        if self._progress is not None:
            if len(self._recordings) > 1:
                self._overall = self._progress.add_task("", total=None, note="")
            self._progress.start()
            self._show_overall()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def document(self, text: str) -> None:
        """Write a whole document, above the bars if there are any."""
        if self._progress is None or not sys.stdout.isatty():
            console.result(text, prose=True, styled=True)
            return
        self._print(text, wrapped=False)

    def segment(self, text: str) -> None:
        """Write a line of a transcript, wrapped at words on a terminal."""
        if sys.stdout.isatty():
            self._print(text, wrapped=True)
        else:
            console.result(text, prose=True, styled=True)

    def _print(self, text: str, *, wrapped: bool) -> None:
        """Write to the terminal that standard output is."""
        from rich.console import Console
        from rich.text import Text

        shown = Text.from_ansi(console.shown(text, prose=True, styled=True))
        drawn = Console(highlight=False) if self._progress is None else self._progress.console
        try:
            if wrapped:
                shown = wrapped_line(shown, drawn)
            # As one unit, which a document stays whatever the terminal's width is.
            drawn.print(shown, soft_wrap=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise console.stdout_error(error) from error
        console.keep(text)

    def event(self, index: int, event: Event) -> None:
        """Show the progress that an event reports."""
        if self._progress is None:
            return
        self._workload.event(index, event)
        if isinstance(event, Started | Opened):
            note = "loading the model" if isinstance(event, Started) else "reading the recording"
            if index in self._bars:
                self._progress.update(self._bars[index], note=note)
            else:
                name = console.short(self._recordings[index].shown)
                self._bars[index] = self._progress.add_task(name, total=None, note=note)
        elif isinstance(event, Advanced) and index in self._bars:
            note = self._note() if self._overall is None else ""
            self._progress.update(
                self._bars[index],
                completed=event.done_s,
                total=event.total_s,
                note=note if event.done_s else "decoding",
            )
        elif isinstance(event, Ended | Finished | Failed) and index in self._bars:
            self._progress.remove_task(self._bars.pop(index))
        self._show_overall()

    def _show_overall(self) -> None:
        if self._progress is None or self._overall is None:
            return
        # All recordings are summed up, which takes milliseconds where there are thousands.
        now_s = time.monotonic()
        if len(self._recordings) > _MANY and now_s - self._shown_s < _SHOWN_EVERY_S:
            return
        self._shown_s = now_s
        fraction = self._workload.fraction
        failed = f", {n} failed" if (n := self._workload.n_failed) else ""
        self._progress.update(
            self._overall,
            description=f"{self._workload.n_ended}/{len(self._recordings)}{failed}",
            total=None if fraction is None else 1.0,
            completed=fraction or 0.0,
            note=self._note(),
        )

    def _note(self) -> str:
        parts = []
        if self._workload.eta_s is not None:
            parts.append(eta(self._workload.eta_s))
        if self._workload.speed is not None:
            parts.append(f"{self._workload.speed:.1f}x")
        return "  ".join(parts)


_TIMES = re.compile(r"\[[\d:.]+ --> [\d:.]+\] +")
_LEAST_WIDTH = 20


def wrapped_line(line: Text, drawn: Console) -> Text:
    """Wrap a segment's line at words, with its text beside the times if there is room for that."""
    from rich.text import Text

    times = _TIMES.match(line.plain)
    indent = times.end() if times else 0
    if drawn.width - indent < _LEAST_WIDTH:
        indent = 0
    head, body = line[:indent], line[indent:]
    lines = body.wrap(drawn, drawn.width - indent)
    return head + Text(f"\n{'':{indent}}" if indent else "\n").join(lines)


def eta(left_s: float | None) -> str:
    """Return the remaining time in words, empty if it is unknown."""
    return "" if left_s is None else f"ETA {timestamp(round(left_s)).partition('.')[0]}"


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show on a terminal what is being done inside the ``with``."""
    if not sys.stderr.isatty():
        yield
        return
    with bars() as shown:
        shown.add_task(what, total=None, note="")
        yield


def bars() -> Progress:
    """Return bars on standard error that disappear at the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, Task, TaskProgressColumn, TextColumn
    from rich.text import Text

    class Name(TextColumn):
        def render(self, task: Task) -> Text:
            return Text(visible(task.description))

    # If results go to the same terminal, one object must write everything.
    together = sys.stdout.isatty()
    return Progress(
        Name(""),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(file=sys.stdout if together else sys.stderr, highlight=False),
        transient=True,
        refresh_per_second=4,
        redirect_stdout=False,
        redirect_stderr=True,
    )


@dataclass(slots=True)
class _Place:
    """Work of one worker: tasks, seconds of audio and of work, and tasks that were lost with it."""

    n_tasks: int = 0
    audio_s: float = 0.0
    wall_s: float = 0.0
    n_lost: int = 0


class Places:
    """Work of each worker of a cluster: recordings, or chunks of one."""

    def __init__(self) -> None:
        self._places: dict[str, _Place] = {}
        self._now: dict[tuple[int, int], str] = {}
        self._tasks = "recordings"

    @property
    def has_chunks(self) -> bool:
        """True if workers had chunks of a recording."""
        return self._tasks == "chunks"

    def begin(self, index: int, worker: str, chunk: int = 0) -> None:
        """A worker has begun with a recording, or a chunk; one that had it before was lost."""
        before = self._now.get((index, chunk))
        if before is not None:
            self._places[before].n_lost += 1
        if chunk:
            self._tasks = "chunks"
        self._now[index, chunk] = worker
        self._places.setdefault(worker, _Place())

    def finish(self, index: int, audio_s: float, wall_s: float, chunk: int = 0) -> None:
        """A recording or a chunk is finished."""
        if (index, chunk) in self._now:
            place = self._places[self._now.pop((index, chunk))]
            place.n_tasks += 1
            place.audio_s += audio_s
            place.wall_s += wall_s

    def table(self) -> list[str]:
        """Lines of a table, in the order of names; none if no worker was named."""
        rows = [("worker", self._tasks, "hours of audio", "real-time factor", "lost")]
        for name, place in sorted(self._places.items(), key=lambda one: _by_number(one[0])):
            factor = f"{place.wall_s / place.audio_s:.3f}" if place.audio_s else "-"
            hours = f"{place.audio_s / 3600:.2f}"
            counts = (str(place.n_tasks), hours, factor, str(place.n_lost))
            rows.append((visible(name), *counts))
        if not self._places:
            return []
        widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
        return [
            "  ".join(
                text.rjust(width) if i else text.ljust(width)
                for i, (text, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in rows
        ]


def _by_number(name: str) -> tuple[int, str]:
    return (int(name) if name.isdecimal() and len(name) < 10 else -1, name)


class Reporter:
    """Prints segments and warnings in their turn, errors as they come, and collects ``failures``.

    If files are written too, a closed standard output does not end the run.
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
        self._places = Places()
        self._current = -1

    def event(self, index: int, event: Event) -> None:
        """Print an event."""
        self._bars.event(index, event)
        recording = self._recordings[index]
        match event:
            case events.Started():
                self._current = index
                if self._several and not self._quiet:
                    console.heading(recording.shown)
            case events.SegmentDecoded(segment):
                if self._shows_segments:
                    self._show(segment)
            case events.Written(text):
                self._bars.document(text.removesuffix("\n"))
            case events.WarningIssued(text):
                self._note(text)
            case events.Logged(logger, level, text):
                logging.getLogger(logger).log(level, "%s", text)
            case events.Placed(worker, chunk):
                self._places.begin(index, worker, chunk)
            case events.ChunkTranscribed(chunk, audio_s, wall_s):
                self._places.finish(index, audio_s, wall_s, chunk)
            case events.Ended(failure) if failure:
                # Now, and not in its turn, which may be hours later.
                in_turn = index == self._current
                console.error(failure if in_turn else _named(recording, failure))
            case events.Failed(reason):
                self.failures.append((recording, reason))
            case events.Finished():
                self._places.finish(index, event.computed_s, event.wall_s)
                self._finished(event)

    def _show(self, segment: Segment) -> None:
        try:
            self._bars.segment(self._line(segment))
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
        if event.places:
            self._note(f"wrote {', '.join(map(quoted, event.places))}")

    def _note(self, text: str) -> None:
        if not self._quiet:
            console.note(text)

    def summarize(self, n_recordings: int) -> None:
        """List what the workers of a cluster did, and the recordings that failed, at the end."""
        if (n_recordings > 1 or self._places.has_chunks) and not self._quiet:
            for line in self._places.table():
                console.line(line)
        if not self.failures or n_recordings < 2:
            return
        console.error(f"{len(self.failures)} of {n_recordings} recordings failed:")
        for recording, reason in self.failures:
            console.line(f"  {_named(recording, on_one_line(reason))}")


def _named(recording: Recording, reason: str) -> str:
    """Reason of a failure, which names the recording."""
    name = recording.label
    return reason if reason.startswith(name) else f"{name}: {reason}"
