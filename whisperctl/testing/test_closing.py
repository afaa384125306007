"""Promise 11. Closing.

A session is a context manager. `close` releases threads, processes and memory, and may be called
twice; a closed session raises `BackendError`. Two sessions at once do not disturb each other,
transcribing again and again takes no more memory, and a session that was left open does not spoil
the end of the process.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from itertools import pairwise

import pytest

from whisperctl.audio import Audio
from whisperctl.errors import BackendError
from whisperctl.testing.subject import GREEDY, Outcome, Shared, Subject, one_line

_RUNS, _MOST_RUNS = 3, 10
_GROWTH_BYTES = 2**20

_LEFT_OPEN = """
import sys
from pathlib import Path
import numpy as np
from whisperctl import backend
from whisperctl.audio import Audio
from whisperctl.options import DecodeOptions

name, model, runtime = sys.argv[1:]
session = backend.load(name).open(Path(model), threads=1, runtime=runtime or None)
session.transcribe(Audio(np.zeros(1600, np.float32), "silence"), DecodeOptions(language="en"))
print("done")
"""


def test_closing_releases_the_session_for_good(subject: Subject, clip: Audio) -> None:
    before = set(threading.enumerate())
    session = subject.open()
    session.close()
    session.close()

    with pytest.raises(BackendError) as caught:
        session.transcribe(clip, GREEDY)
    assert one_line(caught.value), "the message is one line"
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert left == [], "close() ends every thread that the session started"


def test_a_with_block_closes_whatever_happens_in_it(subject: Subject, clip: Audio) -> None:
    with pytest.raises(ZeroDivisionError), subject.open() as session:
        _ = 1 / 0
    with pytest.raises(BackendError):
        session.transcribe(clip, GREEDY)


def test_two_sessions_at_once_do_not_disturb_each_other(
    subject: Subject, shared: Shared, recording: Audio, clip: Audio, short: Outcome
) -> None:
    rest = Audio(recording.samples[len(clip.samples) : 2 * len(clip.samples)], "what follows")
    texts: list[str] = []

    with subject.open() as other:
        thread = threading.Thread(
            target=lambda: texts.append(other.transcribe(clip, GREEDY).text), daemon=True
        )
        thread.start()
        shared.transcribe(rest)
        thread.join()

    assert texts == [short.transcript.text], "another session at work changes nothing"


def test_memory_does_not_grow_from_run_to_run(shared: Shared, clip: Audio) -> None:
    for n_runs in range(1, _MOST_RUNS + 1):
        shared.transcribe(clip)
        if not shared.memory:
            pytest.skip("the memory that a process holds is not known here")
        # Buffers grow now and then, and other sessions come and go; a leak adds to every run.
        grown = min((b - a for a, b in pairwise(shared.memory[-n_runs:])), default=_GROWTH_BYTES)
        if n_runs >= _RUNS and grown < _GROWTH_BYTES:
            break
    assert grown < _GROWTH_BYTES, f"{grown / 2**20:.1f} MiB more are held after each run"


def test_a_session_left_open_does_not_spoil_the_end_of_the_process(subject: Subject) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-c", _LEFT_OPEN),
            *(subject.name, str(subject.model), subject.runtime or ""),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
