"""What was really said in recordings, to measure errors against."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from whisperctl.compare.references import files, lookup
from whisperctl.compare.references.files import Reference
from whisperctl.errors import UsageError
from whisperctl.text import quoted

__all__ = ["Reference", "find"]


def find(
    given: Sequence[Path | str], recordings: Sequence[tuple[str, Path | None]]
) -> tuple[Reference | None, ...]:
    """The reference of each recording.

    Args:
        given: files in the order of the recordings; or folders and manifests, as
            ``reference_sources`` describes them, of which the first that knows a recording counts.
        recordings: each one's label, and its file, ``None`` for standard input.

    Returns:
        As many as there are recordings; ``None`` for one that no folder or manifest knows, and for
        all if nothing is given.

    Raises:
        UsageError: a file is missing, is no text or holds no words; there are not as many files as
            recordings; no recording at all has a reference.
        SubtitleError: a file is not in the format that its name says.
    """
    if not given:
        return (None,) * len(recordings)
    if "" in given:  # as of a variable that is not set; a path of it would be this folder
        raise UsageError("a reference has an empty name: name a file, a folder or a manifest")
    paths = [Path(path) for path in given]
    sources = [lookup.opened(path) for path in paths]
    lookups = [source for source in sources if source is not None]
    if not lookups:
        # Read first: a folder that is not there is no matter of numbers.
        read = tuple(files.read(path) for path in paths)
        if len(paths) != len(recordings):
            raise UsageError(
                f"{_counted(len(paths), 'reference')} for "
                f"{_counted(len(recordings), 'recording')}: name as many references, or a folder "
                "or manifest of them"
            )
        return read
    if len(lookups) != len(paths):
        single = next(p for p, source in zip(paths, sources, strict=True) if source is None)
        raise UsageError(
            f"{quoted(single)} is one reference and the others are folders or manifests: name "
            "either a file for each recording, or folders and manifests"
        )
    found = tuple(_first(lookups, label, path) for label, path in recordings)
    if not any(found):
        reasons = "; ".join(source.contents for source in lookups)
        raise UsageError(f"no recording has a reference: {reasons}")
    return found


def _first(
    sources: Sequence[lookup.ReferenceSource], label: str, path: Path | None
) -> Reference | None:
    for source in sources:
        if (reference := source.find(label, path)) is not None:
            return reference
    return None


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
