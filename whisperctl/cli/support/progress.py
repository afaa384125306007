"""Bars on a terminal while recordings are transcribed, with results scrolling by above them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from whisperctl.cli.support import console
from whisperctl.jobs.events import Advanced, Event, Failed, Finished, Opened, Started, Workload
from whisperctl.jobs.sources import Recording
from whisperctl.subtitles.cues import timestamp
from whisperctl.text import visible

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Bars:
    """A bar for each recording under way and, if there are several, one for the whole run.

    Nothing is drawn where standard error is no terminal.
    """

    def __init__(self, recordings: Sequence[Recording], *, wanted: bool) -> None:
        self._recordings = recordings
        self._workload = Workload(recordings)
        self._bars: dict[int, TaskID] = {}
        self._overall: TaskID | None = None
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

    def result(self, text: str) -> None:
        """Write a line of a transcript, or a whole document, above the bars if they are there."""
        if self._progress is None or not sys.stdout.isatty():
            console.result(text, prose=True, styled=True)
            return
        from rich.text import Text

        # In one piece, or it would be broken where words end and not where the terminal does.
        shown = Text.from_ansi(console.shown(text, prose=True, styled=True))
        self._progress.console.print(shown, soft_wrap=True)
        console.heard(text)

    def event(self, index: int, event: Event) -> None:
        """Show what an event says about how far things are."""
        if self._progress is None:
            return
        self._workload.event(index, event)
        if isinstance(event, Started | Opened) and index not in self._bars:
            name = console.short(self._recordings[index].name)
            self._bars[index] = self._progress.add_task(name, total=None, note="")
        elif isinstance(event, Advanced) and index in self._bars:
            self._progress.update(
                self._bars[index],
                completed=event.done_s,
                total=event.total_s,
                note=self._note() if self._overall is None else "",
            )
        elif isinstance(event, Finished | Failed) and index in self._bars:
            self._progress.remove_task(self._bars.pop(index))
        self._show_overall()

    def _show_overall(self) -> None:
        if self._progress is None or self._overall is None:
            return
        fraction = self._workload.fraction
        self._progress.update(
            self._overall,
            description=f"{self._workload.n_ended}/{len(self._recordings)}",
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


def eta(left_s: float | None) -> str:
    """How long it will take yet, nothing where that is not known."""
    return "" if left_s is None else f"ETA {timestamp(round(left_s)).partition('.')[0]}"


def bars() -> Progress:
    """Bars that stand where standard error is, and vanish in the end."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, Task, TaskProgressColumn, TextColumn
    from rich.text import Text

    class Name(TextColumn):
        def render(self, task: Task) -> Text:
            return Text(visible(task.description))

    # Where results go to the same terminal, all must pass through one hand.
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
