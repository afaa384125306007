"""What was really said in a recording, to measure errors against."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Reference:
    """A recording's reference text, its file, and the SHA-256 of that file's bytes."""

    text: str
    path: Path
    sha256: str
