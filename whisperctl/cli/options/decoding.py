"""The options that every command which decodes speech takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import typer

from whisperctl.cli import completion
from whisperctl.cli.options.flags import Flags
from whisperctl.cli.support import topics
from whisperctl.errors import UsageError
from whisperctl.options import DecodeOptions, Task
from whisperctl.text import quoted

_DEFAULT = DecodeOptions()
_PROMPT_BYTES = 1 << 20
"""More than this is no prompt: a model looks at its last 224 tokens only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingFlags(Flags):
    """The options as they were typed."""

    language: Annotated[
        str,
        typer.Option(
            "--language",
            "-l",
            metavar="LANGUAGE",
            autocompletion=completion.languages,
            help='Spoken language, such as de, German or pt-BR; or "auto" to detect it.',
            rich_help_panel=topics.SPEECH,
        ),
    ] = _DEFAULT.language
    task: Annotated[
        Task,
        typer.Option(
            "--task",
            metavar="transcribe|translate",
            help="Write what is said, or translate it into English.",
            rich_help_panel=topics.SPEECH,
        ),
    ] = _DEFAULT.task
    initial_prompt: Annotated[
        str,
        typer.Option(
            "--initial-prompt",
            metavar="TEXT",
            help="Text to set names and style by, as if it had been said before.",
            show_default=False,
            rich_help_panel=topics.SPEECH,
        ),
    ] = _DEFAULT.initial_prompt
    initial_prompt_file: Annotated[
        Path | None,
        typer.Option(
            "--initial-prompt-file",
            metavar="FILE",
            help="The same from a text file.",
            rich_help_panel=topics.SPEECH,
        ),
    ] = None
    carry_initial_prompt: Annotated[
        bool,
        typer.Option(
            "--carry-initial-prompt/--no-carry-initial-prompt",
            help="Give the prompt to every window of 30 seconds, not to the first alone.",
            show_default=False,
            rich_help_panel=topics.SPEECH,
        ),
    ] = _DEFAULT.carry_initial_prompt
    beam_size: Annotated[
        int,
        typer.Option(
            "--beam-size",
            metavar="N",
            help="Beams to search with, 1 to 8; 1 is greedy decoding.",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.beam_size
    best_of: Annotated[
        int,
        typer.Option(
            "--best-of",
            metavar="N",
            help="Candidates drawn when the temperature is above 0, 1 to 8.",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.best_of
    temperature: Annotated[
        float,
        typer.Option(
            "--temperature",
            metavar="T",
            help="Temperature to begin with, 0 to 1.",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.temperature
    temperature_increment: Annotated[
        float,
        typer.Option(
            "--temperature-increment-on-fallback",
            metavar="T",
            help="What the temperature rises by when decoding fails; 0 never tries again.",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.temperature_increment
    entropy_threshold: Annotated[
        float,
        typer.Option(
            "--entropy-threshold",
            metavar="X",
            help="Decoding of a window failed when the entropy of its last 32 tokens is below: "
            "few different ones are a loop. This is whisper.cpp's test.",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.entropy_threshold
    logprob_threshold: Annotated[
        float,
        typer.Option(
            "--logprob-threshold",
            metavar="X",
            help="Decoding of a window failed when its mean log probability is below.",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.logprob_threshold
    no_speech_threshold: Annotated[
        float,
        typer.Option(
            "--no-speech-threshold",
            metavar="P",
            help="A failed window is silence when the model's no-speech probability is above.",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.no_speech_threshold
    condition_on_previous_text: Annotated[
        bool,
        typer.Option(
            "--condition-on-previous-text/--no-condition-on-previous-text",
            help="Decode each window in the light of the text before.",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.condition_on_previous_text
    max_context: Annotated[
        int | None,
        typer.Option(
            "--max-context",
            metavar="N",
            help="Tokens of earlier text to decode by.",
            show_default="as many as the model takes",
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.max_context
    suppress_nst: Annotated[
        bool,
        typer.Option(
            "--suppress-nst/--no-suppress-nst",
            help="Never write what is no speech, such as brackets and notes.",
            show_default=False,
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.suppress_nst
    suppress_regex: Annotated[
        str,
        typer.Option(
            "--suppress-regex",
            metavar="REGEX",
            help="Never write tokens whose whole text matches (ECMAScript's syntax).",
            show_default=False,
            rich_help_panel=topics.DECODING,
        ),
    ] = _DEFAULT.suppress_regex

    def options(self, *, word_timestamps: bool = False) -> DecodeOptions:
        """What is said about decoding, checked as far as that goes without a model.

        Raises:
            UsageError: an option is out of its range, or the prompt's file cannot be read.
        """
        options: dict[str, object] = {}
        for field in fields(DecodeOptions):
            if field.name == "word_timestamps":
                continue
            value = getattr(self, field.name)
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(f"{field.name.replace('_', ' ')} must be a number, not {value}")
            options[field.name] = value
        if self.initial_prompt_file is not None:
            if self.initial_prompt:
                raise UsageError("give --initial-prompt or --initial-prompt-file, not both")
            options["initial_prompt"] = _read_prompt(self.initial_prompt_file)
        if "\0" in str(options["initial_prompt"]) + self.suppress_regex:
            raise UsageError("a prompt or regular expression cannot hold a null character")
        return DecodeOptions(**options, word_timestamps=word_timestamps)  # type: ignore[arg-type]  # typer saw to it


def _read_prompt(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_PROMPT_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{quoted(path)} cannot be read as a prompt: {error.strerror or error}"
        ) from error
    if len(data) > _PROMPT_BYTES:
        raise UsageError(f"{quoted(path)} is too long for a prompt: keep it to some 200 words")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"{quoted(path)} is no text in UTF-8: save it so, or mend it") from error
