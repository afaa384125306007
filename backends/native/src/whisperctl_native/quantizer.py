"""ggml's quantization, in the library that the bindings were linked with."""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from whisperctl.engine.toolkit.handle import Handle
from whisperctl.errors import BackendError
from whisperctl.models.ggml.layout import FTYPE_OF_QUANTIZATION, TYPE_OF_FTYPE
from whisperctl_native import library


class NativeQuantizer(Handle):
    """See ``whisperctl.engine.protocol.Quantizer``; there is nothing to hold or release."""

    def __init__(self) -> None:
        super().__init__("quantizer")

    def quantize(self, values: npt.NDArray[np.float32], type_name: str) -> bytes:
        """See ``whisperctl.engine.protocol.Quantizer.quantize``."""
        with self.use():
            return self._quantize(values, type_name)

    def _quantize(self, values: npt.NDArray[np.float32], type_name: str) -> bytes:
        kind = TYPE_OF_FTYPE[FTYPE_OF_QUANTIZATION[type_name]]
        n_rows, n_columns = values.shape
        if n_columns % kind.block:  # ggml itself checks nothing
            raise BackendError(f"{type_name} takes rows of a multiple of {kind.block} values")
        source = np.ascontiguousarray(values, dtype=np.float32)
        target = ctypes.create_string_buffer(source.size // kind.block * kind.block_bytes)
        try:
            written = library.quantize_chunk(kind.id, source.ctypes.data, target, n_rows, n_columns)
        except (AttributeError, OSError) as error:
            raise BackendError(
                "this build of pywhispercpp does not give access to ggml's quantization: "
                "use another backend"
            ) from error
        if written != len(target):
            raise BackendError(f"ggml wrote {written} bytes instead of {len(target)}")
        return target.raw

    def _request_stop(self) -> None:
        """Nothing to do: it takes milliseconds."""

    def _free(self) -> None:
        """Nothing to do."""
