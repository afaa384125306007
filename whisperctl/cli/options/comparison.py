"""Options of ``whisperctl compare``: what is compared, and how it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.cli.options import Flags
from whisperctl.cli.options.transcription import check_fit
from whisperctl.options import Topic, option

if TYPE_CHECKING:
    from whisperctl.compare.plan import Variant
    from whisperctl.engine.registry import Unavailable
    from whisperctl.options import DecodeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixFlags(Flags):
    """Dimensions of a comparison; each may be repeated, or hold several values with commas."""

    plan: Path | None = option(
        None,
        "Read what to compare, and the decoding options, from this plan file.",
        Topic.MATRIX,
        metavar="FILE.toml",
    )
    backend: list[str] | None = option(
        None,
        "Compare these backends, or engines such as backend/runtime.",
        Topic.MATRIX,
        short="b",
        metavar="NAME[/RUNTIME]",
        default="all that work",
        completes="engines",
    )
    runtime: list[str] | None = option(
        None,
        "Compare only these runtimes of backends that have several.",
        Topic.MATRIX,
        metavar="NAME",
        default="all",
        completes="runtimes",
    )
    model: list[str] | None = option(
        None,
        "Compare these models.",
        Topic.MATRIX,
        short="m",
        metavar="NAME|PATH",
        default="base if it is installed, else tiny.en",
        completes="models",
    )
    quant: list[str] | None = option(
        None,
        "Compare each model in these quantizations, such as f16,q8_0; missing ones are made.",
        Topic.MATRIX,
        metavar="TYPE",
        default="as the model is",
        completes="number_formats",
    )
    threads: list[str] | None = option(
        None,
        "Compare these numbers of threads, such as 1,2.",
        Topic.MATRIX,
        short="t",
        metavar="N",
        default="one per processor, at most 4",
    )
    filter_chains: list[str] | None = option(
        None,
        'Compare each recording with this chain of filters, such as "highpass denoise", or "none"; '
        "may be repeated. Those of --filter come first in every chain.",
        Topic.MATRIX,
        name="filter-chain",
        metavar="CHAIN",
        completes="filters",
    )
    baseline: str | None = option(
        None,
        "Compare with this engine, model, quantization or number of threads, or several of them "
        "separated by commas; all else stays the same.",
        Topic.MATRIX,
        metavar="NAME",
        default="the first engine",
        completes="engines",
    )

    def variants(
        self, decoding: DecodeOptions, quantize: Callable[[str, str], Path]
    ) -> tuple[tuple[Variant, ...], list[Unavailable]]:
        """Return what is to be compared, and the engines that are left out.

        Raises:
            UsageError: something is unknown, or an option does not fit a model.
            ModelError: a model is unknown, not installed, damaged, or cannot be quantized.
            BackendError: a backend that was asked for is not installed, or none works.
        """
        from whisperctl.compare import matrix
        from whisperctl.engine import resources
        from whisperctl.models.store import Store

        engines, left_out = matrix.choose_engines(
            matrix.split(self.backend or []), matrix.split(self.runtime or [])
        )
        threads = matrix.choose_threads(
            matrix.split(self.threads or [str(resources.default_threads())])
        )
        models = matrix.split(self.model or []) or [Store().default()]
        model_files = matrix.choose_models(models, matrix.split(self.quant or []), quantize)
        for one in model_files:
            check_fit(one.path, decoding)
        return matrix.variants(engines, model_files, threads), left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringFlags(Flags):
    """Conditions of the measurement."""

    repeat: int | None = option(
        None,
        "Runs of each cell; runs are interleaved, each in a fresh process.",
        Topic.MEASURING,
        metavar="N",
        default="1",
        minimum=1,
        maximum=1000,
    )
    warm_up: bool = option(
        True,
        "Transcribe the first 30 seconds before the measured run.",
        Topic.MEASURING,
        negatable=True,
    )
    resume: bool = option(False, "Continue an interrupted comparison.", Topic.MEASURING)
    executor: str | None = option(
        None,
        "Measure on the workers of this executor, all of one kind, such as those of a cluster: "
        "dask, dask://host:8786. Ratios are within one worker.",
        Topic.MEASURING,
        metavar="NAME[:ADDRESS]",
        default="this machine",
        completes="executors",
    )
    earlier: Path | None = option(
        None,
        "Repeat the comparison in this JSON document, and show what has changed.",
        Topic.MEASURING,
        name="from",
        metavar="RUN.json",
    )
    show: Path | None = option(
        None,
        "Show the comparison in this JSON document, without measuring.",
        Topic.MEASURING,
        metavar="RUN.json",
    )
