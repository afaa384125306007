"""Options about lines, where a format has none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.cli.options.transcription import ignored
from whisperctl.options import SubtitleOptions

if TYPE_CHECKING:
    from tests.conftest import Cli

WIDTH = SubtitleOptions(max_line_width=42)
FAST = SubtitleOptions(max_line_width=42, max_cps=20)


@pytest.mark.parametrize(
    ("formats", "options", "warning"),
    [
        (["txt", "json"], SubtitleOptions(), None),
        (["srt", "vtt", "ass", "lrc"], WIDTH, None),
        ([], WIDTH, None),
        (
            ["txt", "srt", "json"],
            WIDTH,
            "warning: --max-line-width has no effect on the lines of txt, json",
        ),
        (
            ["lrc", "csv", "json-full"],
            FAST,
            "warning: --max-cps has no effect on the lines of lrc; "
            "--max-line-width, --max-cps have no effect on the lines of csv, json-full",
        ),
    ],
)
def test_formats_and_the_options_that_do_nothing_in_them_are_named(
    formats: list[str], options: SubtitleOptions, warning: str | None
) -> None:
    assert ignored(formats, options) == warning


def test_transcribe_says_so_before_it_begins(fake: Cli, jfk: Path, model: Path) -> None:
    command = ("transcribe", jfk, "-m", model, "--dry-run", "-f", "srt,txt")

    done = fake.here(*command, "--min-cue-gap", "0.1")

    assert done.code == 0
    assert done.err == "whisperctl: warning: --min-cue-gap has no effect on the lines of txt\n"
    assert fake.here(*command, "--min-cue-gap", "0.1", "--quiet").err == ""
