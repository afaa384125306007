"""The coordinator's connection to a cluster, in a thread with an event loop of its own.

Everything that comes from the cluster is put into one queue, as ``News``; nothing here knows what
it means for the job.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import queue
import shutil
import threading
import warnings
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from io import BufferedReader
from typing import Any, BinaryIO

from whisperctl.audio.source import STDIN
from whisperctl.engine import resources
from whisperctl.errors import PluginError, WhisperctlError
from whisperctl.jobs.job import size_text
from whisperctl.storage import files
from whisperctl.text import on_one_line
from whisperctl_dask import address as addresses
from whisperctl_dask import link
from whisperctl_dask import worker as remote
from whisperctl_dask.address import Address
from whisperctl_dask.messages import InvalidAnswerError, SharedFile

_LOG = logging.getLogger("whisperctl.cluster")

_WATCHED_EVERY_S = 1.0
_CONNECT_S = 20.0
_CLOSE_S = 30.0
_SILENT = logging.CRITICAL + 1
_MOST_BYTES = 8 << 30
_MOST_RESULT_BYTES = 1 << 28
"""Size of a result that is fetched, many times that of a day's recording."""

_PURPOSE = "working with a cluster"
DEFAULTS: dict[str, Any] = {
    "distributed": {
        "admin": {"tick": {"interval": "1s"}, "system-monitor": {"interval": "5s"}},
        "worker": {"profile": {"enabled": False}},
    }
}
"""Defaults of Dask's configuration for a cluster of this machine, where how each worker watches
itself would take 4 % of a processor even while it waits."""


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that the cluster has now: names by address.

    ``described`` are the answers of ``worker.describe`` of those that are new, not validated.
    """

    names: dict[str, str]
    described: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """A message that a worker has published; not validated."""

    message: object


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of an order: its result, not validated, or what Dask says instead.

    There is none of an order whose outcome was ``Published``.
    """

    number: int
    value: object = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is gone for good."""

    reason: str


News = Workers | Published | Ended | Lost


@dataclass(slots=True)
class Served:
    """A file that workers may ask for; ``copy`` holds one that can be read only once."""

    file: SharedFile
    digest: str = ""
    copy: BinaryIO | None = None
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def part(self, offset: int) -> tuple[bytes, str]:
        """Read a part; for an offset of -1 nothing but the hash of all of it.

        Raises:
            OSError: it cannot be read, or is too large.
        """
        with self._open() as source:
            if source.seek(0, os.SEEK_END) > _MOST_BYTES:
                raise OSError(f"it is larger than {size_text(_MOST_BYTES)}")
            if offset < 0:
                if not self.digest:
                    source.seek(0)
                    self.digest = hashlib.file_digest(source, "sha256").hexdigest()
                return b"", self.digest
            source.seek(offset)
            return source.read(link.PART_BYTES), ""

    def close(self) -> None:
        """Remove the copy."""
        if self.copy is not None:
            self.copy.close()

    def _open(self) -> BufferedReader:
        if self.file.size >= 0:
            return self.file.path.open("rb")
        if self.copy is None:
            self.copy = files.open_temporary(_PURPOSE)
            is_stdin = str(self.file.path) == STDIN
            with open(0 if is_stdin else self.file.path, "rb", closefd=not is_stdin) as source:
                while data := source.read(1 << 20):
                    if self.copy.tell() > _MOST_BYTES:
                        break
                    self.copy.write(data)
            self.copy.flush()
        return os.fdopen(os.dup(self.copy.fileno()), "rb")


class Cluster:
    """A connection, open from the start until ``close``.

    ``news`` gets what happens. ``dashboard`` is the address of Dask's dashboard, if it has one.

    Args:
        address: where it is.
        topic: topic of the messages of the run.
        n_workers: number of workers of a cluster on this machine.
        n_threads: threads of each of them.
        describe: a ``Setup`` as a line, to have workers described; empty not to.

    Raises:
        PluginError: no connection can be made.
    """

    def __init__(
        self, address: Address, topic: str, n_workers: int, n_threads: int, describe: bytes = b""
    ) -> None:
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self.dashboard = ""
        self._address = address
        self._topic = topic
        self._size = (n_workers, n_threads)
        self._loop = asyncio.new_event_loop()
        self._client: Any = None
        self._futures: dict[int, Any] = {}
        self._places: dict[int, str] = {}
        self._names: dict[str, str] | None = None
        self._describe = describe
        self._awaiting: dict[int, asyncio.Task[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()
        self._thread = threading.Thread(target=self._run_loop, daemon=True)
        self._thread.start()
        self._closed = False
        try:
            self._call(self._open()).result()
        except BaseException as error:
            self.close()
            if isinstance(error, WhisperctlError) or not isinstance(error, Exception):
                raise
            raise PluginError(
                f"there is no Dask scheduler at {address.label} ({described(error)}): start one "
                'with "dask scheduler", or correct the address'
            ) from error

    def submit(self, number: int, setup: bytes, order: bytes, worker: str) -> None:
        """Send an order to a worker, by its address."""
        self._post(self._submit(number, setup, order, worker))

    def cancel(self, number: int) -> None:
        """Abandon an order; no ``Ended`` of it comes later than a moment from now."""
        self._post(self._cancel(number))

    def serve(self, served: Served, offset: int, ticket: str, worker: str) -> None:
        """Deliver a part of a file to a worker."""
        self._post(self._serve(served, offset, ticket, worker))

    def close(self) -> None:
        """Cancel everything and disconnect; a cluster of this machine is ended. May be repeated."""
        if self._closed:
            return
        self._closed = True
        with suppress(Exception):
            self._call(self._close()).result(_CLOSE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_S)

    # ------------------------------------------------------------------------ in the loop's thread

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _post(self, work: Coroutine[Any, Any, None]) -> None:
        self._loop.call_soon_threadsafe(self._spawn, work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        distributed = _load()
        options: dict[str, Any] = {"asynchronous": True, "set_as_default": False}
        options |= {"timeout": _CONNECT_S, "direct_to_workers": False, "name": "whisperctl"}
        if self._address.file is not None:
            options["scheduler_file"] = str(self._address.file)
            if not self._address.file.is_file():
                raise FileNotFoundError("there is no such file")
        elif self._address.scheduler:
            options["address"] = self._address.scheduler
        else:
            options["address"] = await self._start_local(distributed)
        client = distributed.Client(**options)
        self._stack.push_async_callback(client.close)
        # What listens there without an answer would be asked again and again.
        self._client = await asyncio.wait_for(client, _CONNECT_S)
        self._client.subscribe_topic(self._topic, self._published)
        found = await self._client.scheduler.identity(n_workers=-1)
        if "dashboard" in found.get("services", {}) and find_spec("bokeh") is not None:
            self.dashboard = str(self._client.dashboard_link)
        await self._take_workers(found)
        self._spawn(self._watch())

    async def _start_local(self, distributed: Any) -> Any:
        """Start a cluster of this machine's processors, which only this user can reach."""
        import dask

        dask.config.update_defaults(DEFAULTS)
        folder = await asyncio.to_thread(files.make_temporary_folder, _PURPOSE)
        self._stack.callback(shutil.rmtree, folder, ignore_errors=True)
        n_workers, n_threads = self._size
        return await self._stack.enter_async_context(
            distributed.LocalCluster(
                n_workers=n_workers,
                threads_per_worker=n_threads,
                asynchronous=True,
                security=distributed.Security.temporary(),
                protocol="tls",
                dashboard_address="127.0.0.1:0",
                local_directory=str(folder),
                silence_logs=_SILENT,
                memory_limit=0,  # children, which have the models, are not counted by it
                preload=["whisperctl_dask.worker"],
            )
        )

    async def _close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        if self._client is not None:
            with suppress(Exception):
                await asyncio.wait_for(self._client.cancel(list(self._futures.values())), 2.0)
        self._futures.clear()
        await self._stack.aclose()

    async def _watch(self) -> None:
        """Report workers that come and go, until the scheduler is gone."""
        while True:
            # A report of a thousand workers is a megabyte.
            await asyncio.sleep(_WATCHED_EVERY_S * (1 + len(self._names or ()) / 200))
            try:
                if self._client.status != "running":
                    raise ConnectionError("the connection was closed")
                await self._take_workers(await self._client.scheduler.identity(n_workers=-1))
            except Exception as error:
                self.news.put(Lost(described(error)))
                return

    async def _take_workers(self, found: dict[str, Any]) -> None:
        wanted = self._address.resources
        names = {
            str(address): on_one_line(str(worker.get("name", address)))
            for address, worker in found["workers"].items()
            if worker.get("status") == "running"
            and all(worker.get("resources", {}).get(name, 0) >= n for name, n in wanted.items())
        }
        if names != self._names:
            new = [one for one in names if one not in (self._names or ())]
            described = {}
            if self._describe and new:
                described = await self._client.run(
                    remote.describe, self._describe, workers=new, on_error="return"
                )
            self._names = names
            self.news.put(Workers(names, described))

    def _published(self, event: tuple[float, object]) -> None:
        message = event[1]
        if isinstance(message, dict) and message.get("outcome"):
            number = message.get("number")
            place = message.get("worker")  # as Dask says, and not the message's author
            if isinstance(number, int) and place == self._places.get(number):
                self._forget(number)
        self.news.put(Published(message))

    def _forget(self, number: int) -> None:
        """Fetch no result of an order, which would take two more messages, and release it."""
        if self._futures.pop(number, None) is not None and number in self._awaiting:
            self._awaiting[number].cancel()

    async def _submit(self, number: int, setup: bytes, order: bytes, worker: str) -> None:
        future = self._client.submit(
            remote.carry_out,
            setup,
            order,
            key=f"{self._topic}-{number}",
            workers=[worker],
            pure=False,
            priority=self._address.priority,
            resources=self._address.resources or None,
        )
        self._futures[number] = future
        self._places[number] = worker
        if (task := asyncio.current_task()) is not None:
            self._awaiting[number] = task
        try:
            ended = Ended(number, await self._result(future))
        except Exception as error:
            ended = Ended(number, error=error)
        except asyncio.CancelledError:
            future.release()
            raise
        finally:
            self._awaiting.pop(number, None)
            self._places.pop(number, None)
        # The result is here: it is dropped from the cluster with its last future.
        if self._futures.pop(number, None) is not None:
            self.news.put(ended)
        future.release()

    async def _result(self, future: Any) -> object:
        """Result of an order, which is fetched only if it is not too large.

        Raises:
            InvalidAnswerError: it is.
        """
        await future.exception()
        if future.status == "finished":
            sizes = await self._client.scheduler.nbytes(keys=[future.key], summary=False)
            if sizes[future.key] > _MOST_RESULT_BYTES:
                raise InvalidAnswerError(f"its result takes {size_text(sizes[future.key])}")
        return await future

    async def _cancel(self, number: int) -> None:
        future = self._futures.pop(number, None)
        if future is not None:
            with suppress(Exception):
                await self._client.cancel([future])

    async def _serve(self, served: Served, offset: int, ticket: str, worker: str) -> None:
        data, digest, problem = b"", "", ""
        async with served.reading:
            try:
                data, digest = await asyncio.to_thread(served.part, offset)
            except OSError as error:
                problem = files.reason(error)
            except WhisperctlError as error:
                problem = str(error)
        with suppress(Exception):  # the worker is gone, which shows elsewhere
            await self._client.run(
                link.deliver, ticket, data, digest, problem, workers=[worker], on_error="ignore"
            )


def described(error: BaseException) -> str:
    """Describe an exception of Dask's on one line."""
    if isinstance(error, OSError) and error.strerror:
        return files.reason(error)
    text = on_one_line(str(error))
    if isinstance(error, TimeoutError) and not text:
        return "it does not answer"
    return (
        text[:300]
        if isinstance(error, OSError) and text
        else f"{type(error).__name__}: {text}"[:300]
    )


def locate(text: str) -> Address:
    """Parse an address, with TLS if Dask's configuration has certificates.

    Without one it is that of Dask's configuration, such as ``DASK_SCHEDULER_ADDRESS``, if any.

    Raises:
        UsageError: it is no address.
    """
    security = _load().Security()
    import dask

    encrypted = bool(security.require_encryption or security.tls_client_cert)
    found = addresses.parse(text, encrypted=encrypted)
    if not found.scheduler and found.file is None:
        found = replace(found, scheduler=dask.config.get("scheduler-address", None) or "")
    return found


def local_size(workers: int, *, all_workers: bool, threads: int | None) -> tuple[int, int]:
    """Number of workers of a cluster on this machine, and threads of each."""
    available = resources.available()
    if all_workers:
        workers = min(workers, max(1, available // (threads or 1)))
    return workers, threads or max(1, available // workers)


def _load() -> Any:
    """Import Dask, whose messages go to our log and not to the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import distributed
    warnings.filterwarnings("ignore", module="distributed")

    logger = logging.getLogger("distributed")
    if not any(isinstance(one, _Forwarding) for one in logger.handlers):
        for name in (
            "distributed",
            "distributed.client",
            "bokeh",
            "tornado",
            "tornado.application",
        ):
            other = logging.getLogger(name)
            other.handlers = [_Forwarding()] if name in ("distributed", "tornado") else []
            other.propagate = name not in ("distributed", "tornado", "bokeh")
    return distributed


class _Forwarding(logging.Handler):
    """Hands Dask's records to our log, as details."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(Exception):
            _LOG.debug("%s: %s", record.name, record.getMessage())
