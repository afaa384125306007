"""Files named by URLs, through fsspec: found, read in ranges, and written whole.

Credentials are fsspec's business: environment variables, its configuration, and those of the
libraries that it loads. Those that a URL holds itself, before the host or in a signed query, are
sent to its server and nowhere else: whatever is printed or kept of a URL has passed ``shown``.

A URL may come from a stranger, in a list of recordings. It reaches the schemes of ``SCHEMES``
alone, and no chain of them (``zip://a::https://b``) that fsspec would follow.
"""

from __future__ import annotations

import errno
import fnmatch
import html
import ipaddress
import math
import os
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from pathlib import PurePath
from typing import Any, BinaryIO, TypeVar
from urllib.parse import parse_qsl, unquote, unquote_to_bytes, urlencode, urljoin, urlsplit

from whisperctl.errors import AudioError, OutputError, UsageError, WhisperctlError
from whisperctl.storage import files
from whisperctl.text import quoted, visible

T = TypeVar("T")

SCHEMES = {
    "http": "aiohttp",
    "https": "aiohttp",
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "memory": "fsspec",
}
"""What URLs may begin with, and the package that reads them."""

_WEB = ("http", "https")
_URL = re.compile(r"([a-z][a-z0-9+.-]*(?:::[a-z0-9+.:-]*)?)://", re.IGNORECASE)
_IN_TEXT = re.compile(r"[a-zA-Z][\w+.-]*://[^\s'\"<>]+")
_LINK = re.compile(r"\bhref\s*+=\s*+(?:\"([^\"]*+)|'([^']*+)|([^\s\"'>]++))", re.IGNORECASE)
_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/", re.ASCII)
_STORE = re.compile(r"[\w.-]+|arn:[\w:.-]+")
_SIGNING = re.compile(
    r"(x-amz-|x-goog-|x-ms-).*|.*(sig|signature|token|secret|password|credential|apikey|api_key)"
    r"|awsaccesskeyid|googleaccessid|key|key-pair-id|policy|auth|hdnts|expires|exp|se|sp|sr|sv|st",
    re.IGNORECASE,
)
"""Parameters of a query that are part of a signature, and another in the next one."""

_MOST_RESPONSE_BYTES = 8 << 20
"""A server that sends more was asked for less, or lists more than anybody has."""

_MOST_SIZE_BYTES = 1 << 53
_AT_ONCE = 16
_MOST_SILENT = 3
_CONNECT_S = 30.0
_SILENCE_S = 60.0
_SLOWEST = 4096
"""Bytes a second below which a server counts as silent."""

_POLL_S = 0.1
_PAUSES_S = (0.5, 1.0, 2.0)
"""Pauses between attempts, one fewer than there are attempts."""

_VERSIONS = ("ETag", "etag", "md5Hash", "Content-MD5", "Last-Modified", "LastModified", "updated")
"""Keys of fsspec's description of a file that change when the file does, the best first."""

_VERSION_LENGTH = 200
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_WORDS = {
    "ClientPayloadError": "the connection was lost",
    "ServerDisconnectedError": "the connection was lost",
    "ConnectionResetError": "the connection was lost",
    "NonHttpUrlRedirectClientError": "it redirects to what is not a web address",
    "InwardRedirectClientError": "it redirects to this machine or its link",
    "TooManyRedirects": "it redirects too often",
    "TimeoutError": "the server is too slow or does not respond",
    "NoCredentialsError": "no credentials are set",
    "PermissionError": "access is denied",
}
"""Reasons by the names of classes, as their modules need not be installed."""
_FINAL = ("RedirectClientError", "NoCredentialsError")
_NO_HOST = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))


# ------------------------------------------------------------------------------------- names


def is_url(name: str) -> bool:
    """True if a name begins with a scheme; ``file`` is one as well."""
    return _URL.match(name) is not None


def local_path(url: str) -> str:
    """Path that a URL of the scheme ``file`` names; every other name as it is.

    Raises:
        UsageError: it names another machine.
    """
    if url[:7].lower() != "file://":
        return url
    host, slash, path = url[7:].partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise UsageError(f"{quoted(url)} is not a file of this machine: write file:///PATH")
    name = os.fsdecode(unquote_to_bytes("/" + path))
    if "\0" in name:
        raise UsageError(f"{quoted(url)} holds a NUL, which no file's name can: check the URL")
    return name


def local(name: str) -> str:
    """Path of a file that has to be on this machine.

    Raises:
        UsageError: it is a URL of another scheme than ``file``.
    """
    path = local_path(name)
    if is_url(path):
        raise UsageError(
            f"{quoted(shown(path))} is a URL, which only recordings, subtitles to read and "
            "--output-dir may be: name a file of this machine"
        )
    return path


def shown(name: str) -> str:
    """A name as it is printed and kept: of a URL without credentials and signed query.

    Of a file of this machine it is the path.
    """
    if not is_url(name):
        return name
    try:
        if not is_url(path := local_path(name)):
            return path
        scheme, authority, path, _ = _split(name)
    except UsageError:
        return f"{_scheme(name)}://…"
    return f"{scheme}://{authority}{path}"


def check(url: str) -> None:
    """Check that a URL is one that is read, without asking its server.

    Raises:
        UsageError: its scheme is none of ``SCHEMES``, it is a chain of several, or not valid.
    """
    _split(url)


def file_name(name: str) -> str:
    """Name of the file at a path or URL, to name others by: never a path, never empty for a URL."""
    if not is_url(name):
        return PurePath(name).name
    scheme, authority, path, _ = _split(name)
    last = path.rstrip("/").rpartition("/")[2]
    if scheme in _WEB:
        last = unquote(last)
    return safe_name(last) or re.sub(r":\d*$", "", authority).strip("[]")


def safe_name(name: str) -> str:
    """A part of a URL as the name of a file or directory; empty for one that cannot be a name.

    Characters that part a path, steer a terminal or are invisible become ``_``.
    """
    if name in ("", os.curdir, os.pardir):
        return ""
    return "".join(c if c != "/" and visible(c) == c else "_" for c in name)


def join(folder: str, path: PurePath) -> str:
    """URL of a relative path below a URL."""
    return f"{folder.rstrip('/')}/{path.as_posix()}"


def has_magic(url: str) -> bool:
    """True if a URL is a pattern: ``*``, and where it is no web address ``?`` and ``[``."""
    scheme, _, path, _ = _split(url)
    return "*" in path or (scheme not in _WEB and any(mark in path for mark in "?["))


def fixed_part(pattern: str) -> str:
    """The part of a pattern up to the last slash before its first wildcard."""
    scheme = _scheme(pattern)
    path = pattern.find("/", len(scheme) + 3)  # a password may hold anything
    first = re.compile(r"\*" if scheme in _WEB else r"[*?[]").search(pattern, max(path, 0))
    return pattern[: first.start() if first else None].rpartition("/")[0] + "/"


def _scheme(url: str) -> str:
    match = _URL.match(url)
    return match[1].lower() if match else ""


def _split(url: str) -> tuple[str, str, str, str]:
    """Scheme, host or bucket without credentials, path, and query of a URL.

    Raises:
        UsageError: as for ``check``.
    """
    scheme = _scheme(url)
    if "::" in scheme:
        raise UsageError(f'"{scheme}://…" is a chain of URLs, which is not read: name a file')
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in SCHEMES if name != "memory")
        raise UsageError(f"{scheme}:// is not supported: use {known} or a path")
    if scheme in _WEB:
        try:
            parts = urlsplit(url)
            port = "" if parts.port is None else f":{parts.port}"
            if parts.hostname:
                host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
                return scheme, host + port, parts.path, parts.query
        except ValueError:
            pass
        raise UsageError(f'"{scheme}://…" is not a valid URL: write {scheme}://HOST/PATH')
    authority, slash, path = url[len(scheme) + 3 :].partition("/")
    if not _STORE.fullmatch(authority) and scheme != "memory":
        raise UsageError(
            f'"{scheme}://…" is not a valid URL: write {scheme}://BUCKET/PATH, and leave '
            "credentials to the environment"
        )
    key, mark, query = path.partition("?")
    if "=" not in query:  # a name may hold the mark
        key, query = key + mark + query, ""
    return scheme, authority, slash + key, query


# ------------------------------------------------------------------------------------- finding


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or directory at a URL; ``version`` changes with its contents, and may be empty.

    ``ranges`` is false if the server says that it sends no parts of it.
    """

    url: str
    size_bytes: int | None = None
    version: str = ""
    directory: bool = False
    ranges: bool = True


def identity(url: str, size_bytes: int | None, version: str) -> list[object] | None:
    """Value that is equal for the same contents at a URL, to be hashed; ``None`` if unknown.

    A query counts but for its signature.
    """
    if size_bytes is None and not version:
        return None
    query = [(key, value) for key, value in parse_qsl(_split(url)[3]) if not _is_signature(key)]
    return [shown(url), urlencode(query), size_bytes, version]


def _is_signature(key: str) -> bool:
    return _SIGNING.fullmatch(key) is not None


def describe(urls: Iterable[str]) -> dict[str, Entry]:
    """Describe URLs, several at once; those that cannot be described are left out.

    Raises:
        UsageError: a URL is not supported, or its scheme needs a package.
    """
    found: dict[str, Entry] = {}
    waiting: dict[Any, list[str]] = {}
    for url in dict.fromkeys(urls):
        waiting.setdefault(_filesystem(url), []).append(url)
    for system, names in waiting.items():
        if system.async_impl:
            infos = _wait(system, _each(system._info, names, failing=False))
        else:
            infos = [system.info(name) if system.exists(name) else None for name in names]
        for name, info in zip(names, infos, strict=True):
            if isinstance(info, dict):
                found[name] = _entry(name, info)
    return found


async def _each(method: Any, urls: Sequence[str], *, failing: bool = True) -> list[Any]:
    """Results of a method for each URL, some at once; errors are results unless ``failing``.

    A host that was silent often enough is asked no more.
    """
    import asyncio

    limit = asyncio.Semaphore(_AT_ONCE)
    n_silent: Counter[str] = Counter()

    async def one(url: str) -> Any:
        host = _split(url)[1]
        async with limit:
            if n_silent[host] >= _MOST_SILENT:
                raise TimeoutError
            try:
                return await asyncio.wait_for(method(url), _SILENCE_S)
            except Exception as error:
                n_silent[host] += isinstance(_cause(error), TimeoutError)
                raise

    return await asyncio.gather(*map(one, urls), return_exceptions=not failing)


def listed(folder: str, *, recursive: bool) -> list[Entry]:
    """Files of a directory of a store, and of its subdirectories if ``recursive``.

    Raises:
        AudioError: it cannot be listed.
    """
    return _found(folder, "find", folder, maxdepth=None if recursive else 1)


def matching(pattern: str) -> list[Entry]:
    """Files that match a pattern; on the web, where wildcards are for the last part alone, links.

    Raises:
        UsageError: there are wildcards elsewhere.
        AudioError: the server does not list files.
    """
    if _scheme(pattern) not in _WEB:
        return _found(pattern, "glob", pattern)
    folder = fixed_part(pattern)
    last = pattern[len(folder) :].partition("?")[0]
    if "/" in last:
        raise UsageError(
            f"{quoted(shown(pattern))} has a wildcard in the name of a directory: "
            "use them only after the last slash"
        )
    known = last.replace("[", "[[]")
    return [
        Entry(link)
        for link in _links(folder)
        if fnmatch.fnmatchcase(link[len(folder) :].partition("?")[0], known)
        and not link.endswith("/")
    ]


def _links(folder: str) -> list[str]:
    """URLs below that of a page which it links to, each once.

    fsspec's own pattern for links takes the cube of a page's length for a page of spaces.
    """
    system = _filesystem(folder)
    try:
        page: bytes = _attempts(folder, lambda: _call(system, "cat_file", folder))
    except NoRangesError as error:
        raise AudioError(
            f"{quoted(shown(folder))} is not a page of links: it is larger than "
            f"{_MOST_RESPONSE_BYTES >> 20} MiB; name recordings by their URLs"
        ) from error
    found: dict[str, None] = {}
    place = shown(folder)
    for match in _LINK.finditer(page.decode("utf-8", "replace")):
        try:
            link = urljoin(folder, html.unescape("".join(match.groups(""))).strip())
            parts = urlsplit(link)
            whole = shown(link)
        except (ValueError, UsageError):
            continue
        if parts.scheme in _WEB and whole.startswith(place) and whole != place:
            query = f"?{parts.query}" if parts.query else ""
            found[folder + whole[len(place) :] + query] = None
    return list(found)


def _found(url: str, method: str, *arguments: object, **options: Any) -> list[Entry]:
    system = _filesystem(url)
    found = _attempts(url, lambda: _call(system, method, *arguments, detail=True, **options))
    infos = found.values() if isinstance(found, dict) else found
    scheme = _scheme(url)
    entries = []
    for info in infos:
        name = str(info["name"])
        entry = _entry(name if is_url(name) else f"{scheme}://{name.lstrip('/')}", info)
        if not entry.directory:
            entries.append(entry)
    return entries


def _entry(url: str, info: dict[str, Any]) -> Entry:
    size = info.get("size")
    known = isinstance(size, int) and 0 <= size <= _MOST_SIZE_BYTES
    version = next((str(info[key])[:_VERSION_LENGTH] for key in _VERSIONS if info.get(key)), "")
    return Entry(
        url,
        size if known else None,
        version,
        directory=info.get("type") == "directory",
        ranges=bool(info.get("partial", True)),
    )


# ------------------------------------------------------------------------------------- reading


class NoRangesError(Exception):
    """A server does not send the part of a file that it was asked for, for this reason."""


_MORE = "its server sends more than it was asked for"
_OTHER = "its server sends another part than it was asked for"
_CHANGED = "it has changed meanwhile"


@dataclass(frozen=True, slots=True)
class _Range:
    """The range that a response must hold, and the version of the file."""

    start: int
    end: int
    version: str

    def check(self, headers: Mapping[str, str]) -> None:
        """Check what a server says of its response.

        Raises:
            NoRangesError: it is something else.
        """
        found = _CONTENT_RANGE.match(headers.get("Content-Range", ""))
        if found and (int(found[1]), int(found[2])) != (self.start, self.end - 1):
            raise NoRangesError(_OTHER)
        tag = headers.get("ETag", "")[:_VERSION_LENGTH].removeprefix("W/")
        if tag and self.version[-1:] == '"' and tag != self.version.removeprefix("W/"):
            raise NoRangesError(_CHANGED)


_ASKED: ContextVar[_Range | None] = ContextVar("asked", default=None)


def info(url: str) -> Entry:
    """Entry at a URL, from its server.

    Raises:
        UsageError: the URL is not supported, or its scheme needs a package.
        AudioError: it is missing, or may not be read.
    """
    system = _filesystem(url)
    found = _attempts(url, lambda: _call(system, "info", url, limit_s=_SILENCE_S))
    return _entry(url, found)


def fetch(url: str, start: int, end: int, version: str, stopped: threading.Event) -> bytes:
    """Read the bytes of a file from ``start`` to ``end``, neither more nor fewer.

    Raises:
        AudioError: they cannot be read, or ``stopped`` was set meanwhile.
        NoRangesError: the server sends others, or says that its file is not of this ``version``.
    """
    system = _filesystem(url)
    limit_s = _SILENCE_S + (end - start) / _SLOWEST

    def once() -> bytes:
        asked = _ASKED.set(_Range(start, end, version))
        try:
            data: bytes = _call(
                *(system, "cat_file", url), start=start, end=end, stopped=stopped, limit_s=limit_s
            )
        finally:
            _ASKED.reset(asked)
        if len(data) > end - start:
            raise NoRangesError(_MORE)
        if len(data) < end - start:
            raise ConnectionResetError
        return data

    return _attempts(url, once, stopped)


def download(url: str, file: BinaryIO, size_bytes: int | None) -> int:
    """Write a whole file into another, and return its size.

    Raises:
        AudioError: it cannot be read, comes too slowly, or ends before ``size_bytes``.
        OutputError: there is no room for it.
    """
    system = _filesystem(url)

    def once() -> int:
        file.seek(0)
        file.truncate()
        _call(system, "get_file", url, _Incoming(file))
        file.flush()
        if size_bytes is not None and file.tell() < size_bytes:
            raise ConnectionResetError
        return file.tell()

    return _attempts(url, once)


class _Incoming:
    """A file that is written at a speed, for fsspec."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._started_s = time.monotonic()
        self.read = file.read
        self.close = file.close
        self.tell = file.tell

    def write(self, data: bytes) -> int:
        """Write what has arrived.

        Raises:
            TimeoutError: it took too long.
        """
        n_written = self._file.write(data)
        if time.monotonic() - self._started_s > _SILENCE_S + self._file.tell() / _SLOWEST:
            raise TimeoutError
        return n_written


# ------------------------------------------------------------------------------------- writing


def check_folder(folder: str) -> None:
    """Check that files can be written below a URL, as far as that shows without writing one.

    Raises:
        UsageError: nothing can be written there.
        OutputError: the bucket does not exist, or may not be seen.
    """
    scheme, bucket, _, query = _split(folder)
    if query:
        raise UsageError(f"{quoted(shown(folder))} has a query: results are named below a path")
    if scheme in _WEB:
        raise UsageError(
            f"results cannot be written to {scheme}://: use a directory, s3:// or gs://"
        )
    system = _filesystem(folder)
    if scheme == "memory":
        return
    try:
        there = _call(system, "exists", f"{scheme}://{bucket}")
    except Exception as error:
        raise _not_written(folder, error) from error
    if not there:
        raise _not_written(folder, FileNotFoundError())


def any_exists(urls: Sequence[str]) -> bool:
    """True if a file exists at one of these URLs of one store.

    Raises:
        OutputError: its server does not say.
    """
    system = _filesystem(urls[0])
    try:
        if system.async_impl:
            return any(_wait(system, _each(system._exists, urls)))
        return any(system.exists(url) for url in urls)
    except Exception as error:
        raise _not_written(urls[0], error) from error


def write(url: str, data: bytes) -> None:
    """Write a file, whole or not at all: stores show an object once all of it has arrived.

    Raises:
        OutputError: it cannot be written.
    """
    system = _filesystem(url)
    try:
        _retried(lambda: _call(system, "pipe_file", url, data))
    except Exception as error:
        raise _not_written(url, error) from error


def _not_written(url: str, error: Exception) -> OutputError:
    if isinstance(error, FileNotFoundError):
        return OutputError(
            f"{quoted(shown(url))} cannot be written: its bucket does not exist; create it"
        )
    return OutputError(
        f"{quoted(shown(url))} cannot be written ({_why(url, error)}): "
        "check the URL and the credentials"
    )


# ------------------------------------------------------------------------------ calls and errors


def _filesystem(url: str) -> Any:
    """File system of fsspec's for a URL.

    Raises:
        UsageError: the URL is not supported, or a package is missing.
    """
    scheme = _split(url)[0]
    try:
        import fsspec

        if scheme not in _WEB:
            return fsspec.filesystem(scheme)
        # What a person has typed is sent as it is: signatures depend on it.
        typed = url.isascii() and url.isprintable() and " " not in url
        return fsspec.filesystem(scheme, encoded=typed, client_kwargs=_client_options(scheme))
    except ImportError as error:
        package = SCHEMES[scheme] if error.name != "fsspec" else "fsspec"
        raise UsageError(f"{scheme}:// needs {package}: run pip install {package}") from error


def _client_options(scheme: str) -> dict[str, Any]:
    """Options of the web client, with those of the person's own configuration of fsspec."""
    import aiohttp
    from fsspec.config import conf

    theirs = dict(conf.get(scheme, {}).get("client_kwargs", {}))
    headers = {"Accept-Encoding": "identity", **theirs.pop("headers", {})}
    timeout = aiohttp.ClientTimeout(
        total=None, sock_connect=_CONNECT_S, connect=None, sock_read=_SILENCE_S
    )
    ours = {
        "timeout": timeout,
        "trust_env": True,
        "response_class": _bounded_response(),
        "trace_configs": [_redirect_check()],
    }
    return {**ours, **theirs, "headers": headers}


@lru_cache(maxsize=1)
def _bounded_response() -> type:
    """A response of which no more is read into memory than was asked for."""
    import aiohttp

    class BoundedResponse(aiohttp.ClientResponse):
        async def read(self) -> bytes:
            if self._body is None:
                asked = _ASKED.get()
                if asked is not None and self.status == HTTPStatus.PARTIAL_CONTENT:
                    asked.check(self.headers)
                data = bytearray()
                async for part in self.content.iter_chunked(1 << 16):
                    data += part
                    if len(data) > _MOST_RESPONSE_BYTES:
                        self.close()
                        raise NoRangesError(_MORE)
                self._body = bytes(data)
            return self._body

    return BoundedResponse


@lru_cache(maxsize=1)
def _redirect_check() -> Any:
    """Hook that refuses redirects of other hosts to services that only this machine can reach."""
    import aiohttp

    class InwardRedirectClientError(aiohttp.NonHttpUrlRedirectClientError):
        pass

    async def check(session: object, context: object, redirect: Any) -> None:
        location = redirect.response.headers.get("Location", "")
        try:
            target = urljoin(str(redirect.url), location)
            host = urlsplit(target).hostname
        except ValueError:
            return  # the client refuses it
        place = await _inward(host or "")
        if place and place != await _inward(redirect.url.host or ""):
            redirect.response.close()
            raise InwardRedirectClientError(target)

    config = aiohttp.TraceConfig()
    config.on_request_redirect.append(check)
    return config


async def _inward(host: str) -> str:
    """Kind of a host that only this machine can reach; empty for any other, or an unknown one."""
    import asyncio

    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return ""
    for *_, where in found:
        address = ipaddress.ip_address(str(where[0]).partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_loopback or address.is_unspecified:
            return "this machine"
        if address.is_link_local:  # such as the credentials of a machine in a cloud
            return "its link"
    return ""


def _call(
    system: Any,
    method: str,
    *arguments: object,
    stopped: threading.Event | None = None,
    limit_s: float = math.inf,
    **options: object,
) -> Any:
    """Call a method of a file system; Ctrl-C and ``stopped`` end it at once, ``limit_s`` in time.

    Raises:
        TimeoutError: it took longer than ``limit_s``.
    """
    if not system.async_impl:
        return getattr(system, method)(*arguments, **options)
    return _wait(system, getattr(system, f"_{method}")(*arguments, **options), stopped, limit_s)


def _wait(
    system: Any,
    coroutine: Any,
    stopped: threading.Event | None = None,
    limit_s: float = math.inf,
) -> Any:
    import asyncio
    from concurrent import futures

    future = asyncio.run_coroutine_threadsafe(coroutine, system.loop)
    ends_s = time.monotonic() + limit_s
    try:
        while not futures.wait([future], _POLL_S).done:
            if stopped is not None and stopped.is_set():
                raise AudioError("reading was stopped")
            if time.monotonic() > ends_s:
                raise TimeoutError
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _attempts(url: str, work: Callable[[], T], stopped: threading.Event | None = None) -> T:
    """Result of ``work``, which is tried again after errors that may pass.

    Raises:
        AudioError: it failed for good.
        OutputError: there is no room for a temporary file.
    """
    try:
        return _retried(work, stopped)
    except (WhisperctlError, NoRangesError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK:
            raise files.no_temporary(quoted(shown(url)), error) from error
        raise _failure(url, error) from error


def _retried(work: Callable[[], T], stopped: threading.Event | None = None) -> T:
    waiting = stopped or threading.Event()
    ends_s = time.monotonic() + 2 * _SILENCE_S
    for pause_s in _PAUSES_S:
        try:
            return work()
        except (WhisperctlError, NoRangesError):
            raise
        except Exception as error:
            if _is_final(error) or time.monotonic() > ends_s:
                raise
            waiting.wait(pause_s)
    return work()


def _cause(error: Exception) -> BaseException:
    # fsspec calls whatever goes wrong when it asks a web server a missing file.
    cause = error.__cause__ if isinstance(error, FileNotFoundError) else None
    known = any(kind.__module__.startswith("aiohttp") for kind in type(cause).__mro__)
    return cause if known and cause is not None else error


def _status(error: BaseException) -> int:
    status = getattr(error, "status", 0)
    return status if isinstance(status, int) else 0


def _is_final(error: Exception) -> bool:
    cause = _cause(error)
    status = _status(cause)
    if status:
        return 400 <= status < 500 and status not in (408, 425, 429)
    if isinstance(cause, OSError) and cause.errno in _DISK:
        return True
    if any(kind.__name__ in _FINAL for kind in type(cause).__mro__):
        return True
    if _is_unknown_host(cause):
        return True
    return isinstance(cause, FileNotFoundError | PermissionError | ValueError | TypeError)


def _of_system(cause: BaseException) -> object:
    """The system's error behind aiohttp's of a connection, or the error itself."""
    return getattr(cause, "os_error", cause)


def _is_unknown_host(cause: BaseException) -> bool:
    found = _of_system(cause)
    return isinstance(found, socket.gaierror) and found.errno in _NO_HOST


def _is_refusal(error: Exception) -> bool:
    cause = _cause(error)
    refused = isinstance(cause, PermissionError) or type(cause).__name__ == "NoCredentialsError"
    return refused or _status(cause) in (401, 403)


def _failure(url: str, error: Exception) -> AudioError:
    label = quoted(shown(url))
    cause = _cause(error)
    if isinstance(cause, FileNotFoundError) or _status(cause) in (404, 410):
        return AudioError(f"{label} does not exist: check the URL")
    if _is_unknown_host(cause):
        return AudioError(f"{label} cannot be read (no such host): check the address")
    if isinstance(_of_system(cause), ConnectionRefusedError):
        return AudioError(
            f"{label} cannot be read (the connection was refused): check the address, or try again"
        )
    why = _why(url, error)
    fix = "check the URL" if _is_final(error) else "try again"
    if _is_refusal(error):
        fix = "check the URL and the credentials"
    return AudioError(f"{label} cannot be read ({why}): {fix}")


def _why(url: str, error: Exception) -> str:
    """Reason of an error, on one line and without anything secret of a URL."""
    cause = _cause(error)
    status = _status(cause)
    if status:
        try:
            return f"HTTP {status} {HTTPStatus(status).phrase}"
        except ValueError:
            return f"HTTP {status}"
    for kind in type(cause).__mro__:
        if kind.__name__ in _WORDS:
            return _WORDS[kind.__name__]
    text = files.reason(cause) if isinstance(cause, Exception) else type(cause).__name__
    text = _IN_TEXT.sub(lambda found: shown(found[0]), text)
    parts = urlsplit(url) if _scheme(url) in _WEB else None
    if parts is not None:
        for secret in (parts.query, parts.password):
            text = text.replace(secret, "…") if secret else text
    return text[:200]
