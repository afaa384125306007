"""Where the numbers of a comparison come from, on lines that every output shares."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from whisperctl.audio.decoders.registry import AUTO
from whisperctl.compare.result import Comparison, RecordingInfo
from whisperctl.compare.statistics import shown
from whisperctl.options import DecodeOptions

SHORT = 12
"""Digits of a hash that tell files apart; the JSON has all of them."""

Fact = tuple[str, str]


def facts(comparison: Comparison) -> Iterator[Fact]:
    """What was compared, on what, and how: a name and a text each."""
    for recording in comparison.recordings:
        yield "recording", describe(recording)
    for model in comparison.models:
        size = shown(model.size_bytes, "bytes")
        yield "model", f"{model.name} {model.quant}, {size}, sha256 {model.sha256[:SHORT]}"
    for engine in comparison.engines:
        versions = ", ".join(f"{name} {text}" for name, text in engine.versions.items() if text)
        files = ", ".join(f"{name} sha256 {sha[:SHORT]}" for name, sha in engine.files.items())
        yield (
            "engine",
            ": ".join(filter(None, (engine.label, ", ".join(filter(None, (versions, files)))))),
        )
    for other in comparison.left_out:
        yield "left out", f"{other.engine}: {other.reason}"
    yield "machine", machine(comparison)
    yield "method", method(comparison)
    yield "parameters", parameters(comparison)
    yield "made by", made_by(comparison)


def describe(recording: RecordingInfo) -> str:
    """A recording with its length, and what its samples and reference text are."""
    parts = [
        f"{recording.label}, {shown(recording.duration_s, 's')} s",
        f"samples sha256 {recording.samples_sha256[:SHORT]}",
    ]
    if recording.audio_track is not None:
        parts.append(f"audio track {recording.audio_track}")
    if recording.decoder != AUTO:
        parts.append(f"decoder {recording.decoder}")
    if recording.filters:
        parts.append(f"filters {' '.join(recording.filters)}")
    if recording.reference is not None:
        parts.append(f"reference {PurePath(recording.reference.source).name}")
    return ", ".join((*parts, *recording.warnings))


def machine(comparison: Comparison) -> str:
    """CPU, processors, memory, system."""
    it = comparison.machine
    parts = [it.cpu, f"{it.processors_allowed} of {it.processors} processors"]
    if it.memory_bytes is not None:
        parts.append(f"{shown(it.memory_bytes, 'bytes')} memory")
    parts += [it.system, f"Python {it.python}"]
    if it.load_average:
        parts.append(f"load average {it.load_average[0]:.2f} at the start")
    return ", ".join(parts)


def method(comparison: Comparison) -> str:
    """How often and how cells ran."""
    n = comparison.repeats
    runs = f"{n} interleaved runs" if n > 1 else "a single run"
    warm = "after a warm-up" if comparison.warm_up else "without a warm-up"
    return f"{runs} of each cell, in processes of their own, {warm}; baseline {comparison.baseline}"


def parameters(comparison: Comparison) -> str:
    """The decoding parameters that matter most, and those that are not the defaults."""
    options = dict(comparison.parameters)
    beam = options.get("beam_size")
    search = [] if beam is None else [f"beam {beam}" if beam > 1 else "greedy"]
    language = options.get("language")
    parts = search + ([f"language {language}"] if language else [])
    defaults = DecodeOptions()
    named = ("beam_size", "language")
    parts += [
        f"{name.replace('_', ' ')} {_text(value)}"
        for name, value in options.items()
        if name not in named and value != getattr(defaults, name, value)
    ]
    return ", ".join(parts) or "defaults"


def made_by(comparison: Comparison) -> str:
    """The program, when, and how long it took."""
    return (
        f"whisperctl {comparison.whisperctl}, {comparison.date}, "
        f"in {shown(comparison.elapsed_s, 's')} s: whisperctl {shlex.join(comparison.command)}"
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f'"{value}"' if isinstance(value, str) else str(value)
