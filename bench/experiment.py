"""Writes our numbers into ``docs/experiment.md``: ``python -m bench.experiment run.json``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from whisperctl.compare import document
from whisperctl.compare.reports import provenance
from whisperctl.compare.result import CellInfo, Comparison, Ratio

PAGE = Path(__file__).resolve().parents[1] / "docs/experiment.md"
BEGIN, END = "<!-- measured -->\n", "<!-- /measured -->\n"

_NATIVE_S, _WASI_S = 17.2, 96.9
"""The article's: seconds for 11 seconds of speech, one thread."""


def page(text: str, comparison: Comparison) -> str:
    """The page with what was measured in place of what stood there.

    Raises:
        ValueError: the page has no place for it, or a cell has failed.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no place for what was measured")
    return before + begin + "\n".join(_section(comparison)) + "\n" + end + after


def _section(comparison: Comparison) -> Iterator[str]:
    cells = {comparison.variants[cell.variant].label: cell for cell in comparison.cells}
    if failed := [label for label, cell in cells.items() if cell.error]:
        raise ValueError(f"{', '.join(failed)} failed")
    yield ""
    yield "| | native | sandbox | ratio |"
    yield "|---|---:|---:|---:|"
    yield f"| the article | {_NATIVE_S} s | {_WASI_S} s | {_WASI_S / _NATIVE_S:.1f} |"
    native = cells["native"]
    for label, cell in cells.items():
        if label == "native":
            continue
        for what, name in (("all of it", "cold_start_ms"), ("transcription alone", "wall_ms")):
            yield (
                f"| {label}, {what} | {_seconds(native, name)} | {_seconds(cell, name)} "
                f"| {_ratio(cell.ratios[name])} |"
            )
    yield ""
    groups = {cell.text_group for cell in cells.values()}
    same = "the same, to the character" if len(groups) == 1 else "not all the same"
    yield f"The texts are {same}:"
    yield ""
    for group in sorted(groups):
        labels = [label for label, cell in cells.items() if cell.text_group == group]
        text = next(cell.text for cell in cells.values() if cell.text_group == group)
        yield f"> {text} *({', '.join(labels)})*"
        yield ""
    model = comparison.models[0]
    yield (
        f"{provenance.machine(comparison)}; "
        f"{model.name} {model.quant}, sha256 {model.sha256[:12]}; "
        f"{provenance.method(comparison)}; {provenance.parameters(comparison)}."
    )


def _seconds(cell: CellInfo, name: str) -> str:
    return f"{cell.stats[name].median / 1000:.2f} s"


def _ratio(ratio: Ratio) -> str:
    interval = f" [{ratio.low:.2f}, {ratio.high:.2f}]" if ratio.low and ratio.high else ""
    return f"{ratio.value:.2f}{interval}"


def main() -> int:
    """Write the page of the document that is named."""
    comparison = document.read(Path(sys.argv[1]))
    PAGE.write_text(page(PAGE.read_text("utf-8"), comparison), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
