"""Spellings of OpenAI's ``whisper`` and of ``whisper-cli``, translated to ours before parsing.

Options of ``whisper-ctranslate2`` and ``whisperx``, which have OpenAI's and more, are known too.

Only for ``transcribe``. Options declare how the other tools spell them; here are conversions of
their values, and the spellings that are more than another name. Underscores are hyphens everywhere.
docs/options.md shows all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from whisperctl.cli.options import options_of
from whisperctl.cli.options.transcription import TranscribeFlags
from whisperctl.errors import UsageError

VALUE = "{}"
"""Placeholder for an alias's value."""

_TRUE, _FALSE = "True", "False"
"""Booleans of OpenAI's whisper; other spellings may be names of recordings."""


@dataclass(frozen=True, slots=True)
class Alias:
    """Spellings of other tools, and ours for them.

    ``ours`` is what replaces them, with ``VALUE`` for the option's value. ``convert`` changes the
    value first; ``None`` from it drops the option, because it asks for the default.
    """

    names: tuple[str, ...]
    ours: tuple[str, ...] = ()
    takes_value: bool = False
    convert: Callable[[str], str | None] | None = None

    def expand(self, name: str, value: str | None) -> list[str]:
        """Return our arguments for it."""
        if value is not None and self.convert is not None:
            try:
                value = self.convert(value)
            except ValueError as error:
                raise UsageError(f'{name} "{value}": {error}') from error
            if value is None:
                return []
        return [part.replace(VALUE, value or "") for part in self.ours]


def _milliseconds(value: str) -> str | None:
    try:
        milliseconds = int(value)
    except ValueError:
        raise ValueError(
            "it is whisper-cli's option, in whole milliseconds; see: whisperctl transcribe --help"
        ) from None
    return f"{milliseconds / 1000:.3f}" if milliseconds else None


def _limit(value: str) -> str | None:
    return None if value in ("0", "-1") else value


def _one(value: str) -> str | None:
    if value == "1":
        return None
    raise ValueError("only 1 is supported; use --threads, or --jobs for several recordings")


def _cpu(value: str) -> str | None:
    if value.lower() == "cpu":
        return None
    raise ValueError("whisperctl computes on the CPU only; remove --device")


def _full_precision(value: str) -> str | None:
    if value == _FALSE:
        return None
    raise ValueError("the model's file decides on precision; remove --fp16")


def _suppressed(value: str) -> str | None:
    if value in ("", "-1"):
        return "--suppress-nst" if value else None
    raise ValueError("tokens are suppressed by their text; use --suppress-regex")


def _increment(value: str) -> str:
    # None is how OpenAI's whisper says that a window is never decoded again.
    return "0" if value == "None" else value


def _pairs(value: str) -> str | None:
    """``0,10,20`` of OpenAI's whisper, starts and ends by turns, as ``0-10,20-``."""
    times = [time.strip() for time in value.split(",") if time.strip()]
    if times in ([], ["0"]):
        return None
    times += [""] * (len(times) % 2)
    return ",".join(f"{a}-{b}" for a, b in zip(times[::2], times[1::2], strict=True))


def _recording(value: str) -> str:
    # A name that begins with a hyphen is not to be taken for an option.
    return f"./{value}" if value.startswith("-") and value != "-" else value


def _template(value: str) -> str:
    return value.replace("{", "{{").replace("}", "}}")


def _flag(names: str, *ours: str) -> Alias:
    return Alias(tuple(names.split()), ours)


def _option(names: str, *ours: str, convert: Callable[[str], str | None] | None = None) -> Alias:
    return Alias(tuple(names.split()), ours, takes_value=True, convert=convert)


_CONVERSIONS: Mapping[str, Callable[[str], str | None]] = {
    "--clip-timestamps": _pairs,
    "-ot": _milliseconds,
    "--offset-t": _milliseconds,
    "-d": _milliseconds,
    "-mc": _limit,
}
"""Changes to the values of spellings that stand for an option of ours."""

_OTHERS = (
    _option("--suppress-tokens", VALUE, convert=_suppressed),
    _option("--file", VALUE, convert=_recording),
    _option("-of --output-file", "--output", f"{VALUE}.{{ext}}", convert=_template),
    _option("-ml --max-len", "--max-line-width", VALUE, "--max-line-count", "1", convert=_limit),
    _option("-dtw --dtw", "--word-timestamps"),
    _flag("-nt", "--no-timestamps"),
)
"""Spellings that stand for more, or less, than an option of ours with the same value."""

DEFAULTS = (
    _option("--device -dev", convert=_cpu),
    _option("--fp16", convert=_full_precision),
    _option("-p --processors", convert=_one),
    _flag("-ng --no-gpu"),
    _flag("-sow --split-on-word"),
    _flag("-pp --print-progress"),
)
"""Spellings that ask for what is always so: accepted and left out."""


def _declared() -> Iterator[Alias]:
    """Yield the spellings that options of ours declare, unless they are our own too."""
    apart = {name for alias in _OTHERS for name in alias.names}
    for one in options_of(TranscribeFlags):
        ours = f"--{one.name}"
        own = {ours, f"-{one.option.short}"}
        for spelling in f"{one.option.openai} {one.option.whisper_cli}".split():
            name, fixed, value = spelling.replace("_", "-").partition("=")
            if name in own or name in apart:
                continue
            if fixed:
                yield _flag(name, ours, value)
            elif one.is_flag:
                yield _flag(name, ours)
            else:
                yield _option(name, ours, VALUE, convert=_CONVERSIONS.get(name))


ALIASES = (*_declared(), *_OTHERS, *DEFAULTS)

REFUSED: Mapping[str, str] = {
    "--model-dir": "set the environment variable WHISPERCTL_MODELS to the directory",
    "--patience": "whisper.cpp has no patience; use --beam-size",
    "--length-penalty": "whisper.cpp does not expose it",
    "--prepend-punctuations": "punctuation stays with its word by whisper.cpp's own rules",
    "--append-punctuations": "punctuation stays with its word by whisper.cpp's own rules",
    "--hallucination-silence-threshold": "use --vad, or --speech-check, which is on",
    "-on": "every segment is kept; use --offset to start later",
    "--offset-n": "every segment is kept; use --offset to start later",
    "-ac": "the encoder always gets whole windows; remove it",
    "--audio-ctx": "the encoder always gets whole windows; remove it",
    "-wt": "words are cut by --word-timestamps, which has no threshold",
    "--word-thold": "words are cut by --word-timestamps, which has no threshold",
    "-debug": "use --verbose",
    "--debug-mode": "use --verbose",
    "-tdrz": "speakers are told apart only by --speaker-from-channels",
    "--tinydiarize": "speakers are told apart only by --speaker-from-channels",
    "-owts": "use --highlight-words with --output-format vtt or ass",
    "--output-words": "use --highlight-words with --output-format vtt or ass",
    "-fp": "no video is made; remove it",
    "--font-path": "no video is made; remove it",
    "-ps": "use --output-format json-full, which has every token",
    "--print-special": "use --output-format json-full, which has every token",
    "--print-confidence": "use --print-colors, or --output-format json-full for the numbers",
    "-dl": "the language is detected and shown without --language; add --duration 30 to be quick",
    "--detect-language": "the language is detected and shown without --language; add --duration 30 "
    "to be quick",
    "-oved": "whisperctl computes on the CPU only; remove it",
    "--ov-e-device": "whisperctl computes on the CPU only; remove it",
    "-ls": "use --output-format json-full, which has the probability of every token",
    "--log-score": "use --output-format json-full, which has the probability of every token",
    "-fa": "the backend decides on it; remove it",
    "--flash-attn": "the backend decides on it; remove it",
    "-nfa": "the backend decides on it; remove it",
    "--no-flash-attn": "the backend decides on it; remove it",
    "--grammar": "grammars are not supported; use --suppress-regex or --initial-prompt",
    "--grammar-rule": "grammars are not supported; use --suppress-regex or --initial-prompt",
    "--grammar-penalty": "grammars are not supported; use --suppress-regex or --initial-prompt",
    "-vo": "overlapping speech is not supported; use --vad-speech-pad-ms",
    "--vad-samples-overlap": "overlapping speech is not supported; use --vad-speech-pad-ms",
    **dict.fromkeys(
        ("--model-directory", "--model-path"), "give the path of a ggml file to --model"
    ),
    **dict.fromkeys(
        ("--model-cache-only", "--local-files-only"), "no model is downloaded unasked; remove it"
    ),
    "--compute-type": "use a quantized --model such as base-q8_0, or a --runtime of the backend",
    "--device-index": "whisperctl computes on the CPU only; remove it",
    "--batched": "use --batch-size, with a backend that decodes in batches",
    **dict.fromkeys(
        ("--hotwords", "--prefix"), "use --initial-prompt, and --carry-initial-prompt to keep it"
    ),
    **dict.fromkeys(
        ("--repetition-penalty", "--no-repeat-ngram-size"),
        "repetition loops are found and decoded again; remove it",
    ),
    "--prompt-reset-on-temperature": "use --no-condition-on-previous-text",
    "--suppress-blank": "blanks at the start of a window are always suppressed; remove it",
    "--suppress-numerals": "use --suppress-regex",
    "--multilingual": "use --language auto, which detects the language of each recording",
    **dict.fromkeys(
        ("--chunk-length", "--chunk-size", "--max-new-tokens"),
        "the model always decodes windows of 30 seconds; remove it",
    ),
    "--vad-method": "speech is detected by Silero's model; use --vad-model for another of them",
    "--vad-offset": "use --vad-threshold, which has one value for the start and end of speech",
    "--pretty-json": "use --output-format json, and indent it by another program",
    "--segment-resolution": "use --split-sentences",
    **dict.fromkeys(
        ("--align-model", "--interpolate-method", "--no-align", "--return-char-alignments"),
        "words get their times from the Whisper model itself; use --word-timestamps",
    ),
    **dict.fromkeys(
        (
            *("--hf-token", "--speaker-name", "--speaker-num", "--min-speakers"),
            *("--max-speakers", "--diarize-model", "--speaker-embeddings"),
        ),
        "speakers are told apart only by --speaker-from-channels",
    ),
    **dict.fromkeys(
        ("--live-transcribe", "--live-volume-threshold", "--live-input-device"),
        'record with another program, and pipe the recording into "whisperctl transcribe -"',
    ),
}
"""Options of the other tools that have no counterpart, and what to do instead."""

_OWN_NAMES: Mapping[str, Callable[[str], str]] = {
    "--temperature-increment-on-fallback": _increment,
}
"""Options with the same name, and how OpenAI's values become ours."""

_BY_NAME = {name: alias for alias in ALIASES for name in alias.names}


@dataclass(frozen=True, slots=True)
class Own:
    """Our own options: those that take a value, and those that are yes or no.

    ``negated`` gives the spelling of the opposite, empty for a flag that has none.
    """

    valued: frozenset[str]
    negated: Mapping[str, str]
    formats: frozenset[str]


def rewrite(arguments: Sequence[str], own: Own) -> list[str]:
    """Return arguments with the other tools' spellings replaced by ours.

    Raises:
        UsageError: an option of another tool is not ours, or means something else here.
    """
    return list(_rewrite(iter(arguments), own))


def _rewrite(rest: Iterator[str], own: Own) -> Iterable[str]:
    held: list[str] = []  # read ahead
    while True:
        argument = held.pop() if held else next(rest, None)
        if argument is None:
            return
        if argument == "--":
            yield argument
            yield from rest
            return
        name, equals, attached = _split(argument)
        if name in _BY_NAME:
            alias = _BY_NAME[name]
            value: str | None = None
            if alias.takes_value:
                value = attached if equals else next(rest, None)
                if value is None:
                    raise UsageError(f"option {name} requires an argument")
            elif equals:
                raise UsageError(f"option {name} does not take a value")
            else:
                boolean, held = _boolean(next(rest, None))
                if boolean == _FALSE:
                    continue
            yield from alias.expand(name, value)
        elif name in REFUSED:
            raise UsageError(f"{name} is not an option of whisperctl: {REFUSED[name]}")
        elif name in own.valued:
            value = attached if equals else next(rest, None)
            if name == "-f":
                _check_format(value, own)
            if value is not None and name in _OWN_NAMES:
                converted = _OWN_NAMES[name](value)
                if converted != value:
                    argument = f"{name}={converted}" if equals else argument
                    value = converted
            yield argument
            if value is not None and not equals:
                yield value
        elif name in own.negated:
            if equals:
                boolean, left = _boolean(attached)
                if left:
                    raise UsageError(f'option {name} takes True or False, not "{attached}"')
            else:
                boolean, held = _boolean(next(rest, None))
            if boolean != _FALSE:
                yield name
            elif own.negated[name]:
                yield own.negated[name]
        else:
            yield argument


def _split(argument: str) -> tuple[str, bool, str]:
    """Return an option's name with hyphens, true if a value is attached to it, and that value."""
    if not argument.startswith("-") or argument == "-":
        return "", False, ""
    name, equals, value = argument.partition("=")
    return name.replace("_", "-"), bool(equals), value


def _boolean(following: str | None) -> tuple[str, list[str]]:
    """Split what follows a yes-or-no option into OpenAI's value for it and other arguments."""
    if following in (_TRUE, _FALSE):
        return following, []
    return "", [] if following is None else [following]


def _check_format(value: str | None, own: Own) -> None:
    # whisper-cli's -f names a recording.
    if value is None or {name.strip().lower() for name in value.split(",")} <= own.formats:
        return
    if value == "-" or Path(value).suffix or Path(value).exists():
        raise UsageError(
            f'-f is short for --output-format here, and "{value}" is not a format: pass '
            "recordings without -f"
        )
