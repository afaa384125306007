"""Files named by URLs, from servers that send ranges, do not, break off, and lie."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.web import Served, serving
from whisperctl.audio import source as sources
from whisperctl.audio.source import RemoteSource, open_source
from whisperctl.errors import AudioError, OutputError, UsageError
from whisperctl.jobs.sources import find
from whisperctl.storage import files, urls

DATA = bytes(range(256)) * 1000
SECRET = "X-Amz-Credential=AKIA%2Fme&X-Amz-Signature=5ecret"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server; blocks are small, and nobody waits between attempts."""
    monkeypatch.setattr(urls, "_PAUSES_S", (0.0, 0.0))
    monkeypatch.setattr(sources, "_BLOCK_BYTES", 1 << 16)
    monkeypatch.setattr(urls, "_MOST_RESPONSE_BYTES", 1 << 17)
    with serving(DATA) as served:
        yield served


def test_blocks_are_read_as_they_are_needed_and_once(served: Served) -> None:
    source = open_source(f"{served.base}/ranges/talk.wav?{SECRET}")

    assert source.size_bytes == len(DATA)
    for offset, n_bytes in ((0, 10), (65530, 20), (len(DATA) - 3, 100), (5, 1), (200_000, 300)):
        assert source.peek(n_bytes, offset) == DATA[offset : offset + n_bytes]
    assert source.peek(10, len(DATA)) == b""
    source.file.close()
    ranges = [asked for method, _, asked in served.requests if method == "GET"]
    assert ranges == ["bytes=0-65535", "bytes=65536-131071", "bytes=196608-255999"]
    assert {path for _, path, _ in served.requests} == {f"/ranges/talk.wav?{SECRET}"}


def test_a_decoder_that_needs_a_descriptor_gets_a_copy(served: Served) -> None:
    source = open_source(f"{served.base}/ranges/talk.wav")

    assert isinstance(source, RemoteSource)
    with source.file:
        assert source.peek(4, 256) == DATA[:4]
        assert os.pread(source.descriptor, len(DATA) + 1, 0) == DATA
        n_requests = len(served.requests)
        assert os.fstat(source.descriptor).st_size == source.size_bytes
        assert len(served.requests) == n_requests


def test_a_copy_that_failed_is_not_taken_for_the_whole(served: Served) -> None:
    source = open_source(f"{served.base}/half/talk.wav")

    with source.file:
        with pytest.raises(AudioError, match="HTTP 503 Service Unavailable"):
            _ = source.descriptor
        served.released.set()
        assert os.pread(source.descriptor, len(DATA) + 1, 0) == DATA


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("forgets", "its server sends more than it was asked for"),
        ("other", "its server sends another part than it was asked for"),
        ("changes", "it has changed meanwhile"),
    ],
)
def test_a_server_that_sends_other_ranges_is_an_error(served: Served, how: str, says: str) -> None:
    source = open_source(f"{served.base}/{how}/talk.wav")

    with source.file:
        assert isinstance(source, RemoteSource)
        assert source.peek(10) == DATA[:10]
        with pytest.raises(AudioError, match=rf"cannot be read \({says}\): try again"):
            source.peek(10, 100_000)


def test_a_server_that_hangs_is_not_asked_about_every_url(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(urls, "_SILENCE_S", 0.1)
    monkeypatch.setattr(urls, "_AT_ONCE", 4)

    assert not urls.describe(f"{served.base}/hang/{n}.wav" for n in range(40))
    assert len({path for _, path, _ in served.requests}) <= 2 * 4


def test_a_server_that_drips_is_given_up(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urls, "_SILENCE_S", 0.1)
    monkeypatch.setattr(urls, "_SLOWEST", 1e6)
    slow = r"talk.wav\" cannot be read \(the server is too slow or does not respond\): try again"

    with pytest.raises(AudioError, match=slow):
        open_source(f"{served.base}/drip/talk.wav")
    with io.BytesIO() as file, pytest.raises(AudioError, match=slow):
        urls.download(f"{served.base}/drip/talk.wav", file, None)


@pytest.mark.parametrize("how", ["whole", "stream", "huge", "changed"])
def test_without_ranges_or_a_size_it_is_copied(served: Served, how: str) -> None:
    source = open_source(f"{served.base}/{how}/talk.wav")

    with source.file:
        assert not isinstance(source, RemoteSource)
        assert source.size_bytes == len(DATA)
        assert source.peek(len(DATA)) == DATA


def test_a_connection_that_is_lost_once_is_made_again(served: Served) -> None:
    source = open_source(f"{served.base}/once/talk.wav")

    with source.file:
        assert isinstance(source, RemoteSource)
        assert source.peek(len(DATA)) == DATA


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("broken", "cannot be read (the connection was lost): try again"),
        ("403", "cannot be read (HTTP 403 Forbidden): check the URL and the credentials"),
        ("404", "does not exist: check the URL"),
        ("503", "cannot be read (HTTP 503 Service Unavailable): try again"),
        ("empty", "is empty: record or copy it again"),
        (
            "elsewhere",
            "cannot be read (it redirects to what is not a web address): check the URL",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line_without_secrets(
    served: Served, how: str, says: str
) -> None:
    base = served.base.replace("//", "//me:pa55word@")
    with pytest.raises(AudioError) as raised:
        open_source(f"{base}/{how}/talk.wav?{SECRET}")

    assert str(raised.value) == f'"{served.base}/{how}/talk.wav" {says}'
    n_gets = sum(method == "GET" for method, _, _ in served.requests)
    assert n_gets <= 3, "attempts are bounded, and final answers are taken for final"


def test_a_host_that_does_not_exist_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unknown(host: str, *_: object, **__: object) -> NoReturn:
        asked.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(AudioError, match=r"cannot be read \(no such host\): check the address$"):
        open_source("http://no.such.host/talk.wav")
    assert len(asked) <= 2  # the size, then the file: no more attempts


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.0.1]"])
def test_a_redirect_to_what_only_this_machine_can_reach_is_refused(
    served: Served, host: str
) -> None:
    with pytest.raises(AudioError) as raised:
        open_source(f"{served.base}/inward/{host}/x.wav")

    assert "(it redirects to this machine or its link): check the URL" in str(raised.value)


@pytest.mark.parametrize(
    ("host", "kind"),
    [
        *(("127.1.2.3", "this machine"), ("2130706433", "this machine"), ("[", "")),
        *(("localhost", "this machine"), ("::", "this machine"), ("10.0.0.1", ""), ("8.8.8.8", "")),
    ],
)
def test_hosts_that_only_this_machine_can_reach_are_known(host: str, kind: str) -> None:
    assert asyncio.run(urls._inward(host)) == kind


def test_a_server_that_sends_more_than_was_asked_for_fills_no_memory(served: Served) -> None:
    source = open_source(f"{served.base}/flood/talk.wav")

    with source.file:  # a copy on disk, as of any server that ignores ranges
        assert not isinstance(source, RemoteSource)


def test_a_server_that_is_not_there_is_named_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(urls, "_PAUSES_S", (0.0,))
    with pytest.raises(AudioError) as raised:
        open_source(f"http://me:pa55word@127.0.0.1:9/x?{SECRET}")
    assert str(raised.value) == (
        '"http://127.0.0.1:9/x" cannot be read (the connection was refused): check the address, '
        "or try again"
    )


def test_a_read_that_waits_for_a_silent_server_can_be_stopped(served: Served) -> None:
    source = open_source(f"{served.base}/silent/talk.wav")
    ended: list[Exception] = []

    def read() -> None:
        try:
            source.peek(1, 100_000)
        except AudioError as error:
            ended.append(error)

    with source.file:
        thread = threading.Thread(target=read)
        thread.start()
        time.sleep(0.05)
        source.stop()
        thread.join(5)
    assert ended


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://me:pw@host.example:8080/a/b.mp3?sig=1#t=3", "https://host.example:8080/a/b.mp3"),
        ("HTTP://token@Host/", "http://host/"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://me:p/w@host/x", "http://…"),
        ("s3://bucket/calls/what?.wav", "s3://bucket/calls/what?.wav"),
        (f"s3://bucket/x.wav?{SECRET}", "s3://bucket/x.wav"),
        ("s3://AKIA:sec/ret@bucket/x", "s3://…"),
        ("zip://a?password=1", "zip://…"),
        ("talk.mp4", "talk.mp4"),
        ("file:///a%20b.srt", "/a b.srt"),
        ("file://me:pw@host/a.srt", "file://…"),
    ],
)
def test_what_is_shown_of_a_url_holds_no_credentials(url: str, text: str) -> None:
    assert urls.shown(url) == text
    assert urls.shown(text) == text


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://host/x.wav", "ftp:// is not supported"),
        ("local:///etc/passwd", "local:// is not supported"),
        ("zip://a.wav::https://host/x.zip", "zip:// is not supported"),
        ("simplecache::s3://bucket/x.wav", "is a chain of URLs"),
        ("http://host:99999/x", "is not a valid URL"),
        ("http://me:p/w@host/x", "is not a valid URL"),
        ("http:///x", "is not a valid URL"),
        ("s3://AKIA:secret@bucket/x", "leave credentials to the environment"),
        ("file://host/x", "is not a file of this machine"),
        ("file:///x%00.wav", "holds a NUL"),
    ],
)
def test_other_schemes_chains_and_nonsense_are_refused(url: str, says: str) -> None:
    with pytest.raises(UsageError) as raised:
        open_source(url)

    assert says in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"two words \xff.wav")
    path.write_bytes(b"RIFF")
    source = open_source(path.as_uri())

    with source.file:
        assert source.name == str(path)


def test_the_fixed_part_of_a_pattern_keeps_what_is_before_its_path() -> None:
    assert urls.fixed_part("https://me:p*w@host/a/*.mp3") == "https://me:p*w@host/a/"
    assert urls.fixed_part("s3://calls/a?/b*") == "s3://calls/"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://host/a/two%20words.mp3?x=/y.wav", "two words.mp3"),
        ("https://host/a/..%2F..%2Fetc%2Fpasswd", ".._.._etc_passwd"),
        ("https://host/a/%2E%2E", "host"),
        ("https://host:80/", "host"),
        ("https://[::1]:80/", "::1"),
        ("https://[::1]/", "::1"),
        ("https://host/a%00b.mp3", "a_b.mp3"),
        ("https://host/%1b[2J%0a%e2%80%aeb.mp3", "_[2J__b.mp3"),
        ("s3://bucket/caf\u00e9 \u05e9\udcff.wav", "caf\u00e9 \u05e9_.wav"),
        ("s3://bucket/100%25.wav", "100%25.wav"),
        ("talks/a.wav", "a.wav"),
    ],
)
def test_the_name_of_a_file_is_never_a_path(url: str, name: str) -> None:
    assert urls.file_name(url) == name


def test_an_identity_forgets_signatures_and_nothing_else() -> None:
    signed = [f"https://h/get?id=1&X-Amz-Signature={n}&Expires={n}&sig={n}" for n in (1, 2)]
    first, second = (urls.identity(url, 5, '"tag"') for url in signed)

    assert first == second
    assert first != urls.identity("https://h/get?id=2", 5, '"tag"')
    assert first != urls.identity(signed[0], 6, '"tag"')
    assert first != urls.identity(signed[0], 5, '"other"')
    assert urls.identity(signed[0], None, "") is None


def test_links_of_a_page_match_a_pattern_and_lead_nowhere_else(served: Served) -> None:
    found = urls.matching(f"{served.base}/page/*.mp3")

    names = {one.url.removeprefix(served.base) for one in found}
    assert "/page/two%20words.mp3" in names
    assert all(one.url.startswith(f"{served.base}/page/") for one in found)
    assert {urls.file_name(one.url) for one in found} <= {
        *("two words.mp3", "up.mp3", ".._.._up.mp3", "x.mp3"),
    }
    with pytest.raises(UsageError, match="wildcard in the name of a directory"):
        urls.matching(f"{served.base}/*/x.mp3")


@pytest.mark.parametrize(
    ("page", "found"),
    [
        (b"<a" + b" " * 60_000 + b'href="a.wav">', ["a.wav"]),
        (
            b"<a " * 20_000 + b"href = 'a.wav' href=b.wav HREF=\"c&#46;wav\"",
            ["a.wav", "b.wav", "c.wav"],
        ),
        (b'<a href="http://[::1/a.wav"><a href="file:///a.wav"><a href="//h:x/a.wav">', []),
        (b'<a href="/links/a.wav?sig=1#t"><a href="a.wav?sig=1"><a href="?C=N">', ["a.wav?sig=1"]),
        (b'<a href="sub/"><a href="./"><a href="\xff.wav">', ["\ufffd.wav"]),
        (b'<a href="' + b"7" * 5000 + b'.wav">', ["7" * 5000 + ".wav"]),
    ],
)
def test_a_hostile_page_takes_no_time_and_its_links_lead_below_it(
    served: Served, page: bytes, found: list[str]
) -> None:
    served.data = page
    folder = served.base.replace("//", "//me:pa55word@") + "/links/"

    assert [one.url.removeprefix(folder) for one in urls.matching(f"{folder}*")] == found
    if found:
        assert [one.name.removeprefix(folder) for one in find([f"{folder}*"])] == found


def test_a_page_without_end_is_one_line(served: Served) -> None:
    served.data = b"<a href=a.wav>" * 10_000
    with pytest.raises(AudioError, match="is not a page of links: it is larger than"):
        urls.matching(f"{served.base}/links/*.wav")


@pytest.mark.parametrize(
    ("scheme", "module", "says"),
    [
        ("https", "aiohttp", "https:// needs aiohttp: run pip install aiohttp"),
        ("gs", "gcsfs", "gs:// needs gcsfs: run pip install gcsfs"),
        ("https", "fsspec", "https:// needs fsspec: run pip install fsspec"),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, scheme: str, module: str, says: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UsageError) as raised:
        open_source(f"{scheme}://host/x.wav")

    assert str(raised.value) == says


class FullDisk(io.BytesIO):
    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_no_fault_of_the_server(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "open_temporary", lambda purpose: FullDisk())
    with pytest.raises(OutputError, match=r"talk.wav\" needs a temporary file .*No space left"):
        open_source(f"{served.base}/whole/talk.wav")
