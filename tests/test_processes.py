"""Worker processes: what they are sent and answer, and how each end notices that of the other."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from whisperctl.errors import BackendError
from whisperctl.processes import WorkerProcess, command, end_all, exit_reason

ECHO = """
import sys
from whisperctl.processes import serve, watch_parent

def echo(requests, send):
    print("this is no answer")
    for line in requests:
        send(line.upper())
    return 3

def hang(requests, send):
    requests.readline()
    watch_parent(requests)
    try:
        send(b"busy\\n")
        while True:
            import time
            time.sleep(0.01)
    finally:
        print("closed", file=sys.stderr)

def die(requests, send):
    send(b"whole\\nhalf")
    print("no luck", file=sys.stderr, flush=True)
    import os
    os.abort()

if __name__ == "__main__":
    sys.exit(serve(globals()[sys.argv[1]]))
"""


@pytest.fixture
def script(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "echo.py"
    path.write_text(ECHO)
    return (sys.executable, str(path))


def test_a_line_is_answered_by_a_line(script: tuple[str, ...]) -> None:
    process = WorkerProcess([*script, "echo"], "a test")
    large = b"x" * 1_000_000 + b"\n"
    process.send(b"one\n")
    answers = process.answers()
    assert next(answers) == b"ONE\n"
    process.send(large)
    assert next(answers) == large.upper()
    process.stop()
    assert list(answers) == []
    # What libraries print is on standard error.
    assert process.exit_summary() == "its process ended with exit code 3: this is no answer"
    end_all([process])
    process.close_answers()


def test_a_process_that_dies_leaves_whole_lines_and_a_reason(script: tuple[str, ...]) -> None:
    process = WorkerProcess([*script, "die"], "a test")
    assert list(process.answers()) == [b"whole\n"]
    process.send(b"too late\n")
    assert process.exit_summary() == "its process was killed by SIGABRT: no luck"
    end_all([process])
    process.close_answers()


def test_a_process_ignores_the_terminal_and_ends_with_its_parent(script: tuple[str, ...]) -> None:
    process = WorkerProcess([*script, "hang"], "a test")
    process.send(b"go\n")
    assert next(process.answers()) == b"busy\n"
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(process.pid, number)
    started = time.monotonic()
    process.stop()
    assert process.exit_summary() == "its process ended with exit code 1: closed"
    assert time.monotonic() - started < 1.5
    end_all([process])
    process.close_answers()


@pytest.mark.slow
def test_a_process_that_does_not_end_is_killed() -> None:
    process = WorkerProcess([sys.executable, "-c", "import time; time.sleep(60)"], "a test")
    end_all([process])
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
    process.close_answers()


def test_a_command_that_cannot_be_started_is_one_line() -> None:
    with pytest.raises(BackendError, match=r'^a test failed: "/no/python" cannot be started \('):
        WorkerProcess(command("whisperctl", "/no/python"), "a test")


def test_an_exit_code_is_described() -> None:
    assert exit_reason(2) == "ended with exit code 2"
    assert exit_reason(-9) == "was killed by SIGKILL (possibly out of memory)"
    assert exit_reason(-127) == "was killed by signal 127"
