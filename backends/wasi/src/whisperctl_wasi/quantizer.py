"""ggml's quantization in the sandbox: rows of numbers in, blocks out, no model loaded."""

from __future__ import annotations

import base64

import numpy as np
import numpy.typing as npt

from whisperctl.backend import Closing
from whisperctl.errors import BackendError, GuestError
from whisperctl_wasi import conversation, protocol
from whisperctl_wasi.guest import Guest
from whisperctl_wasi.modules import Module


class WasiQuantizer(Closing):
    """One sandbox for many requests; see ``whisperctl.backend.Quantizer``."""

    def __init__(self, guest_class: type[Guest], module: Module) -> None:
        self._guest: Guest | None = guest_class(module)
        try:
            conversation.hello(self._guest)
        except BaseException:
            self._guest.kill()
            raise

    def quantize(self, values: npt.NDArray[np.float32], type_name: str) -> bytes:
        """See ``whisperctl.backend.Quantizer.quantize``."""
        if self._guest is None:
            raise BackendError("the quantizer is closed already")
        guest = self._guest
        n_rows, n_columns = values.shape
        try:
            guest.send(protocol.request("quantize", type=type_name, columns=n_columns, rows=n_rows))
            guest.send(np.ascontiguousarray(values, dtype="<f4").reshape(-1).view(np.uint8).data)
            event = conversation.answer(guest, "quantized")
            if event["event"] == "error":
                raise GuestError(f"ggml in the sandbox failed: {event['message']}")
            return base64.b64decode(event["data"])
        except BaseException:
            # Whatever it was, the guest may be in the middle of a request.
            self._guest = None
            guest.kill()
            raise

    def close(self) -> None:
        """End the sandbox; safe to call again."""
        guest, self._guest = self._guest, None
        if guest is not None:
            guest.end()
