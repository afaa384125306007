"""Costs of a thousand hours of audio, from measured times, and a soak test of the Dask executor."""

from __future__ import annotations

import re
from collections.abc import Iterator

_HOURS = 1000
_THREADS = 2
_REAL_TIME = 6
"""Place of the column in a row."""

_TABLE = re.compile(
    r"### (?P<recording>\S+) \((?P<length>[\d.]+) s\), (?P<model>\S+), (?P<threads>\d+) threads?\n"
    r"(?P<rows>(?:\n?\|.*\n)+)"
)


def costs(page: str) -> Iterator[str]:
    """Lines of a table of machine hours, from the tables of docs/performance.md.

    Of each model the longest recording counts.

    Raises:
        ValueError: the page has no such tables.
    """
    longest: dict[str, re.Match[str]] = {}
    for table in _TABLE.finditer(page):
        if int(table["threads"]) != _THREADS:
            continue
        other = longest.get(table["model"])
        if other is None or float(other["length"]) < float(table["length"]):
            longest[table["model"]] = table
    if not longest:
        raise ValueError("the page has no tables of measured times")
    yield f"| model | measured on | format | engine | machine hours for {_HOURS:,} hours |".replace(
        ",", " "
    )
    yield "|---|---|---|---|---:|"
    for model, table in longest.items():
        _, _, *rows = table["rows"].strip().splitlines()
        measured = f"{table['recording']} ({table['length']} s)"
        for row in rows:
            fields = [field.strip() for field in row.strip("|").split("|")]
            hours = float(fields[_REAL_TIME]) * _HOURS
            yield f"| {model} | {measured} | {fields[0]} | {fields[1]} | {hours:.0f} |"
