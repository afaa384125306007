"""How long-running work says how far it is."""

from __future__ import annotations

from typing import Protocol


class OnProgress(Protocol):
    """Called as work proceeds; raising in it stops the work, which then leaves nothing behind."""

    def __call__(self, step: str, done_bytes: int, total_bytes: int | None) -> None:
        """Take a report.

        Args:
            step: what is being done, such as ``"downloading tiny.en"``.
            done_bytes: how much of it is done.
            total_bytes: how much there is to do, ``None`` where that is not known.
        """
        ...


def ignore(step: str, done_bytes: int, total_bytes: int | None) -> None:
    """Report to nobody."""
