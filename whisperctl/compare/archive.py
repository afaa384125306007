"""Where the document of every comparison is kept, so that each can be repeated."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from whisperctl import output, state
from whisperctl.compare import document
from whisperctl.compare.comparison import Comparison
from whisperctl.errors import OutputError

_KEPT = 100
_PATTERN = "compare-*.json"


def save(comparison: Comparison) -> Path | None:
    """Keep a comparison among the last hundred; ``None`` where that cannot be written.

    It is a convenience: what a person wants to keep is written by ``--output``.
    """
    digits = re.sub(r"\D", "", comparison.date)[:14]
    label = re.sub(r"[^\w.-]+", "-", comparison.recordings[0].label)[:60]
    try:
        folder = state.directory()
        path = folder / f"compare-{digits}-{label}.json"
        folder.mkdir(parents=True, exist_ok=True)
        output.write_text(path, document.text(comparison))
    except (OSError, OutputError):
        return None
    # Not this one, though it sorts first where the clock was set back.
    others = sorted(set(folder.glob(_PATTERN)) - {path})
    for old in others[: -(_KEPT - 1)]:
        with suppress(OSError):
            old.unlink()
    return path
