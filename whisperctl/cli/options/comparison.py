"""The options of ``whisperctl compare`` that say what is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from whisperctl.cli import completion
from whisperctl.cli.options.engine import check_fit
from whisperctl.cli.options.flags import Flags
from whisperctl.cli.support import topics
from whisperctl.errors import UsageError

if TYPE_CHECKING:
    from whisperctl.compare.plan import Variant
    from whisperctl.engine.registry import Unavailable
    from whisperctl.options import DecodeOptions

_MOST_REPEATS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixFlags(Flags):
    """What varies, as typed; each may be repeated, or hold several with commas."""

    backend: Annotated[
        list[str] | None,
        typer.Option(
            "--backend",
            "-b",
            metavar="NAME[/RUNTIME]",
            autocompletion=completion.engines,
            help="Engines to compare, such as native,wasi/wasmtime.",
            show_default="all that work here",
            rich_help_panel=topics.MATRIX,
        ),
    ] = None
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            "--runtime",
            metavar="NAME",
            autocompletion=completion.runtimes,
            help="Of backends that have several runtimes, only these.",
            show_default="all",
            rich_help_panel=topics.MATRIX,
        ),
    ] = None
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH",
            autocompletion=completion.models,
            help="Models to compare with.",
            show_default="base if it is here, else tiny.en",
            rich_help_panel=topics.MATRIX,
        ),
    ] = None
    quant: Annotated[
        list[str] | None,
        typer.Option(
            "--quant",
            metavar="TYPE",
            help="Each model in these quantizations, such as f16,q8_0; what is not here is made.",
            show_default="as the model is",
            rich_help_panel=topics.MATRIX,
        ),
    ] = None
    threads: Annotated[
        list[str] | None,
        typer.Option(
            "--threads",
            "-t",
            metavar="N",
            help="Numbers of threads to compute with, such as 1,2.",
            show_default="one a processor, at most 4",
            rich_help_panel=topics.MATRIX,
        ),
    ] = None
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="NAME",
            help="What ratios and texts are against: an engine, model, quantization or number of "
            'threads, or several with commas, such as "native,f16"; in all else each is compared '
            "with its like.",
            show_default="native, else the first engine",
            rich_help_panel=topics.MATRIX,
        ),
    ] = None

    @property
    def typed(self) -> bool:
        """Whether any of them was given."""
        given = (self.backend, self.runtime, self.model, self.quant, self.threads)
        return any(given) or self.baseline is not None

    def variants(
        self, decoding: DecodeOptions, quantize: Callable[[str, str], Path]
    ) -> tuple[tuple[Variant, ...], list[Unavailable]]:
        """What is to be compared, and which engines are left out.

        Raises:
            UsageError: something is unknown, or an option does not fit a model.
            ModelError: a model is unknown, not here, damaged, or cannot be quantized.
            BackendError: a backend that was asked for is not installed, or nothing works here.
        """
        from whisperctl import resources
        from whisperctl.compare import matrix
        from whisperctl.models.store import Store

        engines, left_out = matrix.choose_engines(
            matrix.split(self.backend or []), matrix.split(self.runtime or [])
        )
        threads = matrix.choose_threads(
            matrix.split(self.threads or [str(resources.default_threads())])
        )
        models = matrix.split(self.model or []) or [Store().default()]
        weights = matrix.choose_weights(models, matrix.split(self.quant or []), quantize)
        for one in weights:
            check_fit(one.path, decoding)
        return matrix.variants(engines, weights, threads), left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringFlags(Flags):
    """How it is measured, as typed."""

    repeat: Annotated[
        int | None,
        typer.Option(
            "--repeat",
            metavar="N",
            help="Measure everything so often, in turns, each time in a process of its own.",
            show_default="1",
            rich_help_panel=topics.MEASURING,
        ),
    ] = None
    warm_up: Annotated[
        bool,
        typer.Option(
            "--warm-up/--no-warm-up",
            help="Transcribe the first 30 seconds before what is measured.",
            rich_help_panel=topics.MEASURING,
        ),
    ] = True
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a comparison that was interrupted.",
            rich_help_panel=topics.MEASURING,
        ),
    ] = False
    earlier: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN.json",
            help="Repeat the comparison that left this document, and say what has changed.",
            rich_help_panel=topics.MEASURING,
        ),
    ] = None

    show: Annotated[
        Path | None,
        typer.Option(
            "--show",
            metavar="RUN.json",
            help="Measure nothing, and show the comparison that left this document.",
            rich_help_panel=topics.MEASURING,
        ),
    ] = None

    def repeats(self) -> int | None:
        """How often, if that was said.

        Raises:
            UsageError: it is out of its range.
        """
        if self.repeat is not None and not 1 <= self.repeat <= _MOST_REPEATS:
            raise UsageError(f"repeat must be from 1 to {_MOST_REPEATS}, not {self.repeat}")
        return self.repeat
