"""Signals, pipes, full disks and terminals."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from tests.conftest import Cli

GREEDY = ("--beam-size", "1")
SLOW = ("-b", "fake/slow")
"""Half a minute for ``long_talk``."""


def first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


def ended(process: subprocess.Popen[bytes], number: signal.Signals) -> tuple[int, str]:
    """Send a signal; the exit code and standard error, once nothing of the command is left."""
    family = psutil.Process(process.pid).children(recursive=True)
    sent = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    took_s = time.monotonic() - sent
    assert took_s < 3  # a second, and two for a machine that is busy with something else
    assert not [child for child in family if child.is_running()]
    return process.returncode, errors.decode()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["native", "wasi"])
def test_ctrl_c_ends_every_backend_at_once(
    cli: Cli, backend: str, minute_talk: Path, tiny_en: Path
) -> None:
    process = cli.start(
        *("transcribe", minute_talk, "-m", tiny_en, "-b", backend, *GREEDY, "-f", "srt")
    )
    assert first_line(process).startswith(b"[00:00:00.000")
    time.sleep(0.5)  # so that the next window is being computed
    code, errors = ended(process, signal.SIGINT)
    assert (code, errors) == (130, "whisperctl: interrupted\n")
    assert list(cli.directory.iterdir()) == []


@pytest.mark.slow
def test_ctrl_c_at_the_start_is_quiet_too(fake: Cli, long_talk: Path, model: Path) -> None:
    for delay_s in (0.15, 0.3, 0.6):
        process = fake.start("transcribe", long_talk, "-m", model, *SLOW)
        time.sleep(delay_s)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        # Before our own first line Python dies of the signal itself, in its own words.
        assert process.returncode in (130, -signal.SIGINT)
        if process.returncode == 130:
            assert errors == b"whisperctl: interrupted\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated by SIGTERM"),
        (signal.SIGHUP, 129, "terminated by SIGHUP"),
    ],
    ids=str,
)
def test_a_signal_ends_a_run_cleanly(
    fake: Cli, long_talk: Path, model: Path, number: signal.Signals, code: int, said: str
) -> None:
    process = fake.start("transcribe", long_talk, "-m", model, *SLOW, "-f", "srt")
    first_line(process)
    assert ended(process, number) == (code, f"whisperctl: {said}\n")
    assert list(fake.directory.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated by SIGTERM"),
    ],
    ids=str,
)
def test_a_signal_during_a_finalizer_is_not_lost(
    number: signal.Signals, code: int, said: str
) -> None:
    program = (
        "import os, sys, time\n"
        "from whisperctl import cli\n"
        "class Handle:\n"
        "    def __del__(self):\n"
        f"        os.kill(os.getpid(), {number:d})\n"
        "        time.sleep(5)\n"
        "cli._run = lambda arguments: [Handle()].clear() or time.sleep(30) or 0\n"
        "sys.exit(cli.main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (code, f"whisperctl: {said}\n")


def test_a_hangup_that_nohup_has_ignored_stays_ignored() -> None:
    program = (
        "import os, signal, sys\n"
        "from whisperctl import cli\n"
        "signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
        "cli._run = lambda arguments: os.kill(os.getpid(), signal.SIGHUP) or 0\n"
        "sys.exit(cli.main())\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.slow
def test_segments_come_through_a_pipe_while_the_run_goes_on(
    fake: Cli, long_talk: Path, model: Path
) -> None:
    process = fake.start("transcribe", long_talk, "-m", model, *SLOW)
    assert first_line(process).startswith(b"[00:00:00.000")
    assert process.poll() is None
    ended(process, signal.SIGINT)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["transcribe", "help"])
def test_a_reader_that_goes_away_ends_the_command_quietly(
    fake: Cli, long_talk: Path, model: Path, command: str
) -> None:
    arguments = ["transcribe", str(long_talk), "-m", str(model), *SLOW]
    process = fake.start(*(arguments if command == "transcribe" else ["--help"]))
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.slow
def test_a_reader_that_goes_away_costs_no_file(fake: Cli, jfk: Path, model: Path) -> None:
    process = fake.start("transcribe", jfk, "-m", model, "-f", "txt")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b'whisperctl: wrote "jfk.txt"\n'
    process.stderr.close()
    whole = fake.here("transcribe", jfk, "-m", model, "--no-timestamps")
    assert (fake.directory / "jfk.txt").read_text("utf-8") == whole.out


@pytest.mark.slow
def test_a_full_disk_behind_standard_output_is_an_error(fake: Cli, jfk: Path, model: Path) -> None:
    for arguments in (["transcribe", jfk, "-m", model], ["--help"], ["models", "list"]):
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                fake.command(*arguments),
                stdout=full,
                stderr=subprocess.PIPE,
                cwd=fake.directory,
                env=fake.environment(),
                check=False,
            )
        assert done.returncode == 1
        assert done.stderr == (
            b"whisperctl: error: standard output cannot be written: No space left on device\n"
        )


def run_with_closed(
    streams: str, fake: Cli, *arguments: str | Path
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {streams}', "sh", *fake.command(*arguments)],
        capture_output=True,
        cwd=fake.directory,
        env=fake.environment(),
        check=False,
    )


CLOSED = ">&-"
PRINTING = (
    *("transcribe", "models list", "models path", "compare", "config show"),
    *("completion bash", "convert", "--help", "--version"),
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "streams"),
    [*((command, CLOSED) for command in PRINTING), ("transcribe", f"<&- {CLOSED}")],
)
def test_a_closed_standard_output_is_an_error(
    command: str, streams: str, fake: Cli, jfk: Path, model: Path
) -> None:
    (fake.directory / "a.srt").write_text("1\n00:00:01,000 --> 00:00:02,000\nwords\n", "utf-8")
    commands: dict[str, tuple[str | Path, ...]] = {
        "transcribe": ("transcribe", jfk, "-m", model),
        "models path": ("models", "path", model),
        "compare": ("compare", "--show", "missing.json"),
        "convert": ("subtitles", "convert", "a.srt", "-", "--to", "vtt"),
    }
    done = run_with_closed(streams, fake, *commands.get(command, tuple(command.split())))
    said = done.stderr.decode()
    assert done.returncode == (1 if command != "compare" else done.returncode) != 0
    assert said.count("\n") == 1
    assert "(unexpected" not in said
    if command != "compare":
        assert said.startswith("whisperctl: error: standard output is closed")


@pytest.mark.slow
@pytest.mark.parametrize("streams", ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"])
def test_what_is_not_the_result_never_gets_into_it(
    streams: str, fake: Cli, jfk: Path, model: Path
) -> None:
    """Where standard error is closed, print() and the system put it in standard output's place."""
    done = run_with_closed(streams, fake, "transcribe", "missing.wav", jfk, "-m", model)
    assert done.returncode == 1
    assert done.stderr == b""
    lines = done.stdout.decode().splitlines()
    assert all(line.startswith("[00:00:") for line in lines)
    assert bool(lines) == (">&- 2" not in streams)


@pytest.mark.slow
def test_text_that_the_encoding_lacks_is_escaped(fake: Cli, model: Path) -> None:
    done = fake("transcribe", "größe.wav", "-m", model, env={"PYTHONIOENCODING": "ascii"})
    assert done.code == 1
    assert done.err.startswith("whisperctl: error: ")
    assert "Traceback" not in done.err


@pytest.mark.slow
def test_a_bar_is_drawn_only_on_a_terminal(fake: Cli, jfk: Path, model: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        fake.command("transcribe", jfk, "-m", model, *SLOW),
        stdout=subprocess.PIPE,
        stderr=terminal,
        cwd=fake.directory,
        env=fake.environment({"TERM": "xterm"}),
    )
    os.close(terminal)
    shown = read_terminal(controller, process)
    assert "loading the model" in shown
    assert process.stdout is not None
    with process.stdout:
        printed = process.stdout.read().decode()
    assert process.wait() == 0
    assert "jfk.wav" in shown and "%" in shown
    assert re.fullmatch(r"(\[[\d:.]+ --> [\d:.]+\]  .+\n)+", printed)
    assert "\x1b" not in printed


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_a_run_like_its_signal(
    fake: Cli, long_talk: Path, model: Path
) -> None:
    """Nothing can be written to it any more, which must not hide why the run ends."""
    controller, terminal = pty.openpty()

    def take_terminal() -> None:
        os.setsid()
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        fake.command("transcribe", long_talk, "-m", model, *SLOW, "--log-file", "log.txt"),
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=fake.directory,
        env=fake.environment({"TERM": "xterm"}),
        preexec_fn=take_terminal,
    )
    os.close(terminal)
    shown = b""
    while b"-->" not in shown:
        shown += os.read(controller, 65536)
    os.close(controller)
    assert process.wait(timeout=60) == 129
    log = (fake.directory / "log.txt").read_text("utf-8")
    assert log.rstrip().endswith("terminated by SIGHUP")
    assert "OSError" not in log


def read_terminal(controller: int, process: subprocess.Popen[bytes]) -> str:
    """All that is shown until the process ends."""
    shown = b""
    while True:
        ready, _, _ = select.select([controller], [], [], 0.1)
        if ready:
            try:
                shown += os.read(controller, 65536)
            except OSError:  # the other end is closed
                break
        elif process.poll() is not None:
            break
    os.close(controller)
    return shown.decode(errors="replace")
