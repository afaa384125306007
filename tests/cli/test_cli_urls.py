"""Recordings named by URLs on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.web import Served, serving
from whisperctl.audio.decoders.media import MediaReader
from whisperctl.audio.source import RemoteSource
from whisperctl.storage import urls

if TYPE_CHECKING:
    from tests.conftest import Cli

SECRETS = ("5ecret", "pa55word")


@pytest.fixture
def served(jfk: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(urls, "_PAUSES_S", (0.0,))
    with serving(jfk.read_bytes()) as served:
        yield served


def signed(served: Served, path: str, signature: str = "5ecret") -> str:
    base = served.base.replace("//", "//me:pa55word@")
    return f"{base}/{path}?X-Amz-Date=1&X-Amz-Signature={signature}"


@pytest.mark.slow
def test_a_url_gives_what_the_file_gives_and_its_secrets_are_kept_nowhere(
    fake: Cli, served: Served, jfk: Path
) -> None:
    options = ("-f", "srt,json", "-v", "--log-file", "log")
    there = (signed(served, "ranges/my%20talk.wav"), signed(served, "404/none.wav"))
    (fake.directory / "my talk.wav").write_bytes(jfk.read_bytes())
    local = fake.here("transcribe", "my talk.wav", "-f", "srt", "-o", "local")
    remote = fake.here("transcribe", *there, *options, "-o", "remote")

    assert (local.code, remote.code) == (0, 1)
    found = {path.name: path.read_bytes() for path in (fake.directory / "remote").iterdir()}
    assert sorted(found) == ["my talk.json", "my talk.srt"]
    assert found["my talk.srt"] == (fake.directory / "local/my talk.srt").read_bytes()
    assert f'"{served.base}/404/none.wav" does not exist: check the URL' in remote.err
    state = list((fake.directory.parent / "state").iterdir())
    assert len(state) == 2, "a journal of each recording that was transcribed"
    kept = [path.read_text() for path in (fake.directory / "log", *state)]
    texts = [remote.out, remote.err, *kept, *(one.decode() for one in found.values())]
    assert not [text for text in texts for secret in SECRETS if secret in text]

    later = signed(served, "ranges/my%20talk.wav", "another")
    resumed = fake.here("transcribe", later, *options, "-o", "remote", "--resume")
    assert "1 of 1 recordings were finished by an earlier run" in resumed.err


def test_results_of_urls_do_not_replace_each_other(fake: Cli, served: Served) -> None:
    names = [signed(served, f"ranges/{folder}/x.wav") for folder in "ab"]
    run = fake.here("transcribe", *names, "-f", "srt")

    assert run.code == 2
    assert 'a/x.wav" and "http://127.0.0.1' in run.err
    assert "would both be written to" in run.err
    assert not [secret for secret in SECRETS if secret in run.err]


@pytest.mark.slow
def test_the_sandbox_reads_ranges_and_needs_no_copy(served: Served, jfk: Path) -> None:
    with (
        MediaReader(f"{served.base}/ranges/talk.wav", decoder="sandbox") as remote,
        MediaReader(jfk, decoder="sandbox") as local,
    ):
        there, here = ([block.tobytes() for _, block in one.blocks()] for one in (remote, local))
        assert isinstance(remote.source, RemoteSource)
        assert remote.source.file.seek(0, 2) == 0

    assert b"".join(there) == b"".join(here)
