from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.errors import ModelError
from whisperctl.models import catalog, ggml, pull, store
from whisperctl.models.pull import verify

if TYPE_CHECKING:
    from tests.models.conftest import Builder

# Where in the file: the version, the numbers after it, the first tensor.
VERSION, ARCHITECTURE, TENSORS = 18, 30, 106


def refusal(path: Path) -> str:
    """What ``inspect`` says against a file; one line that names it."""
    with pytest.raises(ModelError) as caught:
        ggml.inspect(path, "silero")
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_whole_model_tells_its_version(build: Builder, silero: bytes, tmp_path: Path) -> None:
    info = ggml.inspect(write(tmp_path / "a.bin", silero), "silero")
    assert (info.type, info.kind, info.size_bytes) == ("silero", "silero-v6.2.0", len(silero))
    assert (info.n_languages, info.description) == (0, None)
    assert len(silero) == catalog.DETECTOR.size_bytes, "as the published one"
    older = write(tmp_path / "b.bin", build.silero((5, 1, 2)))
    assert ggml.inspect(older, "silero").kind == "silero-v5.1.2"
    assert ggml.inspect(older, None) == ggml.inspect(older, "silero")


@pytest.mark.slow
def test_a_model_cut_off_anywhere_is_refused(silero: bytes, tmp_path: Path) -> None:
    """whisper.cpp would read on and take zeros for what is not there."""
    path = tmp_path / "cut.bin"
    cuts = [*range(18, 200), *range(200, len(silero), 9973), len(silero) - 1]
    for size in cuts:
        message = refusal(write(path, silero[:size]))
        assert "is truncated" in message, size
    for size in range(18):
        assert "is empty" in refusal(write(path, silero[:size])) or size


def test_bytes_after_the_last_tensor_are_damage(silero: bytes, tmp_path: Path) -> None:
    assert "5 too many" in refusal(write(tmp_path / "long.bin", silero + b"extra"))


@pytest.mark.parametrize("at", range(ARCHITECTURE, TENSORS, 4))
def test_another_architecture_than_whispercpp_runs_is_refused(
    at: int, silero: bytes, tmp_path: Path
) -> None:
    data = bytearray(silero)
    for value in (-1, 0, 1 << 30):
        struct.pack_into("<i", data, at, value)
        message = refusal(write(tmp_path / "other.bin", bytes(data)))
        assert "not that of a Silero model that whisper.cpp runs" in message


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ((0, struct.pack("<i", 9)), "garbled"),  # dimensions
        ((0, struct.pack("<i", -1)), "garbled"),
        ((4, struct.pack("<i", 100_000)), "garbled"),  # length of the name
        ((4, struct.pack("<i", -3)), "garbled"),
        ((8, struct.pack("<i", 0)), "has type 0"),
        ((8, struct.pack("<i", 1 << 20)), "has type 1048576"),
        ((12, struct.pack("<i", 5)), "has shape"),
        ((24, b"x"), "unexpected tensor"),
    ],
)
def test_a_garbled_tensor_is_noticed(
    change: tuple[int, bytes], complaint: str, silero: bytes, tmp_path: Path
) -> None:
    data = bytearray(silero)
    at = TENSORS + change[0]
    data[at : at + len(change[1])] = change[1]
    assert complaint in refusal(write(tmp_path / "garbled.bin", bytes(data)))


def test_a_tensor_twice_does_not_stand_in_for_another(silero: bytes, tmp_path: Path) -> None:
    data = silero.replace(b"rnn.weight_hh", b"rnn.weight_ih")
    assert "unexpected tensor" in refusal(write(tmp_path / "twice.bin", data))


def test_other_files_are_named(small_model: Path, tmp_path: Path) -> None:
    assert "is not a Silero VAD model: it is another ggml model" in refusal(small_model)
    assert "whisperctl models pull silero" in refusal(small_model)
    assert "a wav" in refusal(write(tmp_path / "talk.bin", b"RIFF\x24\0\0\0WAVEfmt "))
    assert "does not exist" in refusal(tmp_path / "absent.bin")
    assert "is a directory" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "is not a file" in refusal(tmp_path / "pipe")


# --- in the store ---------------------------------------------------------------------------------


def test_nothing_is_found_where_none_is(small_ggml: bytes, store_directory: Path) -> None:
    assert store.find_detector() is None
    store_directory.mkdir()
    write(store_directory / "ggml-mine.bin", small_ggml)
    assert store.find_detector() is None


def test_the_published_one_is_found_before_others(
    build: Builder, silero: bytes, store_directory: Path
) -> None:
    store_directory.mkdir()
    older = write(store_directory / "ggml-a-silero.bin", build.silero((5, 1, 2)))
    assert store.find_detector() == older
    assert store.find_detector("a-silero") == store.find_detector(str(older)) == older
    published = write(store_directory / "ggml-silero-v6.2.0.bin", silero)
    assert (
        store.find_detector()
        == store.find_detector("silero")
        == store.find_detector("silero-v6.2.0")
        == published
    )


def test_a_damaged_one_is_an_error_and_not_passed_over(
    silero: bytes, store_directory: Path
) -> None:
    store_directory.mkdir()
    path = store_directory / "ggml-silero-v6.2.0.bin"
    for data in (b"", b"<html>", silero[:1000]):
        write(path, data)
        with pytest.raises(ModelError, match="pull"):
            store.find_detector()
    assert store.Store().detectors() == ["silero-v6.2.0"]
    assert store.Store().installed() == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("silero", r'not installed: run "whisperctl models pull silero"'),
        ("sillero", 'did you mean "silero"'),
        ("base", r'"base" transcribes and cannot detect speech: .* such as "silero"'),
        ("mine", "is not a Silero VAD model"),
        ("no/such/file.bin", "does not exist"),
    ],
)
def test_a_named_one_that_does_not_serve_is_an_error(
    name: str, complaint: str, small_ggml: bytes, store_directory: Path
) -> None:
    store_directory.mkdir()
    write(store_directory / "ggml-mine.bin", small_ggml)
    with pytest.raises(ModelError, match=complaint) as caught:
        store.find_detector(name)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["silero", "silero-v6.2.0", "mine", "path"])
def test_it_does_not_pass_for_a_model_that_transcribes(
    name: str, silero: bytes, small_ggml: bytes, store_directory: Path
) -> None:
    def refused(name_or_path: str) -> str:
        with pytest.raises(ModelError, match="detects speech and cannot transcribe") as caught:
            store.resolve(name_or_path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    if name.startswith("silero"):
        assert "whisperctl models pull base" in refused(name), "before it is pulled"
    store_directory.mkdir()
    write(store_directory / "ggml-whisper.bin", small_ggml)
    write(store_directory / "ggml-silero-v6.2.0.bin", silero)
    path = write(store_directory / "ggml-mine.bin", silero)
    assert "whisperctl models pull base" in refused(str(path) if name == "path" else name)
    assert store.Store().installed() == ["whisper"]
    assert store.Store().detectors() == ["silero-v6.2.0", "mine"]


def test_one_that_whispercpp_downloaded_may_be_imported(
    build: Builder, silero: bytes, tmp_path: Path, store_directory: Path
) -> None:
    older = write(tmp_path / "ggml-silero-v5.1.2.bin", build.silero((5, 1, 2)))
    assert pull.import_model(older).name == "silero-v5.1.2"
    for name in ("silero", "silero-v6.2.0"):
        with pytest.raises(ModelError, match="differs from the published"):
            pull.import_model(older, name)
    assert [verdict.status for verdict in verify()] == ["unpublished"]
    assert store.find_detector() == store_directory / "ggml-silero-v5.1.2.bin"


def test_a_model_that_has_an_alias_for_its_name_keeps_it(
    small_ggml: bytes, store_directory: Path
) -> None:
    store_directory.mkdir()
    path = write(store_directory / "ggml-silero.bin", small_ggml)
    assert store.Store().installed() == ["silero"]
    assert store.resolve("silero") == path
    assert store.Store().remove("silero") == path
