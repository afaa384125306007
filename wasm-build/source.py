"""Gets the whisper.cpp source: the tree inside pywhispercpp's pinned source distribution.

The native backend installs the same version of pywhispercpp, so both run the same whisper.cpp.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

VERSION = "1.5.1"
SHA256 = "5df897e5dd9d9f16804fc937bd85b9f5880a0b29a55f8843585e0e03d76195e5"

DEFAULT_BUILD_DIR = Path(__file__).resolve().parents[1] / "build/wasm"
ARCHIVE = f"pywhispercpp-{VERSION}.tar.gz"


class SourceError(Exception):
    """The source could not be had, or is not what was pinned."""


def fetch(build_dir: Path) -> Path:
    """The folder of whisper.cpp's source tree below ``build_dir``, fetched if it is not there yet.

    The package installer downloads it, with the user's own index, certificate and proxy settings,
    and runs the package's metadata hook, which does not compile.

    Raises:
        SourceError: the download failed, or the archive's SHA-256 is not the pinned one.
    """
    tree = build_dir / f"pywhispercpp-{VERSION}"
    if not tree.is_dir():
        _unpack(fetch_archive(build_dir), tree)
    return tree / "whisper.cpp"


def fetch_archive(build_dir: Path) -> Path:
    """The source distribution in ``build_dir``, downloaded if it is not there yet.

    Raises:
        SourceError: the download failed, or the archive's SHA-256 is not the pinned one.
    """
    build_dir.mkdir(parents=True, exist_ok=True)
    path = build_dir / ARCHIVE
    if not path.is_file() or _sha256(path) != SHA256:
        _download(path)
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(archive: Path) -> None:
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(
            f"pywhispercpp=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8"
        )
        command = [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--no-deps", "--no-binary", "pywhispercpp", "--require-hashes"),
            *("--dest", folder, "--requirement", str(requirements)),
        ]
        done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
        downloaded = Path(folder, ARCHIVE)
        if done.returncode != 0 or not downloaded.is_file():
            reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            raise SourceError(f"cannot download {ARCHIVE} with pip: {' '.join(reason)}")
        if _sha256(downloaded) != SHA256:
            raise SourceError(f"{ARCHIVE} does not have the pinned SHA-256 {SHA256}")
        downloaded.replace(archive)


def _unpack(archive: Path, tree: Path) -> None:
    with tempfile.TemporaryDirectory(dir=tree.parent) as folder:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
        try:
            Path(folder, tree.name).replace(tree)
        except OSError:
            # Another build was faster; its tree is the same.
            if not tree.is_dir():
                raise


def patched(tree: Path, patches: Path, build_dir: Path) -> Path:
    """A copy of ``tree`` with every patch of ``patches`` applied, or ``tree`` when there is none.

    The copy is named for the patches' contents, so a changed patch gives a fresh copy.

    Raises:
        SourceError: a patch does not fit the source.
    """
    files = sorted(patches.glob("*.patch"))
    if not files:
        return tree
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
    copy = build_dir / f"{tree.parent.name}-patched-{digest}"
    if not copy.is_dir():
        with tempfile.TemporaryDirectory(dir=build_dir) as folder:
            work = Path(folder, "tree")
            shutil.copytree(tree, work, ignore=shutil.ignore_patterns("*.bin", "*.mp3", "*.wav"))
            # Without a repository around it, git takes the paths in a patch as they stand.
            environment = {**os.environ, "GIT_CEILING_DIRECTORIES": folder}
            for file in files:
                command = ["git", "-C", str(work), "apply", "--verbose", str(file.resolve())]
                done = subprocess.run(  # noqa: S603
                    command, capture_output=True, text=True, env=environment
                )
                if done.returncode != 0:
                    raise SourceError(
                        f"{file.name} does not fit whisper.cpp: {done.stderr.strip()}"
                    )
            work.replace(copy)
    return copy


def main() -> int:
    """Prints where the source distribution is, having fetched it: 0, or 1 with one message."""
    try:
        print(fetch_archive(DEFAULT_BUILD_DIR))
    except (SourceError, OSError) as error:
        print(f"wasm-build: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
