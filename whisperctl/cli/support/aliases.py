"""The spellings of OpenAI's ``whisper`` and of ``whisper-cli``, put in our own before parsing.

Only for ``transcribe``. What both tools spell as we do is not in the table, and underscores are
taken for hyphens everywhere. docs/options.md shows the whole of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from whisperctl.errors import UsageError

VALUE = "{}"
"""Where an alias's value goes."""

_TRUE, _FALSE = "True", "False"
"""How OpenAI's whisper takes booleans; no other spellings, which may be names of recordings."""


@dataclass(frozen=True, slots=True)
class Alias:
    """Spellings of other tools, and ours for them.

    ``ours`` is what to write instead, with ``VALUE`` for the option's value. ``convert`` changes
    the value first; ``None`` from it leaves the option out, because it asks for what is so anyway.
    """

    names: tuple[str, ...]
    ours: tuple[str, ...] = ()
    takes_value: bool = False
    convert: Callable[[str], str | None] | None = None

    def expand(self, name: str, value: str | None) -> list[str]:
        """Our arguments for it."""
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
        raise ValueError("whisper-cli's option takes whole milliseconds") from None
    return f"{milliseconds / 1000:.3f}" if milliseconds else None


def _limit(value: str) -> str | None:
    return None if value in ("0", "-1") else value


def _one(value: str) -> str | None:
    if value == "1":
        return None
    raise ValueError("one processor only; use --threads, or --jobs for several recordings")


def _cpu(value: str) -> str | None:
    if value.lower() == "cpu":
        return None
    raise ValueError("whisperctl computes on the processor only; leave --device out")


def _full_precision(value: str) -> str | None:
    if value == _FALSE:
        return None
    raise ValueError("the model's file decides on precision; leave --fp16 out")


def _suppressed(value: str) -> str | None:
    if value in ("", "-1"):
        return "--suppress-nst" if value else None
    raise ValueError("tokens are suppressed by their text here; use --suppress-regex")


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


ALIASES = (
    # Both tools
    _option("--device -dev", convert=_cpu),
    # OpenAI's whisper, and whisper-ctranslate2
    _option("--fp16", convert=_full_precision),
    _option("--suppress-tokens", VALUE, convert=_suppressed),
    _option("--clip-timestamps", "--clip", VALUE, convert=_pairs),
    _flag("--vad-filter", "--vad"),
    # whisper-cli: what is heard
    _option("-ot --offset-t", "--offset", VALUE, convert=_milliseconds),
    _option("-d", "--duration", VALUE, convert=_milliseconds),
    _option("-mc", "--max-context", VALUE, convert=_limit),
    _option("-bo", "--best-of", VALUE),
    _option("-bs", "--beam-size", VALUE),
    _option("-et --entropy-thold", "--entropy-threshold", VALUE),
    _option("-lpt --logprob-thold", "--logprob-threshold", VALUE),
    _option("-nth --no-speech-thold", "--no-speech-threshold", VALUE),
    _option("-tp", "--temperature", VALUE),
    _option("-tpi --temperature-inc", "--temperature-increment-on-fallback", VALUE),
    _flag("-nf --no-fallback", "--temperature-increment-on-fallback", "0"),
    _flag("-tr --translate", "--task", "translate"),
    _option("--prompt", "--initial-prompt", VALUE),
    _flag("-sns", "--suppress-nst"),
    _flag("-di --diarize", "--speaker-from-channels"),
    _option("-p --processors", convert=_one),
    _flag("-ng --no-gpu"),
    # whisper-cli: voice activity
    _option("-vm", "--vad-model", VALUE),
    _option("-vt", "--vad-threshold", VALUE),
    _option("-vspd", "--vad-min-speech-duration-ms", VALUE),
    _option("-vsd", "--vad-min-silence-duration-ms", VALUE),
    _option("-vmsd", "--vad-max-speech-duration-s", VALUE),
    _option("-vp", "--vad-speech-pad-ms", VALUE),
    # whisper-cli: results
    _option("--file", VALUE, convert=_recording),
    _flag("-otxt --output-txt", "--output-format", "txt"),
    _flag("-ovtt --output-vtt", "--output-format", "vtt"),
    _flag("-osrt --output-srt", "--output-format", "srt"),
    _flag("-olrc --output-lrc", "--output-format", "lrc"),
    _flag("-ocsv --output-csv", "--output-format", "csv"),
    _flag("-oj --output-json", "--output-format", "json-full"),
    _flag("-ojf --output-json-full", "--output-format", "json-full"),
    _option("-of --output-file", "--output", f"{VALUE}.{{ext}}", convert=_template),
    _option("-ml --max-len", "--max-line-width", VALUE, "--max-line-count", "1", convert=_limit),
    _flag("-sow --split-on-word"),
    _option("-dtw --dtw", "--word-timestamps"),
    _flag("-np --no-prints", "--quiet"),
    _flag("-pc", "--print-colors"),
    _flag("-pp --print-progress"),
    _flag("-nt", "--no-timestamps"),
)

REFUSED: Mapping[str, str] = {
    "--model-dir": "set the environment variable WHISPERCTL_MODELS to the folder",
    "--patience": "whisper.cpp has no patience; use --beam-size",
    "--length-penalty": "whisper.cpp offers it to no program",
    "--prepend-punctuations": "punctuation stays with its word by whisper.cpp's own rules",
    "--append-punctuations": "punctuation stays with its word by whisper.cpp's own rules",
    "--hallucination-silence-threshold": "use --vad, or --speech-check, which is on",
    "-on": "every segment is kept; use --offset to begin later",
    "--offset-n": "every segment is kept; use --offset to begin later",
    "-ac": "the encoder hears whole windows here; leave it out",
    "--audio-ctx": "the encoder hears whole windows here; leave it out",
    "-wt": "words are cut by --word-timestamps, which has no threshold",
    "--word-thold": "words are cut by --word-timestamps, which has no threshold",
    "-debug": "use --verbose",
    "--debug-mode": "use --verbose",
    "-tdrz": "speakers are told apart by --speaker-from-channels only",
    "--tinydiarize": "speakers are told apart by --speaker-from-channels only",
    "-owts": "use --highlight-words with --output-format vtt or ass",
    "--output-words": "use --highlight-words with --output-format vtt or ass",
    "-fp": "no video is made here; leave it out",
    "--font-path": "no video is made here; leave it out",
    "-ps": "use --output-format json-full, which has every token",
    "--print-special": "use --output-format json-full, which has every token",
    "--print-confidence": "use --print-colors, or --output-format json-full for the numbers",
    "-dl": "the language is detected and shown without --language; add --duration 30 to be quick",
    "--detect-language": "the language is detected and shown without --language; add --duration 30 "
    "to be quick",
    "-oved": "whisperctl computes on the processor only; leave it out",
    "--ov-e-device": "whisperctl computes on the processor only; leave it out",
    "-ls": "use --output-format json-full, which has the probability of every token",
    "--log-score": "use --output-format json-full, which has the probability of every token",
    "-fa": "the engine decides on it; leave it out",
    "--flash-attn": "the engine decides on it; leave it out",
    "-nfa": "the engine decides on it; leave it out",
    "--no-flash-attn": "the engine decides on it; leave it out",
    "--grammar": "grammars are not offered; use --suppress-regex or --initial-prompt",
    "--grammar-rule": "grammars are not offered; use --suppress-regex or --initial-prompt",
    "--grammar-penalty": "grammars are not offered; use --suppress-regex or --initial-prompt",
    "-vo": "speech is not overlapped here; use --vad-speech-pad-ms",
    "--vad-samples-overlap": "speech is not overlapped here; use --vad-speech-pad-ms",
}
"""Options of the other tools that mean nothing here, and what to do instead."""

_OWN_NAMES: Mapping[str, Callable[[str], str]] = {
    "--temperature-increment-on-fallback": _increment,
}
"""Options that both spell alike, and how to put OpenAI's values in ours."""

_BY_NAME = {name: alias for alias in ALIASES for name in alias.names}


@dataclass(frozen=True, slots=True)
class Own:
    """What has to be known of our own options: which take a value, and which are yes or no.

    ``negated`` gives the spelling of the opposite, empty for a flag that has none.
    """

    valued: frozenset[str]
    negated: Mapping[str, str]
    formats: frozenset[str]


def rewrite(arguments: Sequence[str], own: Own) -> list[str]:
    """Arguments with the other tools' spellings replaced by ours.

    Raises:
        UsageError: an option of another tool is not ours, or means something else here.
    """
    return list(_rewrite(iter(arguments), own))


def _rewrite(rest: Iterator[str], own: Own) -> Iterable[str]:
    held: list[str] = []  # what was looked at in advance
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
                    raise UsageError(f'option {name} is yes or no; "{attached}" is neither')
            else:
                boolean, held = _boolean(next(rest, None))
            if boolean != _FALSE:
                yield name
            elif own.negated[name]:
                yield own.negated[name]
        else:
            yield argument


def _split(argument: str) -> tuple[str, bool, str]:
    """An option's name with hyphens, whether a value is attached to it, and that value."""
    if not argument.startswith("-") or argument == "-":
        return "", False, ""
    name, equals, value = argument.partition("=")
    return name.replace("_", "-"), bool(equals), value


def _boolean(following: str | None) -> tuple[str, list[str]]:
    """What follows a yes-or-no option: its value as OpenAI's whisper has it, or something else."""
    if following in (_TRUE, _FALSE):
        return following, []
    return "", [] if following is None else [following]


def _check_format(value: str | None, own: Own) -> None:
    # whisper-cli's -f names a recording.
    if value is None or {name.strip().lower() for name in value.split(",")} <= own.formats:
        return
    if value == "-" or Path(value).suffix or Path(value).exists():
        raise UsageError(
            f'-f is short for --output-format here, and "{value}" is no format: name recordings '
            "without -f"
        )
