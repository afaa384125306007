"""Plan of a comparison: recordings, variants, their baselines, and the order of the runs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from whisperctl.audio.decoders.registry import AUTO
from whisperctl.compare.result import LeftOut, ModelFile, RecordingInfo, Reference
from whisperctl.engine import registry
from whisperctl.engine.registry import Engine
from whisperctl.errors import AudioError, UsageError
from whisperctl.models.ggml.files import hex_digest
from whisperctl.storage import urls
from whisperctl.storage.files import reason
from whisperctl.text import counted, quoted, unknown, visible

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from whisperctl.audio import Audio
    from whisperctl.options import DecodeOptions

_THREADS = re.compile(r"(\d+)(?:\s*threads?)?")


@dataclass(frozen=True, slots=True)
class ForeignEngine(Engine):
    """Engine of another environment, run by the interpreter of that environment.

    ``name`` is its label, ``python`` the path of the interpreter, and ``versions`` are those of its
    backend, engine and runtime.
    """

    name: str = ""
    python: str = ""
    versions: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """Name in reports."""
        return self.name


@dataclass(frozen=True, slots=True)
class Variant:
    """Engine, model and number of threads to transcribe with."""

    engine: Engine
    model: ModelFile
    threads: int

    @property
    def label(self) -> str:
        """Full label on one line."""
        threads = counted(self.threads, "thread")
        return f"{self.engine.label}, {self.model.label}, {threads}"


@dataclass(frozen=True, slots=True, eq=False)
class PreparedRecording:
    """Recording with its samples."""

    info: RecordingInfo
    audio: Audio

    @property
    def label(self) -> str:
        """File name, or path if several recordings of the plan have the same name."""
        return self.info.label


def prepare(
    label: str,
    path: Path | None,
    audio: Audio,
    reference: Reference | None = None,
    audio_track: str | None = None,
    decoder: str = AUTO,
    filters: tuple[str, ...] = (),
) -> PreparedRecording:
    """Describe a recording.

    Args:
        label: its label.
        path: its file; ``None`` for standard input.
        audio: its samples.
        reference: its correct transcript.
        audio_track: the requested track, a number or a language.
        decoder: the requested decoder.
        filters: filters that were applied to the samples, in order.

    Raises:
        AudioError: the file cannot be read again.
    """
    info = RecordingInfo(
        label=label,
        path=portable(path) if path is not None else None,
        file_sha256=_file_hash(path) if path is not None else None,
        samples_sha256=samples_hash(audio.samples),
        n_samples=len(audio.samples),
        duration_s=audio.duration_s,
        warnings=audio.warnings,
        reference=reference,
        audio_track=audio_track,
        decoder=decoder,
        filters=filters,
        decoders=audio.decoders,
    )
    return PreparedRecording(info, audio)


def load_recordings(
    names: Sequence[str],
    references: Sequence[str | Path],
    *,
    audio_track: str | None = None,
    decoder: str = AUTO,
    chains: Sequence[tuple[str, ...]] = ((),),
) -> tuple[PreparedRecording, ...]:
    """Read recordings and their references.

    Args:
        names: paths, or "-" for standard input.
        references: see ``references.find``.
        audio_track: the track to use, a number or a language.
        decoder: the decoder to use.
        chains: filters to apply, in order; each recording comes once with each chain.

    Raises:
        UsageError: standard input is to be read twice, a name is a URL, or a reference, decoder or
            filter cannot be used.
        AudioError: a recording cannot be read.
        SubtitleError: a reference is not in the format of its name.
    """
    from whisperctl import audio
    from whisperctl.audio.source import STDIN
    from whisperctl.compare.references import find

    if names.count(STDIN) * len(chains) > 1:
        once = "one --filter-chain" if len(chains) > 1 else '"-" once'
        raise UsageError(f"standard input can be read only once: give {once}")
    names = list(dict.fromkeys(map(urls.local_path, names)))
    for name in filter(urls.is_url, names):
        raise UsageError(
            f"{quoted(urls.shown(name))} is not a file, which compare needs to name and to repeat "
            "its measurements: download it"
        )
    short = [Path(name).name for name in names]
    labels = [
        "standard input" if name == STDIN else base if short.count(base) == 1 else name
        for name, base in zip(names, short, strict=True)
    ]
    paths = [None if name == STDIN else Path(name) for name in names]
    found = find(references, list(zip(labels, paths, strict=True)))
    prepared = []
    for name, label, path, reference in zip(names, labels, paths, found, strict=True):
        for filters in chains:
            samples = audio.load(name, track=audio_track, decoder=decoder, filters=filters)
            shown = f"{label} [{' '.join(filters) or 'no filters'}]" if len(chains) > 1 else label
            prepared.append(
                prepare(visible(shown), path, samples, reference, audio_track, decoder, filters)
            )
    return tuple(prepared)


def portable(path: Path) -> str:
    """Absolute path, relative to ``~`` if it is in the home directory.

    A published document then does not contain the name of its author, and works for other users.
    """
    absolute = path.absolute()
    try:
        return str("~" / absolute.relative_to(Path.home()))
    except (ValueError, RuntimeError):  # elsewhere, or there is no home directory
        return str(absolute)


def samples_hash(samples: npt.NDArray[np.float32]) -> str:
    """SHA-256 of samples as little-endian float32."""
    return hashlib.sha256(samples.astype("<f4", copy=False).data).hexdigest()


def _file_hash(path: Path) -> str | None:
    if not path.is_file():  # a pipe or a device, which can be read only once
        return None
    try:
        return hex_digest(path, "sha256")
    except OSError as error:
        raise AudioError(f"{quoted(path)} cannot be read: {reason(error)}") from error


@dataclass(frozen=True, slots=True)
class Cell:
    """One recording with one variant, measured ``Plan.repeats`` times."""

    recording: PreparedRecording
    variant: Variant


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to measure.

    ``warm_up`` makes each process transcribe the first window of the recording before the measured
    transcription. ``baseline`` names what variants are compared with, see ``baselines``. ``only``
    lists the cells to measure if they are not the whole cross product.
    """

    recordings: tuple[PreparedRecording, ...]
    variants: tuple[Variant, ...]
    options: DecodeOptions
    repeats: int = 1
    warm_up: bool = True
    baseline: str = ""
    left_out: tuple[LeftOut, ...] = ()
    only: tuple[Cell, ...] = ()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells: recording by recording, each with the variants in order."""
        return self.only or tuple(
            Cell(recording, variant) for recording in self.recordings for variant in self.variants
        )


def decode_options(values: Mapping[str, Any], source: str) -> DecodeOptions:
    """Decoding options from a document or a plan file.

    Args:
        values: values by the names of ``DecodeOptions``.
        source: where they are from, for error messages.

    Raises:
        UsageError: an option is unknown, of a wrong type, or out of range.
    """
    from whisperctl.options import DecodeOptions
    from whisperctl.storage import records

    known = [field.name for field in fields(DecodeOptions)]
    for name in values:
        if name not in known:
            raise UsageError(f"{source} has an {unknown('option', name, known)}")
    try:
        return records.restore(DecodeOptions, dict(values))
    except ValueError as error:
        raise UsageError(f"{source} has an invalid option: {error}") from error


def baseline_name(requested: str | None, variants: Sequence[Variant]) -> str:
    """Name of the requested baseline, else the preferred backend if compared, else the first."""
    if requested is not None:
        return requested
    preferred = registry.ranked()[:1]
    own = [variant.engine for variant in variants if variant.engine.backend in preferred]
    return (own or [variants[0].engine])[0].label


def baselines(name: str, variants: Sequence[Variant]) -> dict[Variant, Variant | None]:
    """Variant that each variant is compared with; ``None`` if it is not in the plan.

    Args:
        name: any of an engine, a model, a quantization and a number of threads, separated by
            commas. The baseline of a variant equals that variant in all that is not named.
        variants: all variants.

    Raises:
        UsageError: a part of the name matches no variant.
    """
    fixed: dict[str, object] = {}
    for part in filter(None, (part.strip() for part in name.split(","))):
        fixed |= _part(part, variants)
    found: dict[Variant, Variant | None] = {}
    for variant in variants:
        wanted = _dimensions(variant) | fixed
        found[variant] = next((other for other in variants if _dimensions(other) == wanted), None)
    return found


def _dimensions(variant: Variant) -> dict[str, object]:
    return {
        "engine": variant.engine,
        "model": variant.model.name,
        "quant": variant.model.quant,
        "threads": variant.threads,
    }


def _part(part: str, variants: Sequence[Variant]) -> dict[str, object]:
    for variant in variants:
        if part in (variant.engine.label, variant.engine.backend):
            return {"engine": variant.engine}
        if part == variant.model.name:
            return {"model": part}
        if part == variant.model.quant:
            return {"quant": part}
        if part == f"{variant.model.name}-{variant.model.quant}":
            return {"model": variant.model.name, "quant": variant.model.quant}
    threads = {variant.threads for variant in variants}
    if (match := _THREADS.fullmatch(part)) and int(match[1]) in threads:
        return {"threads": int(match[1])}
    labels = dict.fromkeys(
        text
        for v in variants
        for text in (v.engine.label, v.model.name, v.model.quant, str(v.threads))
    )
    raise UsageError(unknown("baseline", part, labels))


T = TypeVar("T")


def interleaved(groups: Sequence[Sequence[T]], repeat: int, repeats: int) -> list[T]:
    """Order of the runs in one repeat, see ``interleaved_groups``."""
    return [member for group in interleaved_groups(groups, repeat, repeats) for member in group]


def interleaved_groups(groups: Sequence[Sequence[T]], repeat: int, repeats: int) -> list[list[T]]:
    """Groups of runs in one repeat, in order.

    Groups stay together. Each repeat starts at another group, and at another member of each group,
    so that over all repeats every group and member has been early and late.

    Args:
        groups: members of a group are compared with each other.
        repeat: number of the repeat, from 0.
        repeats: number of repeats.
    """
    return [_rotated(group, repeat, repeats) for group in _rotated(groups, repeat, repeats)]


def _rotated(items: Sequence[T], repeat: int, repeats: int) -> list[T]:
    start = repeat * len(items) // repeats
    return [*items[start:], *items[:start]]
