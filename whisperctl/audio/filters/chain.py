"""Filters at work, one after the other; the host's side of the contract of filters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Self, TypeVar

from whisperctl.audio.filters import AudioFormat, Processor, registry
from whisperctl.audio.filters.registry import FilterSpec
from whisperctl.errors import PluginError, UsageError, WhisperctlError

if TYPE_CHECKING:
    from whisperctl.audio.filters import Block

T = TypeVar("T")

_LONGEST_LATENCY_S = 60


class FilterChain:
    """A chain of filters for one recording; a context manager that closes them.

    Every filter's promise is checked: a plugin that breaks it is one clear error. What comes out
    is as long as what went in, sample by sample at the same time.
    """

    def __init__(self, filters: Iterable[FilterSpec], audio: AudioFormat) -> None:
        """Open the filters.

        Raises:
            UsageError: a filter refuses its values.
            PluginError: a filter cannot be loaded or opened.
        """
        self._steps: list[_Step] = []
        try:
            for spec in filters:
                self._steps.append(_Step(spec, audio))
        except BaseException:
            self.close()
            raise

    @property
    def audible_s(self) -> tuple[float, float]:
        """Stretch of the recording, in seconds, outside of which there is silence."""
        return (
            max((step.audible_s[0] for step in self._steps), default=0.0),
            min((step.audible_s[1] for step in self._steps), default=math.inf),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def process(self, block: Block) -> Iterator[Block]:
        """Filter a block of any length: float32, shape (n_samples, n_channels).

        Raises:
            PluginError: a filter fails or breaks its promise.
        """
        yield from self._through(block, 0)

    def flush(self) -> Iterator[Block]:
        """Return the samples held back at the end of the recording.

        Raises:
            PluginError: as for ``process``.
        """
        for n, step in enumerate(self._steps, 1):
            for block in step.finish():
                yield from self._through(block, n)

    def close(self) -> None:
        """Close all filters; may be called more than once."""
        for step in self._steps:
            step.close()

    def _through(self, block: Block, n: int) -> Iterator[Block]:
        if n == len(self._steps):
            if len(block):
                yield block
            return
        for filtered in self._steps[n].feed(block):
            yield from self._through(filtered, n + 1)


class _Step:
    """One filter of a chain, its output checked and its latency compensated."""

    def __init__(self, spec: FilterSpec, audio: AudioFormat) -> None:
        self._name = spec.name
        self._audio = audio
        self._processor: Processor = self._guarded(
            lambda: spec.plugin.open(audio, dict(spec.values))
        )
        self._n_in = 0
        self._n_out = 0
        latency = self._guarded(lambda: self._processor.latency)
        if type(latency) is not int or not (
            0 <= latency <= _LONGEST_LATENCY_S * audio.sample_rate_hz
        ):
            self.close()
            raise self._broken(f"states a latency of {latency!r:.40} samples")
        self._latency = self._to_drop = latency
        self.audible_s = self._guarded(lambda: tuple(map(float, self._processor.audible_s)))

    def feed(self, block: Block) -> Iterator[Block]:
        """Filter a block of any length."""
        for start in range(0, len(block), self._audio.block_samples):
            part = block[start : start + self._audio.block_samples]
            self._n_in += len(part)
            yield from self._processed(part)

    def finish(self) -> Iterator[Block]:
        """Return what the filter held back, and check the length of it all."""
        import numpy as np

        for start in range(0, self._latency, self._audio.block_samples):
            n = min(self._audio.block_samples, self._latency - start)
            yield from self._processed(np.zeros((n, self._audio.n_channels), np.float32))
        yield from self._taken(self._guarded(self._processor.flush))
        if self._n_out != self._n_in:
            raise self._broken(f"gave {self._n_out} samples for {self._n_in}")

    def close(self) -> None:
        """Close the filter, whatever comes of it."""
        with suppress(Exception):
            self._processor.close()

    def _processed(self, block: Block) -> Iterator[Block]:
        import numpy as np

        block = np.ascontiguousarray(block).view()
        block.flags.writeable = False
        yield from self._taken(self._guarded(partial(self._processor.process, block)))

    def _taken(self, block: object) -> Iterator[Block]:
        """The filter's output, without the samples by which it lags."""
        import numpy as np

        if block is None:
            return
        if not isinstance(block, np.ndarray) or block.dtype != np.float32 or block.ndim != 2:
            raise self._broken("gave something else than float32 samples by channels")
        if block.shape[1] != self._audio.n_channels:
            raise self._broken(f"gave {block.shape[1]} channels for {self._audio.n_channels}")
        if not np.isfinite(block).all():
            raise PluginError(
                f'filter "{self._name}" gave samples that are not finite numbers: change its '
                "parameters, or leave it out"
            )
        n_dropped = min(self._to_drop, len(block))
        self._to_drop -= n_dropped
        self._n_out += len(block) - n_dropped
        if self._n_out > self._n_in:
            raise self._broken(f"gave {self._n_out} samples for {self._n_in}")
        if n_dropped < len(block):
            yield block[n_dropped:]

    def _guarded(self, call: Callable[[], T]) -> T:
        return guarded(self._name, call)

    def _broken(self, what: str) -> PluginError:
        return PluginError(
            f'filter "{self._name}" is broken: it {what}; leave it out, and report it to its author'
        )


def guarded(name: str, call: Callable[[], T]) -> T:
    """Call a filter by way of ``call``; any error of its own becomes one line.

    Raises:
        PluginError: the filter failed.
    """
    try:
        return call()
    except (WhisperctlError, MemoryError):
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(f'filter "{name}" failed: {type(error).__name__}: {error}') from error


def check(texts: Sequence[str]) -> tuple[float, float]:
    """Check a chain of filters before a run.

    Returns:
        The stretch of a recording, in seconds, that the filters do not silence.

    Raises:
        UsageError: a filter or a value is invalid, or the filters leave nothing.
        PluginError: a filter cannot be loaded or opened.
    """
    with FilterChain(registry.parse_all(texts), AudioFormat()) as chain:
        start_s, end_s = chain.audible_s
    if not start_s < end_s:
        raise UsageError(f"filters {', '.join(texts)} leave nothing of a recording: leave one out")
    return start_s, end_s
