"""A comparison as a JSON document: everything needed to judge the numbers, and to repeat them."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from typing import Any

from whisperctl import __version__, engines
from whisperctl.batch import records
from whisperctl.compare import machine
from whisperctl.compare.result import Comparison
from whisperctl.compare.score import Difference
from whisperctl.compare.spec import Cell
from whisperctl.engines import Found
from whisperctl.errors import ModelError
from whisperctl.models import hashing
from whisperctl.quoting import quoted

_RATIOS = ("total", "wall", "encode")


def document(comparison: Comparison) -> dict[str, Any]:
    """The comparison as what ``json.dumps`` takes.

    Raises:
        ModelError: the model cannot be read any more.
    """
    job = comparison.job
    try:
        sha1 = hashing.hex_digest(job.model, "sha1")
        size_bytes = job.model.stat().st_size
    except OSError as error:
        raise ModelError(f"{quoted(job.model)} cannot be read: {error.strerror}") from error
    names = {cell.engine.backend for cell in comparison.cells}
    backends = {name: engines.find(name) for name in names}
    reference = comparison.reference
    return {
        "whisperctl": __version__,
        "machine": machine.describe(),
        "audio": {
            "source": job.audio.source,
            "duration_s": job.audio.duration_s,
            "decode_ms": job.audio.decode_ms,
            "n_samples": len(job.audio.samples),
            "samples_sha256": hashlib.sha256(job.audio.samples.data).hexdigest(),
            "warnings": list(job.audio.warnings),
        },
        "model": {"path": str(job.model), "size_bytes": size_bytes, "sha1": sha1},
        "parameters": {"threads": job.threads, **asdict(job.options)},
        "reference": reference.engine.label if reference is not None else None,
        "engines": [
            _engine(comparison, cell, difference, backends[cell.engine.backend])
            for cell, difference in zip(comparison.cells, comparison.differences, strict=True)
        ],
        "left_out": [
            {"engine": other.engine.label, "reason": other.problem} for other in comparison.left_out
        ],
    }


def _engine(
    comparison: Comparison, cell: Cell, difference: Difference | None, found: Found
) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "engine": cell.engine.label,
        "backend": cell.engine.backend,
        "runtime": cell.engine.runtime,
        "versions": _versions(cell, found),
        "error": cell.error or None,
    }
    transcript = cell.transcript
    if transcript is None:
        return fields
    return fields | {
        "system_info": transcript.system_info,
        "language": transcript.language,
        "language_probability": transcript.language_probability,
        "text": transcript.text,
        "segments": [
            {"start_s": segment.start_s, "end_s": segment.end_s, "text": segment.text}
            for segment in transcript.segments
        ],
        "timings": records.plain(transcript.timings),
        "open_ms": cell.open_ms,
        "real_time_factor": comparison.real_time_factor(cell),
        "ratios": {name: comparison.ratio(cell, name) for name in _RATIOS},
        "difference": asdict(difference) if difference is not None else None,
    }


def _versions(cell: Cell, found: Found) -> dict[str, str]:
    if found.info is None:
        return {}
    runtimes = {runtime.name: runtime.version for runtime in found.info.runtimes}
    return {
        "backend": found.info.version,
        "engine": found.info.engine,
        "runtime": runtimes.get(cell.engine.runtime or "", ""),
    }
