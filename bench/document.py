"""What was measured as a JSON document, with everything needed to judge the numbers."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.plan import OPTIONS, group, subject
from bench.subjects import REFERENCE, ROOT, Missing
from whisperctl import __version__
from whisperctl.audio import Audio
from whisperctl.compare import machine, manifest
from whisperctl.compare.plan import Cell, Plan
from whisperctl.compare.result import Measurement, Run
from whisperctl.compare.scoring.texts import difference
from whisperctl.compare.statistics import paired_ratio, stat

Document = dict[str, Any]

RATIOS = ("total_ms", "wall_ms", "encode_ms", "decode_ms_per_run", "peak_memory_bytes")
"""Values that are compared with the reference's."""

REFERENCE_FORMAT = "f16"

_PER_RUN = ("decode", "batchd")
_COUNTED = ("encode", "decode", "batchd", "prompt")


def heading() -> Document:
    """What is true of the whole run, as it begins."""
    return {
        "schema": 1,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": asdict(machine.describe()),
        "whisperctl": __version__,
        "commit": _commit(),
        "wasm_modules": _modules(),
    }


def document(
    heading: Document,
    plan: Plan,
    measured: Mapping[Cell, Measurement],
    *,
    models: Mapping[str, Document],
    left_out: Iterable[Missing],
    elapsed_s: float,
    complete: bool,
) -> Document:
    """Everything, as what ``json.dumps`` takes; of cells not begun there is nothing."""
    subjects = {subject(cell).name: subject(cell) for cell in plan.cells}
    cells = {one: _cell(one, measured[one]) for one in plan.cells if one in measured}
    references = {
        group(one): one
        for one, cell in cells.items()
        if (cell["engine"], cell["format"]) == (REFERENCE, REFERENCE_FORMAT) and not cell["error"]
    }
    for one, cell in cells.items():
        reference = references.get(group(one))
        if reference is None or cell["error"] or not cell["samples"]:
            cell.update(ratio=None, same_runs=None, difference=None)
            continue
        _compare(cell, cells[reference])
        cell["ratio"] = ratios(measured[one], measured[reference])
    return {
        **heading,
        "complete": complete,
        "elapsed_s": round(elapsed_s, 1),
        "parameters": {
            "repeats": plan.repeats,
            "warm_up": plan.warm_up,
            **asdict(OPTIONS),
        },
        "engines": {
            name: {"label": one.label, "versions": dict(one.versions)}
            for name, one in subjects.items()
        },
        "recordings": {one.label: _recording(one.audio) for one in plan.recordings},
        "models": dict(models),
        "reference": {"engine": REFERENCE, "format": REFERENCE_FORMAT},
        "cells": list(cells.values()),
        "left_out": [asdict(one) for one in left_out],
    }


def _cell(one: Cell, measurement: Measurement) -> Document:
    samples = [_sample(run) for run in measurement.runs]
    names = (
        [name for name in samples[0] if all(name in sample for sample in samples)]
        if samples
        else []
    )
    stats = {name: stat([sample[name] for sample in samples]) for name in names}
    counts = [run.counts for run in measurement.runs]
    transcript = measurement.transcript
    return {
        "recording": one.recording.label,
        "model": one.variant.weights.name,
        "threads": one.variant.threads,
        "format": one.variant.weights.quant,
        "engine": subject(one).name,
        "label": subject(one).label,
        "error": measurement.error or None,
        "system_info": transcript.system_info if transcript else None,
        "text": transcript.text if transcript else None,
        "runs": {name: counts[0][name] for name in _COUNTED if name in counts[0]}
        if counts
        else None,
        "steady": measurement.stable and all(each == counts[0] for each in counts),
        "median": {name: found.median for name, found in stats.items()},
        "iqr": {name: found.iqr for name, found in stats.items()},
        "samples": samples,
    }


def _sample(run: Run) -> dict[str, float]:
    per_run = {
        f"{name}_ms_per_run": run.values[f"{name}_ms"] / run.counts[name]
        for name in _PER_RUN
        if run.counts.get(name)
    }
    return {**run.values, **per_run}


def _compare(cell: Document, reference: Document) -> None:
    """Add to a cell whether it did and said what the reference of its group did."""
    cell["same_runs"] = cell["runs"] == reference["runs"]
    found = difference(reference["text"], cell["text"], language=OPTIONS.language)
    cell["difference"] = {
        "identical": found.identical,
        "word_error_rate": found.wer.rate,
        "character_error_rate": found.cer.rate,
    }


def ratios(measurement: Measurement, reference: Measurement) -> dict[str, float | None]:
    """The values of ``RATIOS`` over the reference's, as ``whisperctl compare`` has them.

    Each is the median of the ratios within each repeat; ``None`` where a run lacks the value.
    """
    ours = {run.repeat: _sample(run) for run in measurement.runs}
    theirs = {run.repeat: _sample(run) for run in reference.runs}
    return {name: _ratio(ours, theirs, name) for name in RATIOS}


def _ratio(
    ours: Mapping[int, dict[str, float]], theirs: Mapping[int, dict[str, float]], name: str
) -> float | None:
    if not all(name in sample for sample in [*ours.values(), *theirs.values()]):
        return None
    found = paired_ratio(
        {repeat: sample[name] for repeat, sample in ours.items()},
        {repeat: sample[name] for repeat, sample in theirs.items()},
    )
    return found.value if found is not None else None


def _recording(audio: Audio) -> Document:
    return {
        "source": Path(audio.source).name,
        "duration_s": audio.duration_s,
        "samples_sha256": manifest.samples_hash(audio.samples),
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
