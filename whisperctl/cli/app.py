"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from whisperctl import __version__
from whisperctl.cli.commands import Root

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
