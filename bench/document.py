"""What was measured as a JSON document, with everything needed to judge the numbers."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.measure import OPTIONS, Outcome, Outcomes
from bench.plan import Combination
from bench.spread import ratio, spread
from bench.subjects import REFERENCE, ROOT, Missing
from whisperctl import __version__
from whisperctl.audio import Audio
from whisperctl.compare import machine
from whisperctl.compare.score import difference

Document = dict[str, Any]

RATIOS = ("total_ms", "wall_ms", "encode_ms", "decode_ms_per_run", "peak_memory_bytes")
"""Values that are compared with the reference's."""

REFERENCE_FORMAT = "f16"


def heading() -> Document:
    """What is true of the whole run, as it begins."""
    return {
        "schema": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average_at_start": machine.load_average(),
        "machine": machine.describe(),
        "whisperctl": __version__,
        "commit": _commit(),
        "wasm_modules": _modules(),
    }


def document(
    heading: Document,
    combinations: Sequence[Combination],
    outcomes: Outcomes,
    *,
    repeats: int,
    recordings: Mapping[str, Audio],
    models: Mapping[str, Document],
    left_out: Iterable[Missing],
    elapsed_s: float,
    complete: bool,
) -> Document:
    """Everything, as what ``json.dumps`` takes; of combinations not begun there is nothing."""
    measured = [one for one in combinations if one in outcomes]
    subjects = {one.subject.name: one.subject for one in combinations}
    cells = {one: _cell(one, outcomes[one]) for one in measured}
    references = {
        one.group: cell
        for one, cell in cells.items()
        if (one.subject.name, one.format) == (REFERENCE, REFERENCE_FORMAT) and not cell["error"]
    }
    for one, cell in cells.items():
        _compare(cell, references.get(one.group))
    return {
        **heading,
        "complete": complete,
        "elapsed_s": round(elapsed_s, 1),
        "parameters": {"repeats": repeats, **asdict(OPTIONS)},
        "engines": {
            name: {"label": subject.label, "versions": dict(subject.versions)}
            for name, subject in subjects.items()
        },
        "recordings": {name: _recording(audio) for name, audio in recordings.items()},
        "models": dict(models),
        "reference": {"engine": REFERENCE, "format": REFERENCE_FORMAT},
        "cells": list(cells.values()),
        "left_out": [asdict(one) for one in left_out],
    }


def _cell(one: Combination, outcome: Outcome) -> Document:
    samples = outcome.samples
    names = list(samples[0].values) if samples else []
    spreads = {
        name: spread([sample.values[name] for sample in samples])
        for name in names
        if all(name in sample.values for sample in samples)
    }
    first = samples[0] if samples else None
    return {
        "recording": one.recording,
        "model": one.model,
        "threads": one.threads,
        "format": one.format,
        "engine": one.subject.name,
        "label": one.subject.label,
        "error": outcome.error or None,
        "system_info": first.system_info if first else None,
        "text": first.text if first else None,
        "runs": dict(first.runs) if first else None,
        "steady": all(
            (sample.text, sample.runs) == (samples[0].text, samples[0].runs) for sample in samples
        ),
        "median": {name: found.median for name, found in spreads.items()},
        "iqr": {name: found.iqr for name, found in spreads.items()},
        "samples": [dict(sample.values) for sample in samples],
    }


def _compare(cell: Document, reference: Document | None) -> None:
    """Add to a cell how it stands to the reference of its group."""
    if reference is None or cell["error"] or not cell["samples"]:
        cell.update(ratio=None, same_runs=None, difference=None)
        return
    cell["ratio"] = {
        name: ratio(cell["median"].get(name), reference["median"].get(name)) for name in RATIOS
    }
    cell["same_runs"] = cell["runs"] == reference["runs"]
    found = difference(reference["text"], cell["text"])
    cell["difference"] = {
        "identical": found.identical,
        "word_error_rate": found.word_error_rate,
        "character_error_rate": found.character_error_rate,
    }


def _recording(audio: Audio) -> Document:
    return {
        "source": Path(audio.source).name,
        "duration_s": audio.duration_s,
        "samples_sha256": hashlib.sha256(audio.samples.data).hexdigest(),
    }


def _commit() -> str | None:
    """The revision of the checkout, with a mark when something in it is changed."""
    git = shutil.which("git")
    if git is None:
        return None
    done = subprocess.run(  # noqa: S603 - a fixed command
        [git, "-C", str(ROOT), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or None


def _modules() -> Document:
    import json

    record = ROOT / "backends/wasi/src/whisperctl_wasi/build.json"
    try:
        found: Document = json.loads(record.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found
