"""Reports of a comparison: terminal tables, Markdown, JSON, CSV and an HTML page.

A report is a function of a ``Comparison`` in a module of this package, and an entry in ``REPORTS``.
Rounded numbers are formatted by ``statistics.shown``; JSON, CSV and the JSON inside the HTML page
have full precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from whisperctl.compare.result import Comparison

    Recordings: TypeAlias = Callable[[], Sequence[npt.NDArray[np.float32] | None]]
    """Loads the samples of each recording, float32, shape (n_samples,), 16 kHz mono.

    ``None`` stands for a recording that is not available. Called only if a report needs samples.
    """


@dataclass(frozen=True, slots=True)
class Report:
    """Report format: the file extensions that select it, and its renderer.

    ``render`` gets the comparison, its recordings, and whether to show all phases.
    """

    extensions: tuple[str, ...]
    render: Callable[[Comparison, Recordings, bool], str]


def _table(comparison: Comparison, recordings: Recordings, phases: bool) -> str:
    from whisperctl.compare.reports import terminal

    return terminal.plain_text(comparison, phases=phases)


def _markdown(comparison: Comparison, recordings: Recordings, phases: bool) -> str:
    from whisperctl.compare.reports import markdown

    return markdown.text(comparison)


def _json(comparison: Comparison, recordings: Recordings, phases: bool) -> str:
    from whisperctl.compare import document

    return document.text(comparison)


def _csv(comparison: Comparison, recordings: Recordings, phases: bool) -> str:
    from whisperctl.compare.reports import csv_report

    return csv_report.text(comparison)


def _html(comparison: Comparison, recordings: Recordings, phases: bool) -> str:
    from whisperctl.compare.reports import html

    return html.page(comparison, recordings())


REPORTS = {
    "table": Report((), _table),
    "markdown": Report((".md", ".markdown"), _markdown),
    "json": Report((".json",), _json),
    "csv": Report((".csv",), _csv),
    "html": Report((".html", ".htm"), _html),
}
"""Report formats by name; ``table`` is the default."""

BY_EXTENSION = {
    extension: name for name, report in REPORTS.items() for extension in report.extensions
}
"""Names of report formats by file extension."""
