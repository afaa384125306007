"""Runs a module under Wasmer, through wasmer-sdk, between the streams of this process."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl.engine.resources import status_bytes
from whisperctl_wasi.host import code_cache
from whisperctl_wasi.host.child import (
    CannotRunError,
    Line,
    Order,
    UnavailableError,
    bound_memory,
)

try:
    import wasmer_sdk
# A native library that does not fit the system fails in ways of its own.
except Exception as error:
    raise UnavailableError(f"wasmer-sdk does not load: {error}") from error

if TYPE_CHECKING:
    from typing import NoReturn

_STDIN, _STDOUT, _STDERR = range(3)
_PIECE_BYTES = 1 << 20
_LAST_OUTPUT_S = 0.2
_BUFFERS_BYTES = 128 << 20
_STACK_BYTES = 4 << 20
_UNKNOWN_BYTES = 1 << 30


def run(module: bytes, order: Order, line: Line) -> NoReturn:
    """Compile and run ``module``; tells the host, and ends the process.

    Raises:
        CannotRunError: Wasmer refuses the module.
    """
    line.end(asyncio.run(_run(module, order, line)))


async def _run(module: bytes, order: Order, line: Line) -> str:
    binding = {"module": order.sha256, "compiler": f"wasmer-sdk {order.version}"}
    folder = Path(order.cache, f"{order.sha256[:32]}-{order.version}")
    started = time.perf_counter()
    try:
        with code_cache.bound_folder(folder, binding):
            client = wasmer_sdk.Wasmer(cache_root=folder)
            package = await client.packages.load(module)
            sandbox = await client.sandboxes.create(
                packages=[package], env={}, network=wasmer_sdk.NetworkPolicy.DISABLED
            )
            # Compiles, or takes the code from the cache, as it spawns; which, it does not tell.
            process = await sandbox.command(package).spawn(
                stdin="pipe", stdout="pipe", stderr="pipe"
            )
            line.say("started", [(time.perf_counter() - started) * 1000, None])
        # Wasmer knows no limits, so the process gets one, from what it has now that it compiled.
        bound_memory(
            (status_bytes("VmData") or _UNKNOWN_BYTES)
            + order.memory_bytes
            + _BUFFERS_BYTES
            + order.threads * _STACK_BYTES
        )
    except wasmer_sdk.WasmerError as error:
        raise CannotRunError(f"cannot be started: {_first_line(error)}") from error
    streams = [
        asyncio.create_task(_drain(process.stdout, _STDOUT)),
        asyncio.create_task(_drain(process.stderr, _STDERR)),
    ]
    feeding = asyncio.create_task(_feed(process.stdin))
    try:
        output = await process.wait()
        reason = f"exit code {output.exit_code}" if output.exit_code else ""
    except wasmer_sdk.WasmerError as error:
        reason = _first_line(error)
    await asyncio.wait(streams, timeout=_LAST_OUTPUT_S)
    feeding.cancel()
    # Not back through the loop's and the runtime's own endings: threads of the guest may still be
    # computing, and a read of standard input may be waiting.
    line.end(reason)


async def _feed(stdin: wasmer_sdk.WritableBytes | None) -> None:
    assert stdin is not None
    loop = asyncio.get_running_loop()
    while data := await loop.run_in_executor(None, os.read, _STDIN, _PIECE_BYTES):
        await stdin.write(data)
    await stdin.close()


async def _drain(stream: wasmer_sdk.ReadableBytes | None, handle: int) -> None:
    assert stream is not None
    loop = asyncio.get_running_loop()
    async for data in stream:
        await loop.run_in_executor(None, _write, handle, data)


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
