"""Recordings named by URLs on the command line."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

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


def test_other_commands_read_urls_or_refuse_them_and_print_no_secret(
    fake: Cli, served: Served
) -> None:
    url = signed(served, "ranges/talk.wav")
    probed = fake.here("probe", "--json", url, signed(served, "403/none.wav"))
    compared = fake.here("compare", url)

    assert json.loads(probed.out)[0]["file"] == f"{served.base}/ranges/talk.wav"
    assert "HTTP 403" in probed.err
    assert (compared.code, "is not a file" in compared.err) == (2, True)
    printed = probed.out + probed.err + compared.out + compared.err
    assert not [secret for secret in SECRETS if secret in printed]


def test_subtitles_are_read_from_urls_and_no_secret_is_printed(cli: Cli) -> None:
    text = "1\n00:00:01,000 --> 00:00:01,000\nHello\n\n"
    with serving(text.encode()) as served:
        url, none = signed(served, "ranges/a.srt"), signed(served, "404/a.srt")
        converted = cli.here("subtitles", "convert", url, "a.vtt")
        checked = cli.here("subtitles", "lint", url, none)
        shifted = cli.here("subtitles", "shift", url, "-", "--by", "1")
    there = cli.directory / "b.srt"
    there.write_text(text)
    by_file = cli.here("subtitles", "convert", there.as_uri(), "-", "--to", "txt")
    in_place = cli.here("subtitles", "shift", there.as_uri(), "--in-place", "--by", "1")
    found = cli.here("subtitles", "lint", there.as_uri())

    assert (converted.code, "Hello" in (cli.directory / "a.vtt").read_text()) == (0, True)
    assert checked.out == (f"{served.base}/ranges/a.srt:cue 1 (00:00:01,000): takes no time\n")
    assert f'"{served.base}/404/a.srt" does not exist: check the URL' in checked.err
    assert "00:00:02,000" in shifted.out
    assert by_file.out == "Hello\n"
    assert (in_place.code, in_place.err) == (0, "")
    assert found.out == f"{there}:cue 1 (00:00:02,000): takes no time\n"
    printed = "".join(one.out + one.err for one in (converted, checked, shifted))
    assert not [secret for secret in SECRETS if secret in printed]


@pytest.mark.parametrize(
    "arguments",
    [
        ("subtitles", "convert", "a.srt", "URL"),
        ("subtitles", "fix", "a.srt", "URL"),
        ("subtitles", "shift", "URL", "--in-place", "--by", "1"),
        ("filters", "apply", "a.wav", "URL", "--filter", "gain"),
        ("models", "import", "URL"),
        ("models", "path", "URL"),
        ("transcribe", "a.wav", "--model", "URL"),
        ("transcribe", "a.wav", "--initial-prompt-file", "URL"),
        ("transcribe", "--files-from", "URL"),
        ("compare", "--plan", "URL"),
        ("compare", "a.wav", "--reference", "URL"),
        ("compare", "a.wav", "--output", "URL"),
    ],
)
def test_a_url_where_a_file_is_needed_is_refused_and_its_secrets_are_not_printed(
    fake: Cli, arguments: tuple[str, ...]
) -> None:
    url = "https://me:pa55word@host/a.srt?X-Amz-Signature=5ecret"
    done = fake.here(*(url if one == "URL" else one for one in arguments))
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        'whisperctl: error: "https://host/a.srt" is a URL, which only recordings, subtitles to '
        "read and --output-dir may be: name a file of this machine\n"
    )


def test_results_of_urls_do_not_replace_each_other(fake: Cli, served: Served) -> None:
    names = [signed(served, f"ranges/{folder}/x.wav") for folder in "ab"]
    run = fake.here("transcribe", *names, "-f", "srt")

    assert run.code == 2
    assert 'a/x.wav" and "http://127.0.0.1' in run.err
    assert "would both be written to" in run.err
    assert not [secret for secret in SECRETS if secret in run.err]


def test_a_directory_by_a_file_url_is_a_directory_and_a_name_is_no_url(
    fake: Cli, jfk: Path
) -> None:
    there = (fake.directory / "two words").as_uri()
    written = fake.here("transcribe", jfk.as_uri(), "-f", "txt", "-o", there)
    refused = fake.here("transcribe", jfk, "-f", "txt", "--output", "s3://calls/x.txt")
    file = fake.here("transcribe", jfk, "-f", "txt", "--output-dir", "s3://calls/x.txt")

    assert written.code == 0, written.err
    assert (fake.directory / "two words/jfk.txt").read_text()
    assert (refused.code, "--output is a name, not a URL" in refused.err) == (2, True)
    assert (file.code, '"s3://calls/x.txt" is not a directory' in file.err) == (2, True)


@pytest.fixture(scope="module")
def s3_settings() -> Iterator[dict[str, str]]:
    """Environment that leads to a server of S3."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "AKIAme",
        "AWS_SECRET_ACCESS_KEY": "5ecret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server.stop()


@pytest.fixture
def s3(fake: Cli, jfk: Path, s3_settings: dict[str, str]) -> Iterator[tuple[Cli, Any]]:
    """The command with a bucket, ``calls``, and fsspec's view of it, which remembers nothing."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()
    with patch.dict(os.environ, s3_settings):
        system = S3FileSystem(use_listings_cache=False)
        system.mkdir("calls")
        for name in ("a/x.wav", "b/x.wav", "b/notes.txt"):
            system.pipe_file(f"calls/{name}", jfk.read_bytes())
        yield replace(fake, settings={**fake.settings, **s3_settings}), system
        system.rm("calls", recursive=True)
    S3FileSystem.clear_instance_cache()


@pytest.mark.slow
def test_a_pattern_of_a_store_is_transcribed_into_a_store(s3: tuple[Cli, Any], jfk: Path) -> None:
    run, system = s3
    command = ("transcribe", "s3://calls/**/*.wav", "-f", "srt,txt", "-o", "s3://calls/text/")
    assert run.here("transcribe", jfk, "-f", "srt,txt", "-o", "local").code == 0

    plan = run.here(*command, "--dry-run")
    assert '"s3://calls/a/x.wav" -> "s3://calls/text/a/x.srt", "s3://calls/text/a/x.tx' in plan.out
    assert not system.exists("s3://calls/text")

    first = run.here(*command, "-v")
    assert first.code == 0, first.err
    results = [f"s3://calls/text/{folder}/x.{kind}" for folder in "ab" for kind in ("srt", "txt")]
    for place in results:
        local = run.directory / f"local/jfk.{place[-3:]}"
        assert system.cat_file(place) == local.read_bytes(), place
    assert not [text for text in (first.out, first.err) if "5ecret" in text or "AKIA" in text]

    assert "2 of 2 recordings were finished by an earlier run" in run.here(*command, "--resume").err
    system.rm_file(results[0])
    type(system).clear_instance_cache()  # a command that is another process remembers no list
    assert "1 of 2 recordings were finished" in run.here(*command, "--resume").err
    assert system.exists(results[0])
    assert "2 of 2 recordings are skipped" in run.here(*command, "--skip-existing").err


@pytest.mark.slow
def test_results_that_cannot_be_written_to_a_store_are_one_line(s3: tuple[Cli, Any]) -> None:
    run, system = s3
    for place, says, code in (
        ("s3://none/text", '"s3://none/text" cannot be written: its bucket does not exist', 1),
        ("https://host/text", "results cannot be written to https://", 2),
        ("s3://calls/text?versionId=1", "has a query", 2),
    ):
        failed = run.here("transcribe", "s3://calls/a/x.wav", "-f", "txt", "-o", place)
        assert (failed.code, failed.out) == (code, "")
        assert says in failed.err
        assert failed.err.count("\n") == 1
    above = ("-o", "s3://calls/text", "--output", "../{stem}.txt")
    failed = run.here("transcribe", "s3://calls/a/x.wav", "-f", "txt", *above)
    assert '"../x.txt" is not below "s3://calls/text"' in failed.err

    system.rm("s3://calls/b", recursive=True)
    with patch.object(type(system), "_pipe_file", side_effect=PermissionError):
        failed = run.here("transcribe", "s3://calls/a/x.wav", "-f", "txt", "-o", "s3://calls/text")
    assert failed.code == 1
    assert '"s3://calls/text/x.txt" cannot be written (access is denied)' in failed.err
    assert system.find("s3://calls") == ["calls/a/x.wav"]


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
