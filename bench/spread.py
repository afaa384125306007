"""The middle of repeated measurements, and how far they are apart."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Spread:
    """A median and the distance between the quartiles, in the unit of what was measured.

    ``iqr`` is ``None`` for a single measurement, of which nothing is known.
    """

    median: float
    iqr: float | None


def spread(values: Sequence[float]) -> Spread:
    """The spread of at least one value; quartiles lie between values as medians do.

    The method is that of ``statistics.quantiles(method="inclusive")``, the same as numpy's and R's
    default: the smallest and the largest value are taken as the ends of what can happen.
    """
    if len(values) < 2:
        return Spread(float(values[0]), None)
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(statistics.median(values), third - first)


def ratio(value: float | None, reference: float | None) -> float | None:
    """``value / reference``; ``None`` when one is not known, or the reference is nothing."""
    return value / reference if value is not None and reference else None
