"""A model file is inspected once, until it changes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from whisperctl.errors import ModelError
from whisperctl.models import ggml
from whisperctl.models.ggml.files import OncePerFile
from whisperctl.testing.fake import write_model


def settle(path: Path) -> None:
    """Let a file be one that was written a minute ago."""
    a_minute_ago_s = time.time() - 60
    os.utime(path, (a_minute_ago_s, a_minute_ago_s))


@pytest.fixture
def calls() -> list[Path]:
    return []


@pytest.fixture
def size(calls: list[Path]) -> OncePerFile[int]:
    def function(path: Path) -> int:
        calls.append(path)
        return path.stat().st_size

    return OncePerFile(function)


def test_a_file_that_does_not_change_is_read_once(
    tmp_path: Path, size: OncePerFile[int], calls: list[Path]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12")
    settle(path)
    assert [size(path), size(path)] == [2, 2]
    assert calls == [path]
    size.forget()
    assert size(path) == 2
    assert len(calls) == 2


def test_a_file_that_has_changed_or_may_change_is_read_again(
    tmp_path: Path, size: OncePerFile[int], calls: list[Path]
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12")
    settle(path)
    size(path)
    path.write_bytes(b"34")  # of the same size, just now
    size(path)
    size(path)
    assert len(calls) == 3
    other = tmp_path / "other"
    other.write_bytes(b"56")
    settle(other)
    other.replace(path)
    size(path)
    assert len(calls) == 4


def test_an_error_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"This is not a model.")
    settle(path)
    for _ in range(2):
        with pytest.raises(ModelError, match="not a ggml Whisper model"):
            ggml.inspect(path)
    write_model(path)
    assert not ggml.inspect(path).multilingual


def test_a_list_of_tensors_belongs_to_its_caller(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.bin")
    settle(path)
    ggml.survey(path)[1].clear()
    assert len(ggml.survey(path)[1]) > 1
