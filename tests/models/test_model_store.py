from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.errors import ModelError
from whisperctl.models import pull, store
from whisperctl.models.pull import verify

if TYPE_CHECKING:
    from tests.models.conftest import Builder


def visible(directory: Path) -> list[str]:
    """Everything in the store but lock files."""
    return sorted(p.name for p in directory.iterdir() if not p.name.endswith(".lock"))


def run(code: str, limit_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own; its files may not grow beyond ``limit_bytes``."""

    def limit() -> None:
        if limit_bytes is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        preexec_fn=limit,
        timeout=60,
    )


def test_the_environment_names_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(store.VARIABLE, str(tmp_path / "x"))
    assert store.default_directory() == tmp_path / "x"
    for name in (None, "base"):
        with pytest.raises(
            ModelError, match=rf'\({store.VARIABLE} names ".*/x", which does not ex'
        ):
            store.resolve(name)
    monkeypatch.setenv(store.VARIABLE, "~/models")
    assert store.default_directory() == Path.home() / "models"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.delenv(store.VARIABLE)
    if sys.platform == "linux":
        assert store.default_directory() == tmp_path / "whisperctl" / "models"


def test_an_imported_file_is_found_by_name_and_by_path(
    small_model: Path, store_directory: Path
) -> None:
    result = pull.import_model(small_model)
    assert result.name == "small-model"
    assert result.published_as is None
    assert store.resolve("small-model") == store_directory / "ggml-small-model.bin"
    assert store.resolve(small_model) == small_model
    assert store.resolve(str(small_model)).read_bytes() == result.path.read_bytes()
    assert visible(store_directory) == ["ggml-small-model.bin"]


@pytest.mark.parametrize(
    ("here", "default"),
    [
        (["base", "tiny.en", "large-v3"], "base"),
        (["large-v3", "tiny.en"], "tiny.en"),
        (["mine"], "mine"),
    ],
)
def test_the_default_model_is_the_obvious_one_here(
    tmp_path: Path, here: list[str], default: str
) -> None:
    for name in here:
        (tmp_path / f"ggml-{name}.bin").write_bytes(b"whole or not")

    assert store.Store(tmp_path).default() == default


def test_where_no_model_is_the_obvious_one_all_are_named(tmp_path: Path) -> None:
    for name in ("mine", "yours"):
        (tmp_path / f"ggml-{name}.bin").touch()

    with pytest.raises(ModelError, match=r"no default model: .*mine, yours"):
        store.Store(tmp_path).default()


@pytest.mark.slow
def test_an_imported_directory_is_converted(
    build: Builder, tmp_path: Path, store_directory: Path
) -> None:
    source = build.ct2(tmp_path / "faster whisper, mine")
    assert pull.import_model(source).name == "faster-whisper-mine"
    assert pull.import_model(source, "other").path == store_directory / "ggml-other.bin"
    assert (
        store.resolve("other").stat().st_size == store.resolve("faster-whisper-mine").stat().st_size
    )


def test_a_damaged_file_is_not_imported(small_ggml: bytes, tmp_path: Path) -> None:
    bad = tmp_path / "bad.bin"
    bad.write_bytes(small_ggml[:-1])
    with pytest.raises(ModelError, match="truncated"):
        pull.import_model(bad, store=store.Store(tmp_path / "store"))
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("name", ["../up", "", ".hidden", "a/b", "a b", "a\nb", "x" * 200])
def test_an_unfit_name_is_refused(name: str, small_model: Path, store_directory: Path) -> None:
    with pytest.raises(ModelError, match="invalid model name"):
        store.Store().path_of(name)


def test_a_published_name_is_kept_for_published_contents(
    small_model: Path, store_directory: Path
) -> None:
    with pytest.raises(ModelError, match='differs from the published model "tiny"'):
        pull.import_model(small_model, "tiny")
    with pytest.raises(ModelError, match='differs from the published model "tiny-q5_1"'):
        pull.import_model(small_model, "tiny-q5_1")
    assert visible(store_directory) == []


def test_a_known_model_that_is_not_here_is_offered(store_directory: Path) -> None:
    with pytest.raises(ModelError, match=r'"whisperctl models pull small\.en"'):
        store.resolve("small.en")


def test_an_unknown_model_is_answered_with_the_nearest(
    small_model: Path, store_directory: Path
) -> None:
    with pytest.raises(ModelError, match='did you mean "tiny"'):
        store.resolve("tinny")
    pull.import_model(small_model, "kitchen")
    with pytest.raises(ModelError, match='did you mean "kitchen"'):
        store.resolve("kitchn")


@pytest.mark.parametrize("path", ["absent.bin", "./absent", "some/where", "/no/such/file.bin"])
def test_what_looks_like_a_path_is_one(path: str, store_directory: Path) -> None:
    with pytest.raises(ModelError, match="does not exist: check the name"):
        store.resolve(path)


def test_a_name_wins_over_a_file_of_that_name(
    small_ggml: bytes, store_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny").mkdir()
    with pytest.raises(ModelError, match="models pull tiny"):
        store.resolve("tiny")
    Path("mine").write_bytes(small_ggml)
    assert store.resolve("mine") == Path("mine")


def test_a_model_damaged_in_the_store_is_noticed(small_model: Path, store_directory: Path) -> None:
    path = pull.import_model(small_model, "mine").path
    assert [v.status for v in verify()] == ["unpublished"]
    path.write_bytes(path.read_bytes()[:100_000])
    assert [v.status for v in verify(["mine"])] == ["damaged"]
    with pytest.raises(ModelError, match="truncated"):
        store.resolve("mine")


def test_a_published_name_with_another_hash_is_damaged(
    small_ggml: bytes, store_directory: Path
) -> None:
    store_directory.mkdir()
    (store_directory / "ggml-tiny.bin").write_bytes(small_ggml)
    (verdict,) = verify()
    assert verdict.status == "damaged"
    assert "bd577a113a864445d4c299885e0cb97d4ba92b5f" in verdict.detail


def test_removing_a_model_removes_it(small_model: Path, store_directory: Path) -> None:
    pull.import_model(small_model, "mine")
    assert store.Store().remove("mine") == store_directory / "ggml-mine.bin"
    assert visible(store_directory) == []
    with pytest.raises(ModelError, match="unknown"):
        store.Store().remove("mine")
    with pytest.raises(ModelError, match="not installed"):
        store.Store().remove("tiny")


@pytest.mark.slow
@pytest.mark.parametrize("limit_bytes", [1000, 1_000_000, 6_000_000])
def test_a_full_disk_leaves_nothing_and_says_so(
    limit_bytes: int, small_model: Path, build: Builder, tmp_path: Path, store_directory: Path
) -> None:
    for source in (small_model, build.ct2(tmp_path / "ct2")):
        done = run(
            f"""
            from pathlib import Path
            from whisperctl.errors import ModelError
            from whisperctl.models.pull import import_model
            try:
                import_model(Path({str(source)!r}), "mine")
            except ModelError as error:
                print(error)
            """,
            limit_bytes,
        )
        assert done.stdout.startswith("the disk is full"), done.stderr
        assert done.stdout.count("\n") == 1
        assert visible(store_directory) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_disk_that_is_really_full_leaves_nothing(
    small_model: Path, build: Builder, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this machine does not allow mounting")
    try:
        for source in (small_model, build.ct2(tmp_path / "ct2")):
            with pytest.raises(ModelError, match="the disk is full"):
                pull.import_model(source, "mine", store.Store(disk))
            assert visible(disk) == []
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(ModelError, match=r"cannot be used .*Read-only"):
            pull.import_model(small_model, "mine", store.Store(disk))
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_may_not_be_written_is_named(small_model: Path, tmp_path: Path) -> None:
    directory = tmp_path / "closed"
    directory.mkdir(mode=0o555)
    with pytest.raises(ModelError, match=r"closed.*Permission denied.*WHISPERCTL_MODELS"):
        pull.import_model(small_model, "mine", store.Store(directory))


def test_a_store_that_is_a_file_is_named(small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match=r"file.*WHISPERCTL_MODELS"):
        pull.import_model(small_model, "mine", store.Store(tmp_path / "file"))


@pytest.mark.slow
def test_leftovers_of_killed_runs_are_removed_and_those_of_living_ones_are_not(
    small_model: Path, store_directory: Path
) -> None:
    store_directory.mkdir()
    for name in ("mine", "killed", "alive"):
        leftover = store_directory / f".ggml-{name}.bin.0123456789ab.part"
        leftover.mkdir()
        (leftover / "ggml.bin").write_bytes(b"half")
    with store.Store().workspace("alive") as work:  # removes what is not its own or locked
        assert visible(store_directory) == [work.name]
        run(
            f"""
            from pathlib import Path
            from whisperctl.models.pull import import_model
            import_model(Path({str(small_model)!r}), "mine")
            """
        )
        assert visible(store_directory) == [work.name, "ggml-mine.bin"]
    assert visible(store_directory) == ["ggml-mine.bin"]


def test_an_interrupted_import_leaves_nothing(small_model: Path, store_directory: Path) -> None:
    def interrupt(step: str, done_bytes: int, total_bytes: int | None) -> None:
        if step == "checking":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull.import_model(small_model, "mine", on_progress=interrupt)
    assert visible(store_directory) == []
