"""Filters between the decoder and the model, and the contract that filter plugins keep.

A filter is a class named by an entry point in the group ``whisperctl.filters``::

    [project.entry-points."whisperctl.filters"]
    gain = "whisperctl_acme:Gain"

It is called without arguments to give a ``Filter``, which opens a ``Processor`` for each recording.
A kind of file that holds a filter, such as a WebAssembly module, is an entry point in the group
``whisperctl.filter_files``, named as such files end, for a class of ``FilterFiles``.
``docs/filters.md`` takes an author to a working plugin, and ``whisperctl.testing`` tests one.

``conversion`` makes mono at 16 kHz of decoded audio; what a person asks for comes after it, and
clipping last. ``registry`` reads ``NAME:key=value``, ``chain`` runs filters, and ``builtin`` has
those that come with whisperctl.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Block: TypeAlias = NDArray[np.float32]

CONTRACT = 1
"""Number of the contract on this page, which a plugin states as ``contract``."""

GROUP = "whisperctl.filters"
FILES_GROUP = "whisperctl.filter_files"

Value: TypeAlias = bool | int | float | str
Type: TypeAlias = Literal["float", "int", "bool", "str"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """Declaration of a parameter.

    ``default`` ``None`` means that the filter gets ``None`` unless a value is given. Numbers are
    finite and between ``low`` and ``high``, both included, in ``unit``. A text is one of
    ``choices``, if there are any.
    """

    name: str
    type: Type
    default: Value | None = None
    low: float = -math.inf
    high: float = math.inf
    unit: str = ""
    help: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True, slots=True)
class FilterInfo:
    """Description of a filter.

    ``version`` changes whenever the filter's output changes for the same input and parameters:
    interrupted runs are then started again instead of resumed.
    """

    summary: str
    version: str
    parameters: tuple[Parameter, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """Format of the blocks that a processor gets; none has more than ``block_samples`` samples."""

    sample_rate_hz: int = 16_000
    n_channels: int = 1
    block_samples: int = 16_384


class Filter(Protocol):
    """A filter plugin."""

    @property
    def name(self) -> str:
        """Name of the entry point."""
        ...

    @property
    def contract(self) -> int:
        """Number of the contract that the plugin was written for: ``CONTRACT`` at that time."""
        ...

    def describe(self) -> FilterInfo:
        """Describe the filter, quickly and without starting anything."""
        ...

    def open(self, audio: AudioFormat, values: Mapping[str, Any]) -> Processor:
        """Prepare to filter one recording.

        Also called before a run, to check ``values``, and closed again at once.

        Args:
            audio: format of the blocks to come. There is one channel, unless channels are
                transcribed separately to tell speakers apart.
            values: the value of each declared parameter, within its declared range.

        Raises:
            UsageError: values that are valid by themselves contradict each other.
        """
        ...


class FilterFiles(Protocol):
    """A plugin that makes filters of files of one kind."""

    @property
    def name(self) -> str:
        """Name of the entry point: what the files end in, in lower case, such as ``wasm``."""
        ...

    @property
    def contract(self) -> int:
        """Number of the contract that the plugin was written for: ``CONTRACT`` at that time."""
        ...

    def load(self, path: str) -> Filter:
        """Read a filter from a file, without running any of it.

        The filter's ``name`` is ``path``, and its ``version`` changes with the file's contents.

        Raises:
            UsageError: the file cannot be read.
            PluginError: it does not hold a filter.
        """
        ...


class Processor(ABC):
    """A filter at work on one recording; nothing is shared with other processors.

    A block is float32, shape (n_samples, n_channels), C-contiguous and read-only, of nominally
    [-1, 1]: values beyond that are clipped after the last filter, not before. Blocks have any
    length from 1 sample to ``AudioFormat.block_samples``, and the output does not depend on where
    they are cut.

    Over a whole recording, as many samples come out as went in: times never shift. A filter that
    removes audio puts silence in its place.
    """

    latency: int = 0
    """Number of samples by which the output lags behind the input. The host drops this many from
    the start of the output, and feeds as many samples of silence at the end, before ``flush``."""

    audible_s: tuple[float, float] = (0.0, math.inf)
    """Stretch of the recording, in seconds, outside of which the output is silence whatever the
    input is. A transcription skips the rest."""

    @abstractmethod
    def process(self, block: Block) -> Block:
        """Filter a block.

        Returns:
            Samples that are ready, in the format of ``block`` and all finite: any number of them,
            as some may be held back.
        """

    def flush(self) -> Block | None:
        """Return the samples held back at the end of the recording; ``None`` if there are none."""
        return None

    def close(self) -> None:  # noqa: B027 - most filters have nothing to release
        """Release resources; safe to call again, and called even if the run failed."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of ``Processor.process`` for one block, each of which can be called by itself, often.

    ``call`` enters the engine and returns, without work; ``copies`` takes a block in and out;
    ``work`` enters the engine and does the work.
    """

    call: Callable[[], object]
    copies: Callable[[], object]
    work: Callable[[], object]


@runtime_checkable
class Measurable(Protocol):
    """What a filter may have besides, for ``whisperctl filters bench`` and ``stress``."""

    @property
    def technology(self) -> str:
        """What runs the filter, such as ``WebAssembly``."""
        ...

    def in_python(
        self, audio: AudioFormat, values: Mapping[str, Any]
    ) -> tuple[str, Processor] | None:
        """Open the same filter in Python, named for its library; ``None`` if there is none."""
        ...

    def parts(self, processor: Processor, block: Block) -> Parts:
        """Take a call of a processor, which ``open`` gave, into its parts."""
        ...

    def starts(
        self, audio: AudioFormat, values: Mapping[str, Any]
    ) -> Mapping[str, Callable[[], object]]:
        """Ways to start, by name, each of which can be called often and leaves nothing open."""
        ...
