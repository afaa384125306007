"""Addresses of clusters, as they follow ``dask:`` on the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from whisperctl.errors import UsageError
from whisperctl.text import quoted

_OPTIONS = "threads, priority, wait, or the name of a resource of Dask's"
_MOST_THREADS = 1024


@dataclass(frozen=True, slots=True)
class Address:
    """A cluster, and how its workers are used.

    Without ``scheduler`` (a URL) and ``file`` (a scheduler file) a cluster is started on this
    machine. ``threads`` is for each recording; ``None``: as many as its worker has. ``wait_s`` is
    how long to wait for a first worker.
    """

    scheduler: str = ""
    file: Path | None = None
    threads: int | None = None
    priority: int = 0
    wait_s: float = 60.0
    resources: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Its name in messages."""
        return self.scheduler or (quoted(self.file) if self.file is not None else "this machine")


def parse(text: str, *, encrypted: bool = False) -> Address:
    """Parse what follows ``dask:``, which may be empty.

    Args:
        text: the address.
        encrypted: use TLS, as Dask's own configuration asks for.

    Raises:
        UsageError: it is no address.
    """
    place, _, query = text.partition("?")
    options = _options(query)
    if not place:
        return Address(**options)
    if not place.startswith("//"):
        return Address(file=Path(unquote(place)), **options)
    try:
        parts = urlsplit(place)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or not port or parts.path or parts.username is not None:
        raise UsageError(f'"dask:{text}" is not the address of a scheduler: write dask://HOST:PORT')
    shown = f"[{host}]" if ":" in host else host
    return Address(f"{'tls' if encrypted else 'tcp'}://{shown}:{port}", **options)


def _options(query: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    resources: dict[str, float] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        try:
            match name:
                case "threads":
                    found[name] = _within(int(value), 1, _MOST_THREADS)
                case "priority":
                    found[name] = _within(int(value), -(10**6), 10**6)
                case "wait":
                    found["wait_s"] = _within(float(value), 0, 1e7)
                case _:
                    resources[name] = _within(float(value), 0, 1e9)
        except ValueError as error:
            raise UsageError(
                f'"{name}={value}" is not an option of a cluster: write a number for {_OPTIONS}'
            ) from error
    return {**found, "resources": resources}


def _within(value: float, least: float, most: float) -> float:
    if not least <= value <= most:
        raise ValueError("out of range")
    return value
