"""In which order everything is measured, so that a drift of the machine favours none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def interleaved(groups: Sequence[Sequence[T]], repeat: int, repeats: int) -> list[T]:
    """The order of one repeat: groups stay together, and groups and their members take turns.

    Each repeat begins at another place of the list of groups, and at another place of each group,
    so that over all repeats each has been early and late.

    Args:
        groups: what is compared with each other, a group each.
        repeat: which one, from 0.
        repeats: how many there are.
    """
    return [
        one for group in _turned(groups, repeat, repeats) for one in _turned(group, repeat, repeats)
    ]


def _turned(items: Sequence[T], repeat: int, repeats: int) -> list[T]:
    start = repeat * len(items) // repeats
    return [*items[start:], *items[:start]]
