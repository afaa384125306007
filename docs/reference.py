"""Makes the reference pages from the commands' own declarations; ``make docs`` runs it.

``python docs/reference.py docs`` writes ``cli.md`` and the man page ``whisperctl.1`` from help, and
the tables of ``options.md`` between their markers.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main
from typer.core import TyperArgument, TyperGroup, TyperOption

from whisperctl.cli.app import app
from whisperctl.cli.options import options_of
from whisperctl.cli.options.transcription import TranscribeFlags
from whisperctl.cli.support import aliases, help_text
from whisperctl.cli.support.help_text import EXAMPLES, Entry
from whisperctl.options import Declared, DecodeOptions, Topic, VadOptions, declared

DOCS = Path(__file__).parent

_FILES = (
    ("~/.config/whisperctl/config.toml", "Options that are set once and for all."),
    ("~/.local/share/whisperctl/models", "Installed models."),
    ("~/.cache/whisperctl", "Compiled modules and converted models; may be removed at any time."),
    ("~/.local/state/whisperctl", "What --resume continues from; entries are removed in time."),
)
_MAN_EXAMPLES = (
    ("whisperctl models pull base", "Get a model, which is needed once:"),
    ("whisperctl transcribe talk.mp3", "Print what is said in a recording:"),
    ("whisperctl transcribe film.mkv -f srt --max-line-width 42", "Write film.srt:"),
    (
        "whisperctl transcribe --recursive recordings -f txt -o texts --resume",
        "Transcribe all recordings of a directory, and go on where an earlier run stopped:",
    ),
    ("whisperctl compare talk.mp3 -o report.html", "Compare every engine on a recording:"),
)
_SEE_ALSO = (("ffmpeg", 1), ("mpv", 1), ("parallel", 1))
_VARIABLES = (
    ("WHISPERCTL_CONFIG", "Another configuration file."),
    ("WHISPERCTL_MODELS", "Where models are kept."),
    ("WHISPERCTL_CACHE", "Where compiled modules are kept."),
    ("WHISPERCTL_STATE", "Where --resume keeps how far runs are."),
    ("WHISPERCTL_DEBUG", "1 shows the traceback of an error."),
    ("NO_COLOR, FORCE_COLOR", "No colours at all; colours also where there is no terminal."),
)


def pages() -> dict[str, str]:
    """Return each page's text by its file name."""
    return {
        "cli.md": "".join(_markdown()),
        "whisperctl.1": "".join(_man()),
        "options.md": _with_tables((DOCS / "options.md").read_text("utf-8")),
    }


def _with_tables(page: str) -> str:
    """Return a page with its tables made again, each between a pair of markers."""
    for name, rows in (
        ("spellings", _spellings()),
        ("refused", _refused()),
        ("parameters", _parameters()),
    ):
        table = "".join(
            f"|{''.join(f' {cell} |' if cell else ' |' for cell in row)}\n" for row in rows
        )
        page = re.sub(
            rf"(?<=<!-- {name}: made by make docs -->\n\n).*?(?=\n<!-- end -->)",
            lambda _, table=table: table,  # type: ignore[misc]  # a default binds it
            page,
            flags=re.DOTALL,
        )
    return page


def _cell(text: str) -> str:
    return f" {text} |" if text else " |"


def _spellings() -> Iterator[tuple[str, ...]]:
    by_name = {one.name: one for one in options_of(TranscribeFlags)}
    yield "whisperctl", "OpenAI's whisper", "whisper-cli", ""
    yield "---", "---", "---", "---"
    yield "`FILE`", "", "`--file`", ""
    params = typer.main.get_group(app).commands["transcribe"].params
    options = [param for param in params if isinstance(param, TyperOption)]
    order = list(Topic)
    for param in sorted(options, key=lambda one: order.index(Topic(str(one.rich_help_panel)))):
        name = help_text.long_name(param)
        option = by_name[name].option if name in by_name else None
        yield (
            f"`--{name}`",
            _code(option.openai) if option else "",
            _code(option.whisper_cli) if option else "",
            option.remark if option else "",
        )
    accepted = " ".join(name for alias in aliases.DEFAULTS for name in alias.names)
    yield "always so", "", _code(accepted), "accepted and left out"


def _code(spellings: str) -> str:
    return ", ".join(f"`{name.partition('=')[0]}`" for name in spellings.split())


def _refused() -> Iterator[tuple[str, ...]]:
    yield "option", "instead"
    yield "---", "---"
    for text in dict.fromkeys(aliases.REFUSED.values()):
        names = [name for name, instead in aliases.REFUSED.items() if instead == text]
        yield _code(" ".join(names)), text


def _parameters() -> Iterator[tuple[str, ...]]:
    yield "field", "option", "whisper.cpp", "range", "default"
    yield "---", "---", "---", "---", "---"
    for owner in (DecodeOptions, VadOptions):
        for one in declared(owner):
            yield (
                f"`{owner.__name__}.{one.field}`",
                f"`--{one.name}`",
                f"`{one.option.whisper_cpp}`" if one.option.whisper_cpp else "",
                one.option.range,
                _shown_default(one),
            )


def _shown_default(one: Declared) -> str:
    if one.option.default:
        return one.option.default
    if isinstance(one.default, bool):
        return "on" if one.default else "off"
    return f"{one.default:g}" if isinstance(one.default, float) else str(one.default)


def _commands(group: TyperGroup, path: str) -> Iterator[tuple[str, Any]]:
    """Yield each command after the words that are typed for it, groups before their commands."""
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def _all() -> Iterator[tuple[str, Any]]:
    return _commands(typer.main.get_group(app), "whisperctl")


def _usage(path: str, command: Any) -> str:
    arguments = help_text.usage(command.params)
    if isinstance(command, TyperGroup):
        arguments.append("COMMAND")
    return " ".join([path, "[OPTIONS]", *arguments])


def _paragraphs(text: str | None) -> list[str]:
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text or "")]


def _markdown() -> Iterator[str]:
    yield "# Command line\n\n"
    yield (
        "This page is made from `--help` by `make docs`. [options.md](options.md) says what the "
        "options are called\nelsewhere, [configuration.md](configuration.md) how to set them once "
        "and for all.\n"
    )
    for path, command in _all():
        yield f"\n## {path}\n\n```\n{_usage(path, command)}\n```\n"
        for text in _paragraphs(command.help):
            yield f"\n{_escaped(text)}\n"
        if path in EXAMPLES:
            lines = "\n".join(f"$ {line}" for line in EXAMPLES[path])
            yield f"\n```console\n{lines}\n```\n"
        if isinstance(command, TyperGroup):
            yield "\n"
            for name, inner in command.commands.items():
                anchor = f"{path} {name}".replace(" ", "-")
                yield f"- [`{name}`](#{anchor}): {_escaped(_paragraphs(inner.help)[0])}\n"
        yield from _markdown_options(command)
        if command.epilog:
            yield f"\n{_escaped(' '.join(command.epilog.split()))}\n"


def _markdown_options(command: Any) -> Iterator[str]:
    arguments = [help_text.entry(p) for p in command.params if isinstance(p, TyperArgument)]
    topics = help_text.by_topic(command.params)
    several = len(topics) > 1
    for title, entries in {"": arguments, **topics}.items():
        if not entries:
            continue
        yield f"\n### {title}\n\n" if title and several else "\n"
        for one in entries:
            default = f" Default: {_escaped(one.default)}." if one.default else ""
            yield f"- `{one.heading}`: {_escaped(one.text)}{default}\n"


def _escaped(text: str) -> str:
    return re.sub(r"([<>*_\[\]])", r"\\\1", text)


def _man() -> Iterator[str]:
    yield '.\\" Made from --help by "make docs".\n.TH WHISPERCTL 1 "" whisperctl "User Commands"\n'
    root = typer.main.get_group(app)
    summary = (root.help or "").rstrip(".")
    yield f".SH NAME\nwhisperctl \\- {_troff(summary[:1].lower() + summary[1:])}\n.SH SYNOPSIS\n"
    for path, command in _all():
        if not isinstance(command, TyperGroup):
            yield f".B {_troff(path)}\n{_troff(_usage(path, command)[len(path) + 1 :])}\n.br\n"
    yield ".SH COMMANDS\n"
    for path, command in _all():
        if path == "whisperctl":
            continue
        yield f".SS {_troff(path)}\n"
        for number, text in enumerate(_paragraphs(command.help)):
            yield f"{'.PP' if number else ''}\n{_troff(text)}\n".lstrip("\n")
        for entry in (help_text.entry(p) for p in command.params if isinstance(p, TyperArgument)):
            yield _tagged(entry)
        for title, entries in help_text.by_topic(command.params).items():
            if entries:
                yield f".PP\n.I {_troff(title)}\n"
            for entry in entries:
                yield _tagged(entry)
        if path in EXAMPLES:
            lines = "\n".join(_troff(line) for line in EXAMPLES[path])
            yield f".PP\n.I Examples\n.PP\n.nf\n.RS\n{lines}\n.RE\n.fi\n"
    yield f".SH EXIT STATUS\n{_troff(' '.join(str(root.epilog).split()))}\n.SH ENVIRONMENT\n"
    yield (
        "Every option of transcribe may be given by a variable: WHISPERCTL_ and its name, in "
        "capitals and with underscores.\n"
    )
    for name, text in _VARIABLES:
        yield f".TP\n.B {name}\n{_troff(text)}\n"
    yield ".SH FILES\nOn Linux; macOS has them in ~/Library, and variables name other places.\n"
    for name, text in _FILES:
        yield f".TP\n.I {_troff(name)}\n{_troff(text)}\n"
    yield ".SH EXAMPLES\n"
    for line, text in _MAN_EXAMPLES:
        yield f".PP\n{_troff(text)}\n.PP\n.nf\n.RS\n{_troff(line)}\n.RE\n.fi\n"
    pages = ", ".join(f"\n.BR {name} ({section})" for name, section in _SEE_ALSO)
    yield f".SH SEE ALSO{pages.replace('), ', '),')}\n"


def _tagged(entry: Entry) -> str:
    value = f" \\fI{_troff(entry.value)}\\fR" if entry.value else ""
    return f".TP\n\\fB{_troff(entry.names)}\\fR{value}\n{_troff(entry.explanation)}\n"


def _troff(text: str) -> str:
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    # A dot or quote at the start of a line would be a request.
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def main(directory: Path) -> None:
    """Write every page into ``directory``."""
    for name, text in pages().items():
        (directory / name).write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
