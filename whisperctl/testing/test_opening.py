"""Promise 2. Opening.

`open` takes a ggml model file at any path, a number of threads, and one of the runtimes that
`describe` names. A runtime it does not have is a `BackendError`. A file that is no model, is
damaged or cut short never gets to it: whisperctl checks each model once, before it calls `open`,
which need not do so again. One that is gone by then, or that the engine refuses, is a `ModelError`.
More threads than it can compute with are a `UsageError`; any number it takes hears the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from whisperctl.audio import Audio
from whisperctl.engine import registry
from whisperctl.errors import BackendError, ModelError
from whisperctl.testing.subject import GREEDY, Outcome, Subject, one_line


def test_a_runtime_it_does_not_have_is_an_error(subject: Subject) -> None:
    with pytest.raises(BackendError) as caught:
        subject.backend.open(subject.model, threads=1, runtime="no-such-runtime").close()
    assert one_line(caught.value), "the message is one line"
    assert "no-such-runtime" in str(caught.value), "the message names what is wrong"


def test_each_runtime_it_names_is_known_to_it(subject: Subject) -> None:
    for runtime in subject.backend.describe().runtimes:
        if runtime.available:
            subject.backend.open(subject.model, threads=1, runtime=runtime.name).close()


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
        subject.open(tmp_path / "gone.bin").close()
    assert one_line(caught.value), "the message is one line"
    assert "gone.bin" in str(caught.value), "the message names the file"


def test_one_thread_hears_the_same_and_any_path_is_fine(
    subject: Subject, clip: Audio, short: Outcome, tmp_path: Path
) -> None:
    path = tmp_path / "модель für mich.bin"
    path.symlink_to(subject.model)

    with subject.open(path, threads=1) as session:
        alone = session.transcribe(clip, GREEDY)

    assert alone.text == short.transcript.text, "threads change the time, not the text"
