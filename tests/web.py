"""A web server for tests: sends ranges or not, breaks off, is silent, and lies."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import ClassVar

PAGE = b"""<a href="two%20words.mp3">a</a> <a href="../up.mp3">b</a> <a href="notes.txt">c</a>
<a href="http://elsewhere.example/x.mp3">d</a> <a href="..%2F..%2Fup.mp3">e</a>"""


@dataclass
class Served:
    """Address of a server, what it serves, and the requests: method, path and range.

    ``released`` ends what some paths do.
    """

    base: str
    data: bytes
    released: threading.Event
    requests: list[tuple[str, str, str]] = field(default_factory=list)


class Server(http.server.BaseHTTPRequestHandler):
    """The first part of a path says how the data is served."""

    protocol_version = "HTTP/1.1"
    served: ClassVar[Served]

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        if self.path.startswith("/stream/"):
            self._answer(405, b"")
        else:
            self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        asked = self.headers.get("Range", "")
        self.served.requests.append((self.command, self.path, asked))
        how = self.path.split("/")[1].partition("?")[0]
        n_before = sum(one[0] == "GET" for one in self.served.requests[:-1])
        data = self.served.data
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
        start, end = (int(found[1]), int(found[2]) + 1) if found else (0, len(data))
        part, code = (data[start:end], 206) if found else (data, 200)
        match how:
            case "whole":
                self._answer(200, data)
            case "stream":
                self._answer(200, data, length=None)
            case "broken" | "once":
                breaks = self.command == "GET" and (how == "broken" or n_before == 0)
                self._answer(code, part[: len(part) // 2] if breaks else part, length=len(part))
                self.close_connection |= breaks
            case "flood":
                self._answer(code, b"x" * (10 * len(data)))
            case "empty":
                self._answer(200, b"")
            case "huge":
                self._answer(code, part, length=10**17 if self.command == "HEAD" else len(part))
            case "silent":
                if self.command == "GET" and n_before:
                    self.served.released.wait(10)
                self._answer(code, part)
            case "half" if start > len(data) // 2 and not self.served.released.is_set():
                self._answer(503, b"")
            case "forgets" if n_before:
                self._answer(200, data)
            case "elsewhere":
                self.send_response(302)
                self.send_header("Location", "file:///etc/passwd")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "hang":
                self.served.released.wait(10)
                self._answer(503, b"")
            case "inward":
                self.send_response(302)
                self.send_header("Location", f"http://{self.path.split('/')[2]}/x.wav?{asked}")
                self.send_header("Content-Length", "0")
                self.end_headers()
            case "page":
                self._answer(200, PAGE, mimetype="text/html")
            case "drip":
                self._answer(code, part, drip=True)
            case "changes":
                self._answer(code, part, tag=str(start), ranged=f"bytes {start}-{end - 1}/*")
            case "changed":
                self._answer(code, part, tag=self.command)
            case "other" if n_before:
                self._answer(code, part, ranged=f"bytes 0-{len(part) - 1}/{len(data)}")
            case "links":
                self._answer(200, data, mimetype="text/html")
            case number if number.isdecimal():
                self._answer(int(number), b"")
            case _:
                self._answer(code, part)

    def _answer(
        self,
        code: int,
        body: bytes,
        *,
        length: int | None = -1,
        mimetype: str = "audio/wav",
        tag: str = "1",
        ranged: str = "",
        drip: bool = False,
    ) -> None:
        self.send_response(code)
        self.send_header("Content-Type", mimetype)
        self.send_header("ETag", f'"{tag}"')
        if ranged:
            self.send_header("Content-Range", ranged)
        if length is None:
            self.close_connection = True
        else:
            self.send_header("Content-Length", str(len(body) if length < 0 else length))
        self.end_headers()
        if self.command == "HEAD":
            return
        with suppress(BrokenPipeError, ConnectionResetError):
            while drip and not self.served.released.wait(0.02):
                self.wfile.write(b"x")
            self.wfile.write(body)


@contextmanager
def serving(data: bytes) -> Iterator[Served]:
    """A server of these bytes, under every name."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    base = f"http://127.0.0.1:{server.server_address[1]}"
    Server.served = Served(base, data, threading.Event())
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield Server.served
    finally:
        Server.served.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
