"""Runs the guest under Wasmer, through wasmer-sdk's asyncio interface on a loop of its own."""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import threading
import time
import weakref
from collections.abc import Coroutine
from typing import Any, TypeVar

import wasmer_sdk

from whisperctl.caching import cache_dir
from whisperctl.errors import BackendError
from whisperctl_wasi.guest import Chunk, Guest
from whisperctl_wasi.modules import Module

T = TypeVar("T")

_POLL_S = 0.1
_LAST_CALLBACK_S = 0.1

_LAST_WORDS_S = 0.2

_open: weakref.WeakSet[WasmerGuest] = weakref.WeakSet()


def _end_all() -> None:
    """Stop what nobody closed, and let the runtime's threads come back.

    wasmer-sdk's own threads tell Python of each finished call. One that is still on its way back
    from the last of these when the interpreter ends is ended by it in the middle of native code,
    and that aborts the process.
    """
    for guest in list(_open):
        guest.kill()
    time.sleep(_LAST_CALLBACK_S)


atexit.register(_end_all)


class WasmerGuest(Guest):
    """A guest under Wasmer; its threads are the runtime's own.

    Wasmer stops a killed guest at its next call to the host, not in mid-computation. ``kill`` does
    not wait for that, and a guest that never calls the host computes until the process ends.
    """

    runtime = "wasmer"

    def __init__(self, module: Module) -> None:
        super().__init__(module)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="whisperctl-wasmer", daemon=True
        )
        self._thread.start()
        _open.add(self)
        self._released = False
        self._spawned = 0.0
        self._reader: asyncio.Task[None] | None = None
        self._client: wasmer_sdk.Wasmer | None = None
        self._sandbox: wasmer_sdk.Sandbox | None = None
        self._process: wasmer_sdk.Process | None = None
        try:
            self._await(self._start())
        except wasmer_sdk.WasmerError as error:
            self.kill()
            raise BackendError(f"wasmer cannot run {module.path.name}: {error}") from error
        except BaseException:
            self.kill()
            raise

    async def _start(self) -> None:
        started = time.perf_counter()
        self._client = wasmer_sdk.Wasmer(cache_root=cache_dir("wasmer"))
        package = await self._client.packages.load(self.module.path.read_bytes())
        self._sandbox = await self._client.sandboxes.create(packages=[package], env={})
        # Compiles, or takes the code from the cache, as it spawns: the two cannot be told apart.
        command = self._sandbox.command(package)
        self._process = await command.spawn(stdin="pipe", stdout="pipe", stderr="pipe")
        self._spawned = time.perf_counter()
        self.compile_ms = (self._spawned - started) * 1000
        self._reader = asyncio.create_task(self._pump(self._process))

    async def _pump(self, process: wasmer_sdk.Process) -> None:
        """Carry what the guest writes until it ends; both streams, as a full one blocks it."""
        reason = "it ended unexpectedly"
        assert process.stdout is not None
        assert process.stderr is not None
        streams = [
            asyncio.create_task(_carry(process.stdout, self._on_stdout)),
            asyncio.create_task(_carry(process.stderr, self._on_stderr)),
        ]
        try:
            output = await process.wait()
            if output.reason is wasmer_sdk.ExitReason.TERMINATED:
                reason = "it was stopped"
            else:
                reason = f"exit code {output.exit_code}" if output.exit_code else ""
        except wasmer_sdk.WasmerError as error:
            reason = str(error).partition("\n")[0]
        finally:
            # The streams of a killed guest stay open while it computes; those of others end by now.
            await asyncio.wait(streams, timeout=_LAST_WORDS_S)
            for stream in streams:
                stream.cancel()
            self._on_end(reason)

    def _on_stdout(self, data: bytes) -> None:
        # The guest greets as its first deed, so its first bytes say that it has started.
        if not self.instantiate_ms:
            self.instantiate_ms = (time.perf_counter() - self._spawned) * 1000
        super()._on_stdout(data)

    def _await(self, work: Coroutine[Any, Any, T]) -> T:
        """Run ``work`` on the loop; the calling thread stays open to Ctrl-C meanwhile."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        while True:
            try:
                return future.result(timeout=_POLL_S)
            except concurrent.futures.TimeoutError:
                if future.done():
                    raise
            except BaseException:
                future.cancel()
                raise

    def send(self, chunk: Chunk) -> None:
        """See ``Guest.send``."""
        if self.ended or self._process is None or self._process.stdin is None:
            raise self._end_error()
        try:
            self._await(self._process.stdin.write(chunk))
        except wasmer_sdk.WasmerError as error:
            # The guest ended while it was being written to; let it say why.
            self._ended.wait(1.0)
            raise self._end_error() from error

    def finish(self) -> None:
        """See ``Guest.finish``."""
        if self._process is not None and self._process.stdin is not None and not self.ended:
            with contextlib.suppress(wasmer_sdk.WasmerError):
                self._await(self._process.stdin.close())
            while not self._ended.wait(_POLL_S):
                pass
        self._release()

    def kill(self) -> None:
        """See ``Guest.kill``."""
        if self._process is not None and not self.ended:
            with contextlib.suppress(wasmer_sdk.WasmerError):
                self._await(self._process.kill())
            self._ended.wait(1.0)
        self._release()

    def _release(self) -> None:
        if self._released:
            return
        self._released = True

        async def close() -> None:
            if self._reader is not None and not self._reader.done():
                self._reader.cancel()
            for part in (self._sandbox, self._client):
                if part is not None:
                    with contextlib.suppress(wasmer_sdk.WasmerError):
                        await part.close()

        try:
            self._await(close())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            _open.discard(self)
            self._on_end("it was closed")


async def _carry(stream: wasmer_sdk.ReadableBytes, to: Any) -> None:
    async for data in stream:
        to(data)
