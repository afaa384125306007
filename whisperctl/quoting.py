"""Names of files as messages show them."""

from __future__ import annotations

from os import PathLike, fspath


def quoted(name: str | PathLike[str]) -> str:
    """``name`` in double quotes, on one line whatever characters it holds."""
    text = fspath(name)
    if not text.isprintable():  # a line break or a terminal's control sequence
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return f'"{text}"'
