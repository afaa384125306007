"""ggml's quantization in the sandbox: rows of numbers in, blocks out, no model loaded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from whisperctl.engine.protocol import OpenOptions
from whisperctl.engine.toolkit.handle import Handle
from whisperctl.errors import GuestError
from whisperctl.models.ggml.layout import FTYPE_OF_QUANTIZATION, TYPE_OF_FTYPE
from whisperctl_wasi import conversation, protocol, runtimes
from whisperctl_wasi.host.conversation import ask, broken
from whisperctl_wasi.host.guest import Guest
from whisperctl_wasi.host.limits import limits_for
from whisperctl_wasi.modules import Module
from whisperctl_wasi.protocol import Failed, Quantized


class WasiQuantizer(Handle):
    """One sandbox for many requests; see ``whisperctl.engine.protocol.Quantizer``.

    A request that fails closes it, as the guest may be in the middle of it.
    """

    def __init__(self, module: Module, options: OpenOptions) -> None:
        super().__init__("quantizer")
        self._guest = runtimes.start(
            options.runtime, module, limits_for("quantizer", memory_bytes=1 << 30)
        )
        try:
            conversation.hello(self._guest)
        except BaseException:
            self._guest.kill()
            raise

    def quantize(self, values: npt.NDArray[np.float32], type_name: str) -> bytes:
        """See ``whisperctl.engine.protocol.Quantizer.quantize``."""
        with self.use():
            try:
                return self._quantize(self._guest, values, type_name)
            except BaseException:
                self._guest.kill()
                self.close()
                raise

    def _quantize(self, guest: Guest, values: npt.NDArray[np.float32], type_name: str) -> bytes:
        n_rows, n_columns = values.shape
        request = protocol.request("quantize", type=type_name, columns=n_columns, rows=n_rows)
        ask(guest, request)
        guest.send(np.ascontiguousarray(values, dtype="<f4").reshape(-1).view(np.uint8).data)
        event = conversation.answer(guest, Quantized, self._check_open)
        if isinstance(event, Failed):
            raise GuestError(f"ggml in the sandbox failed: {event.message}")
        kind = TYPE_OF_FTYPE[FTYPE_OF_QUANTIZATION[type_name]]
        n_bytes = n_rows * n_columns // kind.block * kind.block_bytes
        if len(event.data) != n_bytes:
            raise broken(f"{len(event.data)} bytes of quantized blocks instead of {n_bytes}")
        return event.data

    def _request_stop(self) -> None:
        """Nothing to do: a request looks between two waits whether the quantizer was closed."""

    def _free(self) -> None:
        self._guest.finish()
