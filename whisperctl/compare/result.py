"""The result of a comparison: everything an output shows, and all it takes to repeat the run.

Plain frozen data. ``document`` writes it as JSON and reads it back; every other output is made of
this alone, so that all of them agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from whisperctl.audio.decoders.registry import AUTO
from whisperctl.compare.scoring.differences import Agreement, Difference
from whisperctl.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Run:
    """One transcription in a process of its own.

    ``values`` are numbers by the names of ``values.VALUES`` (what was not measured is not there);
    ``counts`` is how often whisper.cpp's phases ran, by the names of ``transcript.PHASES``.
    """

    repeat: int
    values: Mapping[str, float]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Measurement:
    """All runs of a cell.

    ``transcript`` is the first run's, with tokens, and words if they were asked for. ``stable``
    tells whether every run gave the same text. A cell whose process failed has an ``error`` and is
    not tried again; the runs before that are kept.
    """

    runs: tuple[Run, ...] = ()
    transcript: Transcript | None = None
    stable: bool = True
    error: str = ""


SCHEMA = 2
"""Of the JSON document; 1 was a single recording with a run for each engine."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where numbers were measured. ``load_average`` is of 1, 5 and 15 minutes, at the start."""

    cpu: str
    cpu_flags: tuple[str, ...]
    processors: int
    processors_allowed: int
    memory_bytes: int | None
    system: str
    python: str
    load_average: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class ReferenceText:
    """What was really said. ``source`` is its file, ``sha256`` of the file's bytes."""

    source: str
    sha256: str
    text: str


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """A recording; of one from standard input ``path`` and ``file_sha256`` are ``None``.

    ``path`` is absolute or begins with ``~``. ``audio_track`` is the number or language of
    the track that was asked for, if one was, and ``decoder`` the choice of the decoder.
    ``filters`` were applied to the samples, in order.
    ``samples_sha256`` is of the float32 samples, little-endian, which is what engines get.
    """

    label: str
    path: str | None
    file_sha256: str | None
    samples_sha256: str
    n_samples: int
    duration_s: float
    warnings: tuple[str, ...] = ()
    reference: ReferenceText | None = None
    audio_track: str | None = None
    decoder: str = AUTO
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model file; its path is absolute or begins with ``~``."""

    name: str
    quant: str
    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """An engine. ``versions`` are of backend, engine and runtime; ``system_info`` is its own line.

    ``files`` are SHA-256 of what it runs besides its packages, by file name: the WASI modules.
    """

    label: str
    backend: str
    runtime: str | None
    versions: Mapping[str, str]
    files: Mapping[str, str]
    system_info: str = ""


@dataclass(frozen=True, slots=True)
class VariantInfo:
    """One way to transcribe; ``label`` says only what differs between the variants of this run.

    ``engine`` and ``model`` are indices of ``Comparison.engines`` and ``Comparison.models``.
    """

    label: str
    engine: int
    model: int
    threads: int


@dataclass(frozen=True, slots=True)
class Stat:
    """The middle of a value over all runs of a cell, in the value's unit.

    ``mad`` is the median absolute deviation from the median, ``iqr`` the distance between the
    quartiles; both are ``None`` of a single run.
    """

    median: float
    mad: float | None
    iqr: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times as much, and its 95 % bootstrap interval, ``None`` of one run.

    To a baseline it is the median of the ratios of runs of the same repeat, which stand next to
    each other; to an earlier run, the median over the median.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PhaseInfo:
    """One of whisper.cpp's phases as ``whisper_print_timings`` prints it, of the median run.

    ``total_ms`` is the median over runs, ``per_run_ms`` that divided by ``count``, which is the
    first run's.
    """

    name: str
    total_ms: float
    count: int
    per_run_ms: float


@dataclass(frozen=True, slots=True)
class WordInfo:
    """A word of a text, with times in seconds.

    ``exact`` times are the engine's; others are spread over the segment by the words' lengths.
    ``text`` is without white space.
    """

    start_s: float
    end_s: float
    text: str
    exact: bool


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """A segment. ``text`` is as the model wrote it; ``words`` are all of it.

    The words of all segments are, in order, what ``splitting.split``
    makes of ``CellInfo.text``.
    """

    start_s: float
    end_s: float
    text: str
    words: tuple[WordInfo, ...] = ()


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One run, as measured: see ``measurement.Run``."""

    repeat: int
    values: Mapping[str, float]
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class CellInfo:
    """One recording by one variant. Indices are of the lists of ``Comparison``.

    ``baseline`` is the index of the variant it is compared with, ``None`` where that failed or does
    not exist; the baseline itself has its own. A failed cell has an ``error``, and no text.
    ``text_group`` is a letter that cells of one recording share when their texts are the same, ""
    without a text. ``stats`` and ``ratios`` are by the names of ``values.VALUES``.
    ``agreement`` is with the baseline, ``None`` of the baseline itself; ``difference`` is from the
    recording's reference text, ``None`` without one.
    """

    recording: int
    variant: int
    baseline: int | None = None
    error: str = ""
    runs: tuple[RunInfo, ...] = ()
    stats: Mapping[str, Stat] = field(default_factory=dict)
    ratios: Mapping[str, Ratio] = field(default_factory=dict)
    phases: tuple[PhaseInfo, ...] = ()
    language: str = ""
    language_probability: float | None = None
    text: str = ""
    text_group: str = ""
    stable: bool = True
    segments: tuple[SegmentInfo, ...] = ()
    token_ids: tuple[int, ...] = ()
    agreement: Agreement | None = None
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class CellDrift:
    """What became of a cell since an earlier run; the index is of ``Comparison.cells``.

    ``text`` is ``"same"``, ``"different"``, or ``"none"`` where either run failed. ``difference``
    is of the text now from the text then. ``ratios`` are now over then, by the names of
    ``values.VALUES``.
    """

    cell: int
    text: Literal["same", "different", "none"]
    difference: Difference | None
    ratios: Mapping[str, Ratio]


@dataclass(frozen=True, slots=True)
class Drift:
    """What is other than in the earlier run of ``date``: a line for each change, and the cells."""

    date: str
    changes: tuple[str, ...]
    cells: tuple[CellDrift, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An engine that cannot be used here, and why."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A whole comparison.

    ``date`` is when it began, ISO 8601 with its zone. ``command`` is what was typed. ``packages``
    are the versions of whisperctl and what it stands on. ``parameters`` are all decoding options,
    resolved. ``baseline`` is what was asked for. ``elapsed_s`` is how long all of it took.
    ``drift`` is from the run that this one repeats, if it does.
    """

    schema: int
    whisperctl: str
    date: str
    command: tuple[str, ...]
    machine: Machine
    packages: Mapping[str, str]
    parameters: Mapping[str, Any]
    repeats: int
    warm_up: bool
    baseline: str
    recordings: tuple[RecordingInfo, ...]
    models: tuple[ModelInfo, ...]
    engines: tuple[EngineInfo, ...]
    variants: tuple[VariantInfo, ...]
    cells: tuple[CellInfo, ...]
    left_out: tuple[LeftOut, ...] = ()
    elapsed_s: float = 0.0
    drift: Drift | None = None

    @property
    def failed(self) -> bool:
        """Whether a cell failed."""
        return any(cell.error for cell in self.cells)
