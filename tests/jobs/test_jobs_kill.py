"""A run that is killed, again and again, and goes on each time where it was."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Cli
    from tests.jobs.conftest import Cut

N_RECORDINGS = 30
N_KILLS = 10
PIECES = ((0.0, 5.0), (3.0, 8.0), (6.0, 11.0))
STARTED = re.compile(r"==> (.+) <==")
NOT_AGAIN = re.compile(r'whisperctl: "(.+)" was (transcribed before|finished by another run)')


class Watcher(threading.Thread):
    """Looks into the results' directory all the time, and keeps what is wrong with it."""

    def __init__(self, directory: Path, expected: dict[str, bytes]) -> None:
        super().__init__(daemon=True)
        self._directory = directory
        self._expected = expected
        self._over = threading.Event()
        self._seen: dict[str, tuple[int, int]] = {}
        self.wrong: list[str] = []
        self.n_looks = 0

    def run(self) -> None:
        while not self._over.wait(0.005):
            self.n_looks += 1
            for entry in os.scandir(self._directory):
                if entry.name.startswith("."):
                    continue
                status = entry.stat()
                now = (status.st_ino, status.st_mtime_ns)
                if self._seen.get(entry.name) != now:
                    self._seen[entry.name] = now
                    if Path(entry.path).read_bytes() != self._expected.get(entry.name):
                        self.wrong.append(entry.name)

    def end(self) -> None:
        self._over.set()
        self.join()


def transcribed(errors: str) -> Counter[str]:
    """The recordings that a run began to transcribe."""
    named = Counter(Path(match[1]).stem for match in STARTED.finditer(errors))
    named.subtract(Path(match[1]).stem for match in NOT_AGAIN.finditer(errors))
    return +named


@pytest.mark.slow
def test_kill_at_any_moment_and_resume_until_done(fake: Cli, model: Path, cut: Cut) -> None:
    chance = random.Random(20)
    for number, (start_s, end_s) in enumerate(PIECES):
        cut(fake.directory / "pieces" / f"{number}.wav", start_s, end_s)
    options = ("-m", str(model), "-b", "fake/slow", "-f", "srt,txt")
    assert fake("transcribe", "pieces", *options, "-o", "whole").code == 0
    expected = {}
    for index in range(N_RECORDINGS):
        piece = index % len(PIECES)
        talk = fake.directory / "talks" / f"talk {index}.wav"
        talk.parent.mkdir(exist_ok=True)
        os.link(fake.directory / "pieces" / f"{piece}.wav", talk)
        for kind in ("srt", "txt"):
            whole = fake.directory / "whole" / f"{piece}.{kind}"
            expected[f"talk {index}.{kind}"] = whole.read_bytes()
    assert len({expected["talk 0.txt"], expected["talk 1.txt"], expected["talk 2.txt"]}) == 3

    out = fake.directory / "out"
    out.mkdir()
    watcher = Watcher(out, expected)
    watcher.start()
    command = ["transcribe", "talks", *options, "-o", "out"]
    finished: set[str] = set()
    again: list[str] = []
    for kill in range(N_KILLS):
        # Two at once now and then: their processes outlive the killed one for a moment.
        arguments = [*command, *(["--resume"] if kill else []), *(["-j", "2"] if kill % 3 else [])]
        process = fake.start(*arguments)
        errors = killed(process, after=chance.choice((0, 1, 1, 2)), wait_s=chance.random() / 4)
        again += sorted(finished & set(transcribed(errors)))
        names = {path.name for path in out.iterdir()}
        finished |= {
            stem for index in range(N_RECORDINGS) if is_whole(names, stem := f"talk {index}")
        }
    assert len(finished) < N_RECORDINGS  # every kill hit a run under way
    done = fake(*command, "--resume")
    watcher.end()

    assert done.code == 0
    assert again == [] and not finished & set(transcribed(done.err))
    assert watcher.wrong == [] and watcher.n_looks > 1000
    assert {path.name: path.read_bytes() for path in out.iterdir()} == expected
    state = fake.directory.parent / "state"
    assert len(list(state.iterdir())) >= N_RECORDINGS
    assert not [path for path in state.iterdir() if path.suffix != ".jsonl"]

    nothing = fake(*command, "--resume")
    assert (nothing.code, nothing.out) == (0, "")
    assert nothing.err == "whisperctl: 30 of 30 recordings were finished by an earlier run\n"


def is_whole(names: set[str], stem: str) -> bool:
    return {f"{stem}.srt", f"{stem}.txt"} <= names


def killed(process: subprocess.Popen[bytes], *, after: int, wait_s: float) -> str:
    """Kill a run some time after it began so many recordings; what it said until then."""
    assert process.stderr is not None and process.stdout is not None
    said = b""
    while said.count(b"==> ") < after:
        line = process.stderr.readline()
        assert line, said
        said += line
    time.sleep(wait_s)
    assert process.poll() is None, said
    process.send_signal(signal.SIGKILL)
    # Not to the pipes' end: processes that it started hold them for a moment longer.
    process.wait()
    os.set_blocking(process.stderr.fileno(), False)
    said += process.stderr.read() or b""
    process.stderr.close()
    process.stdout.close()
    return said.decode()
