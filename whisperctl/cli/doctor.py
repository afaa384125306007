"""``whisperctl doctor``: is everything here that a first run needs?"""

from __future__ import annotations

import typer

from whisperctl.cli import console


def doctor() -> None:
    """Check that everything a run needs is here.

    Each line says ok, warn or fail, and what to do about it. Exit code 1 if one fails.
    """
    from whisperctl import checkup

    failed = False
    for finding in checkup.run():
        console.result(f"{finding.status:4}  {finding.subject}: {finding.detail}")
        failed = failed or finding.status == "fail"
    if failed:
        raise typer.Exit(1)
