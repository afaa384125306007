"""Promise 1. Description.

The class that the entry point names is called without arguments. It has the entry point's `name`, a
`contract`, which is the number of the protocols that it is written for, and a `preference`: 0, or
more to be preferred when nobody names a backend. `describe` never raises and is quick, as commands
wait for it: a runtime that cannot work here says why, and what to install, in `problem`. The module
that the entry point names imports no engine, and `describe` starts none; `open` does both.

Promise 2. Opening.

`open(model, options)` takes a `Model`, which is a ggml model file at any path and what its header
says, and `OpenOptions`: a number of threads, and one of the runtimes that `describe` names. A
runtime it does not have is a `BackendError`. A file that is not a model, is damaged or cut short
never gets to it: whisperctl inspects and checks each model once, before it calls `open`, which need
not do so again. A file that is gone by then, or that the engine refuses, is a `ModelError`. More
threads than it can compute with are a `UsageError`; any number it takes gives the same result.

Promise 3. Closing.

A session is a context manager. `close` releases threads, processes and memory, and may be called
twice; a closed session raises `BackendError`. Two sessions at once do not disturb each other,
transcribing repeatedly takes no more memory, and a session left open does not disturb the end of
the process.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest

from whisperctl.audio import Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import CONTRACT, Model, OpenOptions
from whisperctl.errors import BackendError, ModelError
from whisperctl.testing.subject import GREEDY, Outcome, Shared, Subject, one_line
from whisperctl.transcript import Transcript

# What is compiled and not part of Python itself.
_COMPILED = """
import importlib, sys, sysconfig
importlib.import_module(sys.argv[1])
own = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
print(*sorted({
    file for file in files
    if file.endswith((".so", ".pyd")) and (not file.startswith(own) or "-packages" in file)
}))
"""
_QUICK_S = 5.0


def test_it_says_what_it_is(subject: Subject) -> None:
    info = subject.backend.describe()

    assert info.name == subject.name, "describe().name is the entry point's name"
    assert subject.backend.name == subject.name, "the backend's name is the entry point's name"
    assert info.version, "describe().version is the version of the backend's package"
    assert info.library, "describe().library says what runs the models, and its version"
    assert "\n" not in info.library + info.version, "each is part of one line"
    assert subject.backend.contract == CONTRACT, "contract is the number of these protocols"
    assert isinstance(subject.backend.preference, int), "preference is 0 unless there is a reason"


def test_its_runtimes_say_whether_they_work_here(subject: Subject) -> None:
    runtimes = subject.backend.describe().runtimes

    names = [runtime.name for runtime in runtimes]
    assert names, "a backend with a single way to run has one runtime"
    assert len(set(names)) == len(names), "no two runtimes have one name"
    for runtime in runtimes:
        assert runtime.problem is None or (runtime.problem and "\n" not in runtime.problem), (
            f"{runtime.name}'s problem is one line that says what to install, or None"
        )
        assert all(file.is_file() for file in runtime.files), f"{runtime.name}'s files are there"
    usable = {runtime.name for runtime in runtimes if runtime.available}
    assert usable, "nothing can be tested where no runtime works"
    assert subject.runtime is None or subject.runtime in usable, f"it can run {sorted(usable)}"


def test_describing_it_is_quick(subject: Subject) -> None:
    subject.backend.describe()
    started = time.monotonic()
    subject.backend.describe()
    assert time.monotonic() - started < _QUICK_S


def test_importing_it_loads_no_engine(subject: Subject) -> None:
    module = registry.installed()[subject.name].module

    done = subprocess.run(
        [sys.executable, "-c", _COMPILED, module], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [], f"import these inside describe() and open(), not in {module}"


def test_a_runtime_it_does_not_have_is_an_error(subject: Subject) -> None:
    with pytest.raises(BackendError) as caught:
        subject.backend.open(
            Model.inspect(subject.model), OpenOptions(runtime="no-such-runtime")
        ).close()
    assert one_line(caught.value), "the message is one line"
    assert "no-such-runtime" in str(caught.value), "the message names what is wrong"


def test_each_runtime_it_names_is_known_to_it(subject: Subject) -> None:
    for runtime in subject.backend.describe().runtimes:
        if runtime.available:
            options = OpenOptions(runtime=runtime.name)
            subject.backend.open(Model.inspect(subject.model), options).close()


def _foreign(model: Path) -> bytes:
    return b"This is not a model.\n" * 1000


def _empty(model: Path) -> bytes:
    return b""


def _half(model: Path) -> bytes:
    with model.open("rb") as file:
        return file.read(model.stat().st_size // 2)


def _without_weights(model: Path) -> bytes:
    with model.open("rb") as file:
        return file.read(550_000)


def _nonsense(model: Path) -> bytes:
    return b"lmgg" + b"\x01" * 4096  # the magic number, and sizes that make no sense


@pytest.mark.parametrize("damage", [_foreign, _empty, _half, _without_weights, _nonsense])
def test_what_is_no_whole_model_never_gets_to_it(
    subject: Subject, tmp_path: Path, damage: object
) -> None:
    assert callable(damage)
    path = tmp_path / "ggml bad model.bin"
    path.write_bytes(damage(subject.model))

    with pytest.raises(ModelError) as caught:
        registry.open_session(subject.engine, path, threads=1).close()
    assert one_line(caught.value), "the message is one line"
    assert "bad model.bin" in str(caught.value), "the message names the file"


def test_a_model_that_is_not_there_is_an_error(subject: Subject, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        gone = Model(tmp_path / "gone.bin", Model.inspect(subject.model).info)
        subject.backend.open(gone, subject.open_options()).close()
    assert one_line(caught.value), "the message is one line"
    assert "gone.bin" in str(caught.value), "the message names the file"


_MOST_RUNS = 10
_GROWTH_BYTES = 2**20

_LEFT_OPEN = """
import sys
from pathlib import Path
import numpy as np
from whisperctl.audio import Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.options import DecodeOptions

name, model, runtime = sys.argv[1:]
options = OpenOptions(runtime=runtime or None)
session = registry.load(name).open(Model.inspect(Path(model)), options)
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


def test_memory_does_not_grow_from_run_to_run(
    shared: Shared, clip: Audio, measured: Transcript
) -> None:
    assert measured.segments  # the third run in a row, before there are other sessions
    if not shared.memory:
        pytest.skip("the memory that a process holds is not known here")
    # Buffers grow now and then; a leak adds to every run.
    while (grown := _growth(shared)) >= _GROWTH_BYTES and len(shared.memory) < _MOST_RUNS:
        shared.transcribe(clip)
    assert grown < _GROWTH_BYTES, f"{grown / 2**20:.1f} MiB more are held after each run"


def _growth(shared: Shared) -> int:
    return min(after - before for before, after in pairwise(shared.memory))


def test_two_sessions_at_once_on_any_path_and_threads_hear_the_same(
    subject: Subject, shared: Shared, clip: Audio, short: Outcome, tmp_path: Path
) -> None:
    path = tmp_path / "модель für mich.bin"
    path.symlink_to(subject.model)
    texts: list[str] = []

    with subject.open(path, threads=1) as other:
        thread = threading.Thread(
            target=lambda: texts.append(other.transcribe(clip, GREEDY).text), daemon=True
        )
        thread.start()
        again = shared.transcribe(clip)
        thread.join()

    assert texts == [short.transcript.text], (
        "neither another session at work nor the number of threads changes the text"
    )
    assert again.text == short.transcript.text, "another session at work changes nothing"


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
