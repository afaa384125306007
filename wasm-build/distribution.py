"""Downloads source packages of a Debian or Ubuntu, whose mirror is often the only one in reach.

apt-get does it, from the official sources that this machine has, and with their source packages,
which are seldom switched on. Its lists are kept apart: nothing of the system changes, and root's
rights are not needed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

SOURCES = Path("/etc/apt")
_TIMEOUT_S = 300.0


def download(wanted: Sequence[tuple[str, str, str]], folder: Path) -> list[str]:
    """Download archives to ``folder``, as far as the distribution has them.

    Args:
        wanted: source package, name that the archive gets, and SHA-256 of each archive.
        folder: where they go.

    Returns:
        What went wrong. The caller checks what was downloaded.
    """
    if not wanted:
        return []
    if not (shutil.which("apt-get") and shutil.which("apt-cache")):
        return ["there is no apt-get"]
    entries = source_entries(SOURCES)
    if not entries:
        return ["apt has no official source"]
    with tempfile.TemporaryDirectory(dir=folder) as name:
        private = Path(name).resolve()
        private.chmod(0o755)
        configuration = _configure(private, entries)
        try:
            _apt(["apt-get", "update"], configuration, private)
            return [
                problem
                for package, file, sha256 in wanted
                if (
                    problem := _download_one(package, sha256, configuration, private, folder / file)
                )
            ]
        except (OSError, subprocess.SubprocessError) as error:
            return [f"apt-get: {_reason(error)}"]


def _reason(error: Exception) -> str:
    said = getattr(error, "stderr", None)
    return (said.strip().splitlines() or [str(error)])[-1] if isinstance(said, str) else str(error)


def _configure(private: Path, entries: Sequence[str]) -> Path:
    (private / "sources.list").write_text("".join(f"{entry}\n" for entry in entries), "utf-8")
    for part in ("lists/partial", "cache/archives/partial"):
        (private / part).mkdir(parents=True)
    configuration = private / "apt.conf"
    configuration.write_text(
        f'Dir::Etc::SourceList "{private}/sources.list";\n'
        'Dir::Etc::SourceParts "-";\n'
        f'Dir::State::Lists "{private}/lists";\n'
        f'Dir::Cache "{private}/cache";\n'
        # What the system does after an update of its own lists.
        "#clear APT::Update::Pre-Invoke;\n"
        "#clear APT::Update::Post-Invoke;\n"
        "#clear APT::Update::Post-Invoke-Success;\n",
        "utf-8",
    )
    return configuration


def _apt(command: Sequence[str], configuration: Path, folder: Path) -> str:
    done = subprocess.run(  # noqa: S603
        [command[0], "-q", "-c", str(configuration), *command[1:]],
        cwd=folder,
        env={**os.environ, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT_S,
        check=True,
    )
    return done.stdout


def _download_one(
    package: str, sha256: str, configuration: Path, private: Path, target: Path
) -> str | None:
    stanzas = _apt(["apt-cache", "showsrc", package], configuration, private).split("\n\n")
    for stanza in stanzas:
        version = re.search(r"^Version: (\S+)$", stanza, re.MULTILINE)
        file = re.search(rf"^ {sha256} \d+ (\S+)$", stanza, re.MULTILINE)
        if version and file and "/" not in file[1]:
            source = f"{package}={version[1]}"
            _apt(
                ["apt-get", "source", "--download-only", "--tar-only", source],
                configuration,
                private,
            )
            (private / file[1]).replace(target)
            return None
    return f"this distribution has another version of {package}"


def source_entries(folder: Path) -> list[str]:
    """Lines for a list of apt's, of the source packages of this machine's official sources.

    Args:
        folder: apt's own folder, ``/etc/apt``.
    """
    release = platform.freedesktop_os_release()
    codename = release.get("VERSION_CODENAME", "")
    suites = {codename, f"{codename}-updates", f"{codename}-security", f"{codename}/updates"}
    lines = []
    for uri, suite, components, keyring in _entries(folder):
        # The distribution's own key, or all those that apt trusts by default.
        official = not keyring or f"{release.get('ID', '')}-archive-" in keyring
        if codename and suite in suites and "main" in components and official and ":" in uri:
            signed = f"[signed-by={keyring}] " if keyring else ""
            lines.append(f"deb-src {signed}{uri} {suite} main")
    return list(dict.fromkeys(lines))


def _entries(folder: Path) -> Iterator[tuple[str, str, list[str], str]]:
    """URI, suite, components and keyring of each source that is switched on."""
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*.list"))]:
        for line in _read(path).splitlines():
            entry = re.match(r"\s*deb(?:-src)?\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+([^#]+)", line)
            if entry:
                signed = re.search(r"signed-by=(\S+)", entry[1] or "", re.IGNORECASE)
                yield entry[2], entry[3], entry[4].split(), signed[1] if signed else ""
    for path in sorted((folder / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", _read(path)):
            lines = "\n".join(line for line in stanza.splitlines() if not line.startswith("#"))
            fields = {
                key.lower(): value.strip()
                for key, value in re.findall(
                    r"^([\w-]+):((?:.*)(?:\n[ \t].*)*)", lines, re.MULTILINE
                )
            }
            keyring = fields.get("signed-by", "")
            # A key in the file itself is of somebody who is not part of the distribution.
            if fields.get("enabled", "yes").lower() in ("no", "false", "0") or "\n" in keyring:
                continue
            for uri in fields.get("uris", "").split():
                for suite in fields.get("suites", "").split():
                    yield uri, suite, fields.get("components", "").split(), keyring


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
