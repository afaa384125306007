"""The workers of a cluster: which of them are used, and why others are not."""

from __future__ import annotations

import time
from collections import Counter

from whisperctl.errors import PluginError
from whisperctl.jobs.executors import Kind
from whisperctl.text import counted, on_one_line
from whisperctl_dask import messages
from whisperctl_dask.address import Address
from whisperctl_dask.messages import Description, InvalidAnswerError

_MOST_INVALID = 3
"""Number of invalid answers in a row after which a worker is not used."""

_STOP_S = 10.0
"""Time in which a worker stops what was cancelled. It takes less than a second."""


class Crew:
    """The workers that the cluster has now, each known by its address.

    ``threads`` is the number that runs to measure need, ``None`` where nothing is measured.
    """

    def __init__(self, address: Address, threads: int | None) -> None:
        self._address = address
        self._threads = threads
        self._names: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._invalid: Counter[str] = Counter()
        self._stopping: dict[int, tuple[str, float]] = {}
        self._described: dict[str, Description] = {}
        self._key = ""
        self._alone_s = time.monotonic()

    def __contains__(self, place: str) -> bool:
        return place in self._names

    def name(self, place: str) -> str:
        """Name of a worker, or its address if it is gone."""
        return self._names.get(place, place)

    def ready(self) -> list[str]:
        """Addresses of the workers that get tasks, without those that still stop one."""
        stopping = {place for place, _ in self._stopping.values()}
        return [place for place in self._usable() if place not in stopping]

    def kind(self) -> Kind | None:
        """The kind of most workers when it was first asked for, which alone is used from then on.

        Returns:
            The kind, and notes on the workers of others; ``None`` as long as there is no worker.
        """
        kinds: dict[str, list[str]] = {}
        for place in self._names.keys() - self._refused.keys():
            kinds.setdefault(self._described[place].key, []).append(place)
        if not kinds:
            return None
        if not self._key:
            self._key = max(kinds, key=lambda key: len(kinds[key]))
        own = kinds.get(self._key) or next(iter(kinds.values()))
        others = [
            f"{self._names[place]} ({self._described[place].machine.cpu}, "
            f"{counted(self._described[place].threads, 'thread')})"
            for key, places in kinds.items()
            if key != self._key
            for place in places
        ]
        notes = [f"of another kind and not used: {', '.join(others)}"] if others else []
        notes += [f"worker {name} is not used: {why}" for name, why in self._left_out()]
        first = self._described[own[0]]
        return Kind(self._key, first.machine, first.threads, "; ".join(notes))

    def take(self, names: dict[str, str], described: dict[str, object]) -> None:
        """Take the workers that there are now.

        Args:
            names: names by address.
            described: answers of those that are new, not validated.
        """
        if self._threads is not None:
            self._describe(names, described, self._threads)
        had_some = bool(self._usable())
        self._names = names
        self._stopping = {
            number: stopping for number, stopping in self._stopping.items() if stopping[0] in names
        }
        if had_some and not self._usable():
            self._alone_s = time.monotonic()

    def check(self) -> None:
        """Wait for a worker that can be used, if there is none.

        Raises:
            PluginError: all are refused, or none has come for long.
        """
        if self._usable():
            return
        refused = [f"{name}: {why}" for name, why in self._left_out()]
        if refused:
            raise PluginError(
                f"no worker of the cluster can be used ({'; '.join(refused)}): install the same "
                "versions there as here"
            )
        if time.monotonic() - self._alone_s > self._address.wait_s:
            kind = " with these resources" if self._address.resources else ""
            kind += " of the kind that measures" if self._key else ""
            raise PluginError(
                f"the cluster at {self._address.label} has had no worker{kind} for "
                f'{self._address.wait_s:g} s: start one with "dask worker", or wait longer with '
                "?wait=SECONDS after the address"
            )

    def refuse(self, place: str, why: str) -> None:
        """Use a worker no longer."""
        self._refused[place] = on_one_line(why)

    def trust(self, place: str) -> None:
        """Note a valid answer."""
        self._invalid.pop(place, None)

    def distrust(self, place: str) -> bool:
        """Note an invalid answer; true if it is one too many in a row."""
        self._invalid[place] += 1
        return self._invalid[place] >= _MOST_INVALID

    def stop(self, number: int, place: str) -> None:
        """Note that a worker has to stop an order; it gets no other before it has."""
        if place in self._names:
            self._stopping[number] = place, time.monotonic()

    def stopped(self, number: int, place: str) -> bool:
        """Note that an order is over; true if that worker had to stop it."""
        stopping = self._stopping.get(number)
        if stopping is None or stopping[0] != place:
            return False
        del self._stopping[number]
        return True

    def take_late(self) -> list[str]:
        """Addresses of the workers that did not stop an order in time, each given once."""
        late = [
            (number, place)
            for number, (place, since_s) in self._stopping.items()
            if time.monotonic() - since_s > _STOP_S
        ]
        for number, _ in late:
            del self._stopping[number]
        places = dict.fromkeys(place for _, place in late)
        return [place for place in places if place not in self._refused]

    def _usable(self) -> list[str]:
        """Addresses of workers that are not refused, and of the kind."""
        return [
            place
            for place in self._names
            if place not in self._refused
            and (not self._key or self._described[place].key == self._key)
        ]

    def _left_out(self) -> list[tuple[str, str]]:
        """Names of refused workers, and why."""
        return [
            (self._names[place], why)
            for place, why in self._refused.items()
            if place in self._names
        ]

    def _describe(self, names: dict[str, str], described: dict[str, object], threads: int) -> None:
        """Take descriptions of new workers, and refuse those that cannot measure."""
        for place in names:
            if place in self._described or place in self._refused:
                continue
            try:
                found = messages.description(described.get(place))
            except InvalidAnswerError as error:
                self._refused[place] = on_one_line(f"it cannot describe itself: {error}")
                continue
            self._described[place] = found
            if found.refused:
                self._refused[place] = found.refused
            elif found.threads < threads:
                self._refused[place] = (
                    f"it has {counted(found.threads, 'thread')}, and {threads} are compared: "
                    "give --threads"
                )
