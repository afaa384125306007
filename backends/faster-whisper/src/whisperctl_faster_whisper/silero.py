"""Silero's network for 16 kHz, from a ggml file: the probability of speech in each frame.

The graph is that of ``whisper_vad_build_graph`` in whisper.cpp, which computes it frame by frame.
Only the LSTM has to: here, all before it is computed for many frames at once, which takes a third
of the time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from whisperctl.errors import ModelError
from whisperctl.models import ggml
from whisperctl.models.ggml.files import reading
from whisperctl.models.ggml.layout import F16
from whisperctl.text import quoted

_Array = npt.NDArray[np.float32]

FRAME = 512
"""Samples of a frame."""

_AT_ONCE = 512
"""Frames; their numbers still fit into the processor's cache."""

_PADDING = 64
_FFT = 256
_HOP = 128
_SPECTRA = 4
"""Spectra of a frame with its padding."""

_STRIDES = (1, 2, 2, 1)
_STATE = 128
_WIDTH = 3


class Silero:
    """A loaded network.

    Args:
        tensors: float32, flat, by their names in the file.
    """

    def __init__(self, tensors: dict[str, _Array]) -> None:
        basis = tensors["_model.stft.forward_basis_buffer"]
        self._basis = np.ascontiguousarray(basis.reshape(-1, _FFT).T)
        self._convolutions = []
        for i in range(len(_STRIDES)):
            bias = tensors[f"_model.encoder.{i}.reparam_conv.bias"]
            weight = tensors[f"_model.encoder.{i}.reparam_conv.weight"]
            columns = weight.reshape(len(bias), -1, _WIDTH).transpose(2, 1, 0)
            self._convolutions.append((columns.reshape(-1, len(bias)), bias))
        rnn = "_model.decoder.rnn."
        self._from_input = tensors[f"{rnn}weight_ih"].reshape(-1, _STATE).T
        # In parts: OpenBLAS shares products of more than 9216 numbers out among its threads, which
        # would wait for each other at each of thousands of steps.
        self._from_state = tensors[f"{rnn}weight_hh"].reshape(-1, _STATE // 2, _STATE)
        self._biases = [tensors[f"{rnn}bias_{side}"] for side in ("ih", "hh")]
        self._weight = tensors["_model.decoder.decoder.2.weight"]
        self._offset = tensors["_model.decoder.decoder.2.bias"]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read a model.

        Raises:
            ModelError: it cannot be read, or is no whole Silero model.
        """
        _, places = ggml.survey(path, "silero")
        tensors = {}
        with reading(path) as file:
            for place in places:
                file.seek(place.offset)
                data = file.read(place.n_bytes)
                if len(data) < place.n_bytes:
                    raise ModelError(f"{quoted(path)} changed while it was read: try again")
                dtype = "<f2" if place.type is F16 else "<f4"
                tensors[place.name] = np.frombuffer(data, dtype).astype(np.float32)
        return cls(tensors)

    def probabilities(self, samples: _Array, check: Callable[[], None]) -> _Array:
        """Probability of speech in each frame: float32, shape (n_frames,).

        Args:
            samples: float32, shape (n_samples,), 16 kHz mono; the last frame is filled with
                silence.
            check: called often; what it raises ends the computation.
        """
        n_frames = -(-len(samples) // FRAME)
        frames = np.pad(samples, (0, n_frames * FRAME - len(samples))).reshape(n_frames, FRAME)
        states = np.empty((n_frames, _STATE), np.float32)
        state, cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
        # Weights that are no network's may exceed the range of numbers; the caller checks.
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, n_frames, _AT_ONCE):
                check()
                inputs = self._encoded(frames[start : start + _AT_ONCE])
                state, cell = self._remembered(inputs, state, cell, states[start:])
            logits = np.maximum(states, 0) @ self._weight + self._offset
            found: _Array = 0.5 * (1 + np.tanh(0.5 * logits))
        return found

    def _encoded(self, frames: _Array) -> _Array:
        """What goes into the gates for each frame: float32, shape (n_frames, 4 * _STATE)."""
        padded = np.pad(frames, ((0, 0), (_PADDING, _PADDING)), mode="reflect")
        waves = np.lib.stride_tricks.sliding_window_view(padded, _FFT, axis=1)[:, ::_HOP]
        spectra = waves.reshape(-1, _FFT) @ self._basis
        real, imaginary = np.split(spectra, 2, axis=1)
        numbers = np.sqrt(np.square(real) + np.square(imaginary))
        numbers = numbers.reshape(len(frames), _SPECTRA, -1)
        for stride, (weight, bias) in zip(_STRIDES, self._convolutions, strict=True):
            numbers = _convolved(numbers, weight, bias, stride)
        encoded: _Array = numbers[:, 0] @ self._from_input
        for bias in self._biases:
            encoded += bias
        return encoded

    def _remembered(
        self, inputs: _Array, state: _Array, cell: _Array, states: _Array
    ) -> tuple[_Array, _Array]:
        """Run the LSTM over ``inputs``, write each state to ``states``; the last state and cell."""
        gates = np.empty(4 * _STATE, np.float32)
        rows = gates.reshape(-1, _STATE // 2)
        into, keep, new, out = np.split(gates, 4)
        for i, given in enumerate(inputs):
            np.matmul(self._from_state, state, out=rows)
            gates += given
            # A sigmoid is a hyperbolic tangent of half the number, so one call does for all four.
            new *= 2
            gates *= 0.5
            np.tanh(gates, out=gates)
            cell = (1 + keep) * cell + (1 + into) * new
            cell *= 0.5
            states[i] = state = np.tanh(cell) * (0.5 * (1 + out))
        return state, cell


def _convolved(numbers: _Array, weight: _Array, bias: _Array, stride: int) -> _Array:
    """A convolution over time with its activation.

    Args:
        numbers: float32, shape (n_frames, n_times, n_in).
        weight: float32, shape (_WIDTH * n_in, n_out).
        bias: float32, shape (n_out,).
        stride: step in time.
    """
    n_frames, n_times, n_in = numbers.shape
    padded = np.zeros((n_frames, n_times + 2, n_in), np.float32)
    padded[:, 1:-1] = numbers
    columns = np.concatenate(
        [padded[:, i : i + n_times : stride] for i in range(_WIDTH)], axis=2
    ).reshape(-1, _WIDTH * n_in)
    result: _Array = columns @ weight
    result += bias
    np.maximum(result, 0, out=result)
    return result.reshape(n_frames, -1, len(bias))
