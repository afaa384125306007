"""The options that every command which decodes speech takes, defined once."""

from __future__ import annotations

import functools
import inspect
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, get_type_hints

import typer

from whisperctl.decoding import DecodeOptions, Task
from whisperctl.errors import ModelError, UsageError

_DEFAULT = DecodeOptions()
_MODELS = ("base", "tiny.en")
"""What is used when no model is named, the first of them that is here."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run needs to know, checked."""

    model: Path
    threads: int
    decoding: DecodeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingFlags:
    """The options as they were typed."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME|PATH",
            help="Model to use.",
            show_default="base if it is here, else tiny.en",
        ),
    ] = None
    language: Annotated[
        str,
        typer.Option("--language", "-l", help='Spoken language, such as de or German; or "auto".'),
    ] = _DEFAULT.language
    task: Annotated[
        Task, typer.Option("--task", help="Write what is said, or translate it into English.")
    ] = _DEFAULT.task
    threads: Annotated[
        int | None,
        typer.Option(
            "--threads",
            "-t",
            help="Threads to compute with.",
            show_default="one a processor, at most 4",
        ),
    ] = None
    beam_size: Annotated[
        int, typer.Option("--beam-size", help="Beams to search with; 1 is greedy decoding.")
    ] = _DEFAULT.beam_size
    best_of: Annotated[
        int, typer.Option("--best-of", help="Candidates drawn when the temperature is above 0.")
    ] = _DEFAULT.best_of
    temperature: Annotated[
        float, typer.Option("--temperature", help="Temperature to begin with, 0 to 1.")
    ] = _DEFAULT.temperature
    temperature_increment: Annotated[
        float,
        typer.Option(
            "--temperature-increment-on-fallback",
            help="What the temperature rises by when decoding fails; 0 never tries again.",
        ),
    ] = _DEFAULT.temperature_increment
    entropy_threshold: Annotated[
        float,
        typer.Option("--entropy-threshold", help="Decoding failed when entropy is below."),
    ] = _DEFAULT.entropy_threshold
    logprob_threshold: Annotated[
        float,
        typer.Option("--logprob-threshold", help="Decoding failed when log probability is below."),
    ] = _DEFAULT.logprob_threshold
    no_speech_threshold: Annotated[
        float,
        typer.Option("--no-speech-threshold", help="Silence when no-speech probability is above."),
    ] = _DEFAULT.no_speech_threshold
    initial_prompt: Annotated[
        str, typer.Option("--initial-prompt", help="Text to set names and style by.")
    ] = _DEFAULT.initial_prompt
    condition_on_previous_text: Annotated[
        bool,
        typer.Option(
            "--condition-on-previous-text/--no-condition-on-previous-text",
            help="Decode each window in the light of the text before.",
        ),
    ] = _DEFAULT.condition_on_previous_text
    max_context: Annotated[
        int | None,
        typer.Option(
            "--max-context",
            help="Tokens of earlier text to decode by.",
            show_default="as many as the model takes",
        ),
    ] = _DEFAULT.max_context

    def resolve(self) -> Settings:
        """Check every option, find the model, and check that the options fit it.

        Raises:
            UsageError: an option is out of its range or does not fit the model.
            ModelError: the model is unknown, not here, or damaged.
        """
        from whisperctl import languages
        from whisperctl.models import ggml, store

        options = {}
        for field in fields(DecodeOptions):
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{field.name.replace('_', ' ')} must be a number, not {value}")
            options[field.name] = value
        decoding = DecodeOptions(**options)
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"threads must be at least 1, not {self.threads}")
        model = store.resolve(_default_model() if self.model is None else self.model)
        info = ggml.inspect(model)
        languages.resolve(
            decoding.language, info.multilingual, decoding.task, cantonese=info.n_languages > 99
        )
        threads = min(4, _processors()) if self.threads is None else self.threads
        return Settings(model, threads, decoding)


def with_decoding(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of ``DecodingFlags``, which it gets as its argument ``flags``."""
    hints = get_type_hints(DecodingFlags, include_extras=True)
    shared = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=field.default,
            annotation=hints[field.name],
        )
        for field in fields(DecodingFlags)
    ]
    own = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(command, eval_str=True).parameters.values()
        if parameter.name != "flags"
    ]

    @functools.wraps(command)
    def with_flags(**values: object) -> None:
        taken = {parameter.name: values.pop(parameter.name) for parameter in shared}
        command(flags=DecodingFlags(**taken), **values)  # type: ignore[arg-type]  # typer saw to it

    # typer reads the options off the signature.
    with_flags.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]
    return with_flags


def _default_model() -> str:
    from whisperctl.models.store import Store

    here = Store().installed()
    for name in _MODELS:
        if name in here:
            return name
    if len(here) == 1:
        return here[0]
    if here:
        raise ModelError(f"which model? name one with --model; here are {', '.join(here)}")
    raise ModelError(f'no model is here yet: run "whisperctl models pull {_MODELS[0]}" first')


def _processors() -> int:
    # What this process may use, which in a container or under taskset is less than there is.
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
