"""What people install: the wheels, and the modules inside the one that needs them."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import whisperctl

ROOT = Path(__file__).resolve().parents[1]
PLUGINS = sorted(
    path.parent
    for kind in ("backends", "executors")
    for path in ROOT.glob(f"{kind}/*/pyproject.toml")
)
DISTRIBUTIONS = (ROOT, *PLUGINS)


@pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda path: path.name)
def test_every_distribution_has_the_version_of_the_core(folder: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "version"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == whisperctl.__version__


def requirements_of_ours(folder: Path) -> list[Requirement]:
    """What a distribution requires of the others, in its dependencies and its extras."""
    project = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project.get("optional-dependencies", {}).values()
    lines = [*project["dependencies"], *(line for extra in extras for line in extra)]
    found = [Requirement(line) for line in lines]
    return [one for one in found if one.name.startswith("whisperctl-")]


@pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda path: path.name)
def test_distributions_are_bound_to_compatible_versions_of_each_other(folder: Path) -> None:
    """Compatible are versions with the same major and, before 1.0, the same minor number."""
    version = Version(whisperctl.__version__)
    later = f"{version.major + 1}.0" if version.major else f"0.{version.minor + 1}.0"
    requirements = requirements_of_ours(folder)
    assert [one for one in requirements if not one.specifier.contains(version)] == []
    assert [one for one in requirements if one.specifier.contains(later)] == []
    names = {one.name for one in requirements}
    assert names == (
        {"whisperctl-asr"} if folder != ROOT else {f"whisperctl-{one.name}" for one in PLUGINS}
    )


def build_wheel(project: Path, to: Path) -> Path:
    subprocess.run(
        [
            *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
            *("--outdir", str(to), str(project)),
        ],
        check=True,
        capture_output=True,
    )
    (wheel,) = to.glob("*.whl")
    return wheel


@pytest.mark.slow
@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (".", "whisperctl_asr"),
        ("backends/faster-whisper", "whisperctl_faster_whisper"),
        ("backends/native", "whisperctl_native"),
        ("executors/dask", "whisperctl_dask"),
    ],
)
def test_the_wheels_hold_code_and_no_tests(folder: str, name: str, tmp_path: Path) -> None:
    wheel = build_wheel(ROOT / folder, tmp_path)
    names = zipfile.ZipFile(wheel).namelist()
    assert wheel.name.startswith(name)
    assert wheel.name.endswith("-py3-none-any.whl")
    assert any(file.endswith("/py.typed") for file in names)
    ours = [file for file in names if not file.startswith("whisperctl/testing/")]
    assert not [file for file in ours if "test" in file.lower() or file.endswith(".pyi")]
    # The suite for authors of backends, which brings its speech.
    speech = "whisperctl/testing/samples/jfk.wav"
    assert (speech in names) == (name == "whisperctl_asr")


@pytest.mark.slow
def test_the_wasi_wheel_runs_anywhere_and_holds_its_modules(tmp_path: Path) -> None:
    wheel = build_wheel(ROOT / "backends/wasi", tmp_path)
    assert wheel.name.endswith("-py3-none-any.whl")
    package = ROOT / "backends/wasi/src/whisperctl_wasi"
    modules = json.loads((package / "build.json").read_text("utf-8"))["modules"]
    assert {"whisper", "whisper-threads", "media"} <= set(modules)
    with zipfile.ZipFile(wheel) as archive:
        for name in ("build.json", *(f"{module}.wasm" for module in modules)):
            held = archive.read(f"whisperctl_wasi/{name}")
            assert held == (package / name).read_bytes()
        # Whoever gets FFmpeg's code gets its licence, and where its source is.
        (licences,) = (
            name.removesuffix("MODULES.md")
            for name in archive.namelist()
            if name.endswith("/MODULES.md")
        )
        assert b"LESSER GENERAL PUBLIC LICENSE" in archive.read(f"{licences}FFmpeg.txt")
        text = archive.read(f"{licences}MODULES.md").decode()
    record = json.loads((package / "build.json").read_text("utf-8"))
    assert f"ffmpeg-{record['ffmpeg']}.tar.xz" in text


LOCKS = ("requirements.lock", "requirements-native.lock")


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_names_no_index(name: str) -> None:
    """A host in it would override the user's own index setting."""
    lock = (ROOT / name).read_text("utf-8")
    assert "://" not in lock
    assert "--index-url" not in lock


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_hashes(name: str) -> None:
    lock = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in lock.splitlines() if line and not line.lstrip().startswith("#")]
    assert len(lines) > 30
    assert [line for line in lines if "--hash=sha256:" not in line] == []
