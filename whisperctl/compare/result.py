"""Data types of a comparison: everything a report shows, and everything needed to repeat the run.

Plain frozen dataclasses. ``document`` writes them as JSON and reads them back; all reports are made
from them alone, so that all reports agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from whisperctl.audio.decoders.registry import AUTO
from whisperctl.transcript import Transcript

SCHEMA = 2
"""Version of the JSON document. Version 1 held a single recording with one run per engine."""


@dataclass(frozen=True, slots=True)
class Run:
    """One transcription in a separate process.

    ``values`` maps names of ``statistics.VALUES`` to numbers; values that were not measured are
    missing. ``counts`` maps names of ``transcript.PHASES`` to how many times the phase ran.
    ``worker`` is the name of the cluster's worker that it ran on, empty for this machine.
    """

    repeat: int
    values: Mapping[str, float]
    counts: Mapping[str, int]
    worker: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """All runs of a cell.

    ``transcript`` is that of the first run, with tokens, and with words if they were requested.
    ``stable`` is true if every run gave the same text. If a process failed, ``error`` says why and
    the cell is not retried; earlier runs are kept.
    """

    runs: tuple[Run, ...] = ()
    transcript: Transcript | None = None
    stable: bool = True
    error: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Machine of the measurements. ``load_average``: 1, 5 and 15 minutes before the start."""

    cpu: str
    cpu_flags: tuple[str, ...]
    processors: int
    processors_allowed: int
    memory_bytes: int | None
    system: str
    python: str
    load_average: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Workers:
    """Workers of a cluster that measured a comparison, all of one kind.

    Each has ``threads``. ``note`` says which others were not used; empty if all were.
    """

    names: tuple[str, ...]
    threads: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Reference:
    """Correct transcript of a recording.

    ``source`` is the path of its file, absolute or relative to ``~``, and ``sha256`` is that of the
    file's bytes. For an entry of a list, the file is the list.
    """

    source: str
    sha256: str
    text: str


@dataclass(frozen=True, slots=True)
class RecordingInfo:
    """Description of a recording.

    ``path`` is absolute or begins with ``~``; it and ``file_sha256`` are ``None`` for standard
    input. ``samples_sha256`` is that of the samples as little-endian float32, which are what
    engines receive. ``audio_track`` is the requested track, a number or a language, ``decoder`` the
    requested decoder; ``decoders`` are those that read it, in order, unknown in older documents.
    ``filters`` were applied to the samples in order.
    """

    label: str
    path: str | None
    file_sha256: str | None
    samples_sha256: str
    n_samples: int
    duration_s: float
    warnings: tuple[str, ...] = ()
    reference: Reference | None = None
    audio_track: str | None = None
    decoder: str = AUTO
    filters: tuple[str, ...] = ()
    decoders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Model file: ``name`` is such as ``tiny.en``, ``quant`` such as ``q8_0``.

    In a result, ``path`` is absolute or begins with ``~``. A plan does not need size and hash.
    """

    name: str
    quant: str
    path: Path
    size_bytes: int = 0
    sha256: str = ""

    @property
    def label(self) -> str:
        """Name and quantization."""
        return f"{self.name} {self.quant}"


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Description of an engine.

    ``versions`` are those of its backend, engine and runtime, ``system_info`` is the line that the
    engine prints about itself. ``files`` maps names of files that the runtime loads besides its
    packages, such as WebAssembly modules, to their SHA-256. The label of an engine of another
    environment is its name in the plan file.
    """

    label: str
    backend: str
    runtime: str | None
    versions: Mapping[str, str]
    files: Mapping[str, str]
    system_info: str = ""


@dataclass(frozen=True, slots=True)
class VariantInfo:
    """Engine, model and number of threads. ``label`` holds only what differs between variants.

    ``engine`` and ``model`` are indices into ``Comparison.engines`` and ``Comparison.models``.
    """

    label: str
    engine: int
    model: int
    threads: int


@dataclass(frozen=True, slots=True)
class Stat:
    """Summary of a value over all runs of a cell, in the unit of the value.

    ``mad`` is the median absolute deviation from the median, ``iqr`` the interquartile range; both
    are ``None`` for a single run.
    """

    median: float
    mad: float | None
    iqr: float | None
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Ratio:
    """Ratio with its 95 % bootstrap interval, which is ``None`` for a single run.

    A ratio to the baseline is the median of the ratios within each repeat, where the runs are next
    to each other. A ratio to an earlier comparison is the ratio of the medians.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PhaseInfo:
    """A phase of whisper.cpp in the form of ``whisper_print_timings``.

    ``total_ms`` is the median over the runs, ``count`` that of the first run, ``per_run_ms`` their
    quotient.
    """

    name: str
    total_ms: float
    count: int
    per_run_ms: float


@dataclass(frozen=True, slots=True)
class WordInfo:
    """Word without surrounding white space; times in seconds.

    ``exact`` times come from the engine. Others are interpolated within the segment.
    """

    start_s: float
    end_s: float
    text: str
    exact: bool


@dataclass(frozen=True, slots=True)
class SegmentInfo:
    """Segment with its text as the model wrote it.

    The words of all segments, in order, equal ``wer.split_words(cell.text)``.
    """

    start_s: float
    end_s: float
    text: str
    words: tuple[WordInfo, ...] = ()


SpanKind = Literal["equal", "substitute", "delete", "insert"]


@dataclass(frozen=True, slots=True)
class Errors:
    """Edit counts of an alignment.

    ``n_reference`` is the number of words (WER) or characters (CER) of the reference. ``rate`` is
    (S + D + I) / ``n_reference``, or 1 for insertions against an empty reference.
    """

    rate: float
    substitutions: int
    deletions: int
    insertions: int
    n_reference: int


@dataclass(frozen=True, slots=True)
class WordSpan:
    """Aligned words: half-open ranges ``[start, end)`` in the reference and in the text."""

    kind: SpanKind
    reference_start: int
    reference_end: int
    text_start: int
    text_end: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Word and character error rates of a text against a reference.

    Words are separated by white space and include case and punctuation; in scripts without spaces
    each character is a word (``wer.split_words``). ``identical`` ignores the kind and amount of
    white space. ``spans`` align all words of both texts. ``normalized_*`` are computed after
    Whisper's normalizer: the English one (spelling, numbers, contractions) for English text, the
    basic one (case, punctuation) for other languages.
    """

    identical: bool
    wer: Errors
    cer: Errors
    normalized_wer: Errors
    normalized_cer: Errors
    spans: tuple[WordSpan, ...]


@dataclass(frozen=True, slots=True)
class TokenAgreement:
    """Number of equal tokens in an alignment of two token sequences.

    ``n`` is the length of the longer sequence. ``rate`` is ``n_equal / n``, or 1 if both are empty.
    """

    rate: float
    n_equal: int
    n: int


@dataclass(frozen=True, slots=True)
class Divergence:
    """First point at which two token sequences differ, after ``n_tokens`` equal tokens.

    ``time_s`` is its position in the recording by the baseline's times. ``baseline`` and ``text``
    are the next few words of each, empty at the end of a text. A word that is split at this point
    is given in full in both.
    """

    n_tokens: int
    time_s: float
    baseline: str
    text: str


@dataclass(frozen=True, slots=True)
class TimeDeltas:
    """Differences between the times of ``n_words`` matching words, in seconds.

    All are absolute but ``bias_s``, the mean of start minus baseline start.
    """

    n_words: int
    start_mean_s: float
    start_p95_s: float
    end_mean_s: float
    end_p95_s: float
    bias_s: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of a transcript with that of the baseline.

    ``tokens`` is ``None`` if an engine gives no tokens or the vocabularies differ; ``divergence``
    also if all tokens are equal; ``times`` if there are no word times.
    """

    difference: Difference
    tokens: TokenAgreement | None
    divergence: Divergence | None
    times: TimeDeltas | None


@dataclass(frozen=True, slots=True)
class CellInfo:
    """Results of one recording with one variant; indices are into the lists of ``Comparison``.

    ``baseline`` is the variant that this cell is compared with, or ``None`` if that failed or does
    not exist; the baseline refers to itself. A failed cell has an ``error`` and no text. Cells of a
    recording that share a ``text_group`` (a letter, or "" without a text) have the same text.
    ``stats`` and ``ratios`` are keyed by names of ``statistics.VALUES``. ``agreement`` is with the
    baseline, ``None`` for the baseline itself; ``difference`` is from the reference, if there is
    one.
    """

    recording: int
    variant: int
    baseline: int | None = None
    error: str = ""
    runs: tuple[Run, ...] = ()
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
    """Change of a cell since an earlier comparison; ``cell`` is an index into ``Comparison.cells``.

    ``text`` is "none" if either run failed. ``difference`` is the new text against the old one,
    ``ratios`` are new values over old ones, keyed by names of ``statistics.VALUES``.
    """

    cell: int
    text: Literal["same", "different", "none"]
    difference: Difference | None
    ratios: Mapping[str, Ratio]


@dataclass(frozen=True, slots=True)
class Drift:
    """Changes since the earlier comparison of ``date``: one line per change, and the cells."""

    date: str
    changes: tuple[str, ...]
    cells: tuple[CellDrift, ...]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Engine that cannot be used on this machine, and the reason."""

    engine: str
    reason: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Result of a comparison.

    ``date`` is the time of its start, ISO 8601 with time zone. ``command`` are the arguments as
    typed. ``packages`` are the versions of whisperctl and its dependencies. ``parameters`` are all
    decoding options after defaults. ``baseline`` is the requested one. ``elapsed_s`` is the
    duration of the comparison. ``drift`` is set if the comparison repeats an earlier one.
    ``workers`` are those of a cluster, and ``machine`` is then one of theirs.
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
    models: tuple[ModelFile, ...]
    engines: tuple[EngineInfo, ...]
    variants: tuple[VariantInfo, ...]
    cells: tuple[CellInfo, ...]
    left_out: tuple[LeftOut, ...] = ()
    elapsed_s: float = 0.0
    drift: Drift | None = None
    workers: Workers | None = None

    @property
    def failed(self) -> bool:
        """True if a cell failed."""
        return any(cell.error for cell in self.cells)
