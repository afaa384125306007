"""``--verbose``, ``--log-file``, and colours by how sure the model is."""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.text import Text

from whisperctl.cli.support import console
from whisperctl.cli.support.console import colored
from whisperctl.cli.support.progress import wrapped_line
from whisperctl.formats.console import line
from whisperctl.jobs import runner
from whisperctl.jobs.journal import Journal
from whisperctl.transcript import Segment, Token, Word
from whisperctl.transcription.run import Checkpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conftest import Cli
    from whisperctl.jobs.job import Job
    from whisperctl.jobs.sources import Recording

COLOR = re.compile(r"\x1b\[(?:38;5;\d+|0)m")


def test_tokens_are_coloured_from_red_to_green() -> None:
    tokens = (Token(1, b" sure", 0.99), Token(2, b" so so", 0.8), Token(3, b" lost", 0.1))
    segment = Segment(0.0, 1.5, " sure so so lost", tokens)
    assert line(segment, colors=True) == (
        "[00:00:00.000 --> 00:00:01.500]  \x1b[38;5;71m sure\x1b[0m\x1b[38;5;215m so so\x1b[0m"
        "\x1b[38;5;160m lost\x1b[0m"
    )
    assert COLOR.sub("", line(segment, colors=True)) == line(segment)
    assert line(segment, times=False) == "sure so so lost"
    assert COLOR.sub("", line(segment, times=False, colors=True)) == "sure so so lost"


@pytest.mark.parametrize(
    ("probability", "color"), [(0.0, 160), (0.52, 160), (0.53, 166), (0.94, 114), (1.0, 71)]
)
def test_the_scale_is_that_of_whisper_cli(probability: float, color: int) -> None:
    # Cubed, in seven steps.
    segment = Segment(0, 1, "a", (Token(1, b"a", probability),))
    assert f"\x1b[38;5;{color}ma" in line(segment, colors=True)


def test_a_character_in_two_tokens_is_as_sure_as_the_less_sure() -> None:
    data = " Ł!".encode()
    tokens = (Token(1, data[:2], 0.99), Token(2, data[2:3], 0.1), Token(3, b"!", 0.99))
    text = line(Segment(0, 1, " Ł!", tokens), times=False, colors=True)
    assert text == "\x1b[38;5;160mŁ\x1b[0m\x1b[38;5;71m!\x1b[0m"
    cut = Segment(0, 1, " �", (Token(1, data[:2], 0.1),))
    assert line(cut, times=False, colors=True) == "\x1b[38;5;160m�\x1b[0m"


def test_words_are_coloured_where_tokens_are_not_those_of_the_text() -> None:
    words = (Word(0, 1, " a", 0.99), Word(1, 2, " b", 0.1))
    segment = Segment(0, 2, " a b", (Token(1, b" other", 0.5),), words)
    assert line(segment, times=False, colors=True) == "\x1b[38;5;71ma\x1b[0m\x1b[38;5;160m b\x1b[0m"
    assert line(Segment(0, 2, " a b"), times=False, colors=True) == "a b"
    assert line(Segment(0, 2, ""), times=False, colors=True) == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_and_those_who_want_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    assert colored(True, Terminal())
    assert not colored(False, Terminal())
    assert not colored(True, io.StringIO())
    assert not colored(True, None)
    monkeypatch.setenv("TERM", "dumb")
    assert not colored(True, Terminal())
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert colored(True, io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored(True, Terminal())


def test_a_pipe_gets_colours_only_when_forced(fake: Cli, jfk: Path, model: Path) -> None:
    arguments = ("transcribe", jfk, "-m", model, "--beam-size", "1", "--print-colors")
    forced = fake.here(*arguments, "--no-timestamps", env={"FORCE_COLOR": "1"})
    assert len(COLOR.findall(forced.out)) > 30
    plain = fake.here(*arguments)
    assert "\x1b" not in plain.out
    texts = [text.split("]  ", 1)[1].strip() for text in plain.out.splitlines()]
    assert texts == COLOR.sub("", forced.out).splitlines()


def test_verbose_shows_what_is_done_and_the_log_keeps_all(
    fake: Cli, jfk: Path, model: Path
) -> None:
    log = fake.directory / "a log.txt"
    arguments = ("transcribe", jfk, "-m", model, "--beam-size", "1", "-d", "4000")
    done = fake.here(*arguments, "--verbose", "--log-file", log)
    assert done.code == 0
    shown = done.err.splitlines()
    assert all(text.startswith("whisperctl: ") for text in shown)
    for said in (
        "option beam-size: 1 (command line)",
        "option duration: 4.000 (command line)",
        "option backend: fake (environment)",
        f"model file: {model}",
        "clips: (Clip(start_s=0.0, end_s=4.0),)",
        "time wall: ",
        "real-time factor: ",
    ):
        assert [text for text in shown if text.startswith(f"whisperctl: {said}")], said
    kept = log.read_text("utf-8").splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ", text) for text in kept)
    texts = [text.split(" ", 3)[3] for text in kept]
    assert set(done.out.splitlines()) <= set(texts)
    assert {text.removeprefix("whisperctl: ") for text in shown} <= set(texts)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["native", "wasi"])
def test_verbose_shows_what_the_engine_says(
    cli: Cli, jfk: Path, reciting: Path, backend: str
) -> None:
    arguments = ("transcribe", jfk, "-m", reciting, "-b", backend, "--beam-size", "1", "-d", "4000")
    done = cli(*arguments, "--verbose", "--log-file", "log.txt")
    assert done.code == 0
    said = "whisper_model_load: n_vocab       = 51864"
    assert f"whisperctl: {said}\n" in done.err
    assert done.err.count("\nwhisperctl: time encode: ") == 1
    assert "print_timings" not in done.err
    assert f" {said}\n" in (cli.directory / "log.txt").read_text("utf-8")


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (60, ["[00:00:00.000 --> 00:00:01.500]   Ask not what your country", f"{'':34}can do"]),
        (40, ["[00:00:00.000 --> 00:00:01.500]   Ask", "not what your country can do"]),
    ],
)
def test_a_segment_is_wrapped_at_words(width: int, lines: list[str]) -> None:
    text = line(Segment(0.0, 1.5, " Ask not what your country can do"))
    wrapped = wrapped_line(Text(text), Console(width=width)).plain
    assert [shown.rstrip() for shown in wrapped.split("\n")] == lines


def test_a_long_line_of_a_list_is_wrapped_on_a_terminal_and_its_command_stays_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    text, command = (
        "ok    runtime: 1.5; faster, with gcc:",
        "pip install --no-binary pywhispercpp",
    )
    console.paragraph(text, indent=6, command=command)
    assert capsys.readouterr().out == f"{text} {command}\n"

    monkeypatch.setattr("sys.stdout", Terminal())
    console.paragraph(text, indent=6, command=command)
    console.paragraph("    hold (1 to 64): Keep one sample.", indent=8)
    console.paragraph("short:", indent=6, command="x")
    assert isinstance(sys.stdout, Terminal)
    assert sys.stdout.getvalue() == (
        f"ok    runtime: 1.5; faster,\n      with gcc:\n{command}\n"
        "    hold (1 to 64): Keep one\n        sample.\nshort: x\n"
    )


def test_an_interrupted_run_says_how_to_go_on(
    fake: Cli, jfk: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(job: Job, recordings: Sequence[Recording], *_: object, **__: object) -> None:
        with Journal(job, recordings[0]) as journal:
            journal.add(Checkpoint(5.0, ()))
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", interrupted)
    done = fake.here("transcribe", jfk, "-m", model)
    assert done.code == 130
    assert done.err.splitlines() == [
        "whisperctl: what is done is kept: run the same command with --resume to go on",
        "whisperctl: interrupted",
    ]


def test_a_log_is_kept_of_a_quiet_run_and_of_errors(fake: Cli, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text("before\n")
    done = fake.here("transcribe", "none.wav", "--quiet", "-m", "nothing", "--log-file", log)
    assert done.err.count("\n") == 1
    text = log.read_text("utf-8")
    assert text.startswith("before\n")
    assert done.err.strip().removeprefix("whisperctl: error: ") in text


def test_a_log_is_never_appended_to_a_recording(fake: Cli, jfk: Path, model: Path) -> None:
    recording = fake.directory / "a.wav"
    recording.write_bytes(jfk.read_bytes())
    done = fake.here("transcribe", "a.wav", "-m", model, "--dry-run", "--log-file", "a.wav")
    assert (done.code, done.out) == (2, "")
    assert done.err == ('whisperctl: error: --log-file "a.wav" is not a text file: name another\n')
    assert recording.read_bytes() == jfk.read_bytes()


def test_a_log_that_cannot_be_written_is_said_to_be_one(fake: Cli, jfk: Path, model: Path) -> None:
    arguments = ("transcribe", jfk, "-m", model, "--beam-size", "1", "--log-file")
    nowhere = fake.here(*arguments, "no/folder/log.txt")
    assert (nowhere.code, nowhere.out, nowhere.err.count("\n")) == (1, "", 1)
    assert 'log file "no/folder/log.txt" cannot be written: ' in nowhere.err
    if not Path("/dev/full").exists():
        pytest.skip("there is no device that is always full")
    full = fake.here(*arguments, "/dev/full")
    assert full.code == 0
    assert full.out.count("-->") == 6
    assert full.err.count("\n") == 1
    assert 'warning: log file "/dev/full" can no longer be written' in full.err


def test_quiet_and_verbose_are_not_for_one_run(fake: Cli, jfk: Path) -> None:
    done = fake.here("transcribe", jfk, "-q", "-v")
    assert (done.code, done.out) == (2, "")
    assert "cannot be used together" in done.err.splitlines()[-1]


def test_who_speaks_stands_before_the_text() -> None:
    segment = Segment(0.0, 1.0, " Hello.", (Token(1, b" Hello.", 0.99),), speaker="left")
    assert line(segment) == "[00:00:00.000 --> 00:00:01.000]   left: Hello."
    assert line(segment, times=False) == "left: Hello."
    colored_line = line(segment, colors=True)
    assert COLOR.sub("", colored_line) == line(segment)


def test_a_table_has_figures_to_the_right_and_no_empty_column(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [("a", "9 MiB", "", "English"), ("中文", "~10 MiB", "", "9\x1b"), ("c", "", "", "")]
    console.table(("name", "size", "state", "speaks"), rows, indent="  ")
    assert capsys.readouterr().out.splitlines() == [
        "  name     size  speaks",
        "  a       9 MiB  English",
        "  中文  ~10 MiB  9\\x1b",
        "  c",
    ]
