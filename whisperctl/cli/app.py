"""The commands, each loaded when it is called: ``--help`` needs only their summaries."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.main

from whisperctl import __version__
from whisperctl.cli.support.command import Command as OwnCommand
from whisperctl.cli.support.command import Group, TranscribeCommand

if TYPE_CHECKING:
    from whisperctl.cli.support.typer_internals import Command, Context, HelpFormatter


SUMMARIES = {
    "transcribe": "Print what is said in recordings, and write subtitles.",
    "compare": "Compare engines, models, quantizations and threads: times and texts.",
    "probe": "Show container, audio tracks and duration of media files.",
    "backends": "List backends, runtimes, versions and CPU features, and decoders.",
    "filters": "List audio filters and their parameters.",
    "doctor": "Check that everything a run needs is here.",
    "completion": (
        "Print a script that teaches a shell to complete our options, models and formats."
    ),
    "models": "Get, shrink, keep and check the models that speech is transcribed with.",
    "subtitles": "Turn subtitle files into other formats, and check them.",
    "config": "Show the configuration file's place, and every option's value.",
}
"""What each command is for, by its name, which its module has too."""


class Commands(MutableMapping[str, "Command"]):
    """Commands that are loaded when they are first asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Command] = {}
        self._names = list(SUMMARIES)

    def __getitem__(self, name: str) -> Command:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._loaded:
            self._loaded[name] = _load(name)
        return self._loaded[name]

    def __setitem__(self, name: str, command: Command) -> None:
        if name not in self._names:
            self._names.append(name)
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        self._names.remove(name)
        self._loaded.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Root(Group):
    """``whisperctl`` itself."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "commands": None})
        self.commands = Commands()

    def format_commands(self, ctx: Context, formatter: HelpFormatter) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


def _load(name: str) -> Command:
    """A command as its module has it: a group is an ``app``, any other a function of its name."""
    module = import_module(f"whisperctl.cli.{name}")
    if hasattr(module, "app"):
        command: Command = typer.main.get_group(module.app)
    else:
        own = TranscribeCommand if name == "transcribe" else OwnCommand
        kind = getattr(module, f"{name.capitalize()}Command", own)
        alone = typer.Typer(rich_markup_mode=None, add_completion=False)
        alone.command(name, cls=kind)(getattr(module, name))
        command = typer.main.get_command(alone)
    command.name = name
    return command


app = typer.Typer(
    cls=Root,
    # Without rich, which takes longer to start than everything else together.
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    # `--output_format`, as OpenAI's whisper spells its options, is `--output-format`.
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 90,
        "token_normalize_func": lambda token: token.replace("_", "-"),
    },
    help="Speech to text and subtitles, with backends you can compare.",
    epilog=(
        "Exit codes: 0 all went well; 1 a run failed, if only on one file; 2 the command line is "
        "wrong; 129 ended by SIGHUP, as when a terminal is closed; 130 interrupted by Ctrl-C; 141 "
        "the reader of standard output is gone; 143 ended by SIGTERM."
    ),
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"whisperctl {__version__}")
        raise typer.Exit


@app.callback()
def _whisperctl(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Show the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass
