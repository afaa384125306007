"""Help as plain text: options by topic, each with its default, and examples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typer.core import TyperArgument, TyperOption

if TYPE_CHECKING:
    from whisperctl.cli.support.command import HelpFormatter


EXAMPLES: dict[str, tuple[str, ...]] = {
    "whisperctl": (
        "whisperctl models pull base           # get a model, once",
        "whisperctl transcribe talk.mp3        # print the text",
        "whisperctl transcribe film.mp4 -f srt # write film.srt",
        "whisperctl compare talk.mp3           # time every engine",
        "whisperctl doctor                     # check the installation",
    ),
    "whisperctl transcribe": (
        "whisperctl transcribe talk.mp3",
        "whisperctl transcribe *.mp4 -f srt,vtt -o subtitles --language de",
        "whisperctl transcribe film.mkv -f srt --max-line-width 42 --max-line-count 2",
        "whisperctl transcribe talk.mp3 --clip 1:30-2:00 --word-timestamps -f json",
        'whisperctl transcribe call.wav --vad --initial-prompt "Łódź, ACME GmbH"',
        "whisperctl transcribe --recursive recordings -f srt --resume --jobs 2",
        "ffmpeg -i stream.ts -f wav - | whisperctl transcribe -",
    ),
    "whisperctl compare": (
        "whisperctl compare talk.mp3",
        "whisperctl compare talk.mp3 -t 1,2 --quant f16,q8_0 --repeat 5",
        "whisperctl compare *.flac --reference texts -o report.html -o run.json",
        'whisperctl compare --from run.json --fail-if "normalized_wer>0.05"',
    ),
    "whisperctl probe": (
        "whisperctl probe film.mkv",
        "whisperctl probe *.mp4 --json",
    ),
    "whisperctl filters": (
        "whisperctl filters list",
        "whisperctl filters show ./mine.wasm",
        "whisperctl filters apply street.mp3 out.wav --filter highpass",
        "whisperctl filters bench denoise",
    ),
    "whisperctl filters apply": (
        "whisperctl filters apply street.mp3 out.wav --filter highpass",
        "whisperctl filters apply talk.wav out.flac --filter ./mine.wasm:drive=0.3",
    ),
    "whisperctl filters bench": (
        "whisperctl filters bench",
        "whisperctl filters bench highpass gain:db=3 --block 128 --block 16384",
    ),
    "whisperctl filters stress": (
        "whisperctl filters stress gain",
        "whisperctl filters stress ./mine.wasm --block 128 --audio 0",
    ),
    "whisperctl models": (
        "whisperctl models pull base tiny.en",
        "whisperctl models quantize base q5_1",
        "whisperctl models list --installed",
    ),
    "whisperctl subtitles": (
        "whisperctl subtitles convert film.srt film.vtt",
        "whisperctl subtitles lint --profile netflix film.srt",
        "whisperctl subtitles shift film.srt later.srt --by 1.5",
        "whisperctl subtitles fix film.srt fixed.srt --profile netflix",
    ),
    "whisperctl config": (
        "whisperctl config show",
        '"$EDITOR" "$(whisperctl config path)"',
        "WHISPERCTL_LANGUAGE=de whisperctl config show",
    ),
    "whisperctl completion": (
        "source <(whisperctl completion bash)                  # in ~/.bashrc",
        "source <(whisperctl completion zsh)                   # in ~/.zshrc",
        "whisperctl completion fish | source                   # in config.fish",
    ),
}


_NAMES_WIDTH = 30
_OTHER = "Other"
"""Topic of options that name none."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Help of an option or argument; ``default`` is empty if there is none."""

    names: str
    value: str
    text: str
    default: str

    @property
    def heading(self) -> str:
        """Names and placeholder of the value."""
        return f"{self.names} {self.value}".rstrip()

    @property
    def explanation(self) -> str:
        """Help text with the default."""
        return f"{self.text} [default: {self.default}]" if self.default else self.text


def entry(param: Any) -> Entry:
    """Return the help of an option or argument of a command."""
    text = " ".join((param.help or "").split())
    if isinstance(param, TyperArgument):
        several = param.nargs == -1
        name = str(param.metavar or param.name.upper()).replace("...", "").strip("[]")
        return Entry(f"{name}{'...' if several else ''}", "", text, "")
    short = [opt for opt in param.opts if not opt.startswith("--")]
    long = [opt for opt in param.opts if opt.startswith("--")]
    if param.secondary_opts == [f"--no-{opt[2:]}" for opt in long]:
        long = [f"--[no-]{opt[2:]}" for opt in long]
    else:
        long += param.secondary_opts
    value = "" if param.is_flag else str(param.metavar or param.name.upper())
    return Entry(", ".join([*short, *long]), value, text, _default(param))


def usage(params: Iterable[Any]) -> list[str]:
    """Return arguments as a usage line shows them: ``NAME``, and ``[NAME]...`` if optional."""
    shown = []
    for param in params:
        if isinstance(param, TyperArgument):
            name = entry(param).names
            stem = name.removesuffix("...")
            shown.append(name if param.required else f"[{stem}]{name[len(stem) :]}")
    return shown


def long_name(option: TyperOption) -> str:
    """Return the long name without its hyphens, such as ``beam-size``; the first of several."""
    return next(opt[2:] for opt in option.opts if opt.startswith("--"))


def by_topic(params: Iterable[Any]) -> dict[str, list[Entry]]:
    """Return visible options by topic, both in the order of help."""
    found: dict[str, list[Entry]] = {}
    for param in params:
        if isinstance(param, TyperArgument) or param.hidden:
            continue
        found.setdefault(param.rich_help_panel or _OTHER, []).append(entry(param))
    if set(found) <= {_OTHER}:
        return {"Options": found.get(_OTHER, [])}
    from whisperctl.options import Topic  # here, as the start of the command must not wait for it

    *known, other = (topic.value for topic in Topic)
    order = [*known, *(set(found) - {*known, other}), other]
    return {topic: found[topic] for topic in order if topic in found}


def write_parameters(params: Sequence[Any], formatter: HelpFormatter) -> None:
    """Write arguments, then options by topic."""
    arguments = [entry(param) for param in params if isinstance(param, TyperArgument)]
    sections = {"Arguments": arguments, **by_topic(params)}
    for title, entries in sections.items():
        if entries:
            with formatter.section(title):
                formatter.write_dl(
                    [(one.heading, one.explanation) for one in entries], col_max=_NAMES_WIDTH
                )


def write_examples(path: str, formatter: HelpFormatter) -> None:
    """Write the examples of the command called ``path``, if it has any."""
    # `command_path` holds metavars of arguments in between, if a group ever takes any.
    lines = EXAMPLES.get(path, ())
    if lines:
        with formatter.section("Examples"):
            for line in lines:
                formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _default(option: TyperOption) -> str:
    if isinstance(option.show_default, str):
        return option.show_default
    value = option.default
    if not option.show_default or value is None or value is False or value == "":
        return ""
    if value is True:
        return "on"
    return f"{value:g}" if isinstance(value, float) else str(value)
