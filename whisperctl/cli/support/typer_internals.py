"""Every private part of Typer that we use.

Typer brings its own Click (``typer._click``) and exports little of it: neither the types that a
command's methods are given, nor the error that stands for the help of a group. Its functions for
completion are not documented. Each may change with any version, so ``pyproject.toml`` bounds Typer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter

    # For annotations alone: import them under TYPE_CHECKING.
    __all__ = ["Command", "Context", "HelpFormatter", "complete", "completion_script", "is_help"]


def is_help(error: Exception) -> bool:
    """Whether an error is the whole help of a group that was called without a command."""
    from typer._click.exceptions import NoArgsIsHelpError

    return isinstance(error, NoArgsIsHelpError)


def completion_script(program: str, variable: str, shell: str) -> str:
    """What teaches ``shell`` (bash, zsh or fish) to complete the command lines of ``program``."""
    from typer._completion_shared import get_completion_script

    return get_completion_script(prog_name=program, complete_var=variable, shell=shell)


def complete(command: Command, program: str, variable: str, instruction: str) -> int:
    """Print what may come next on the line that the environment holds; the exit code.

    Raises:
        SystemExit: the exit code, for a shell that is answered by it.
    """
    from typer._completion_classes import completion_init
    from typer.completion import shell_complete

    completion_init()  # as add_completion=True does
    return shell_complete(command, {}, program, variable, instruction)
