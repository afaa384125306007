"""Run models of large shapes, with random weights, in the sandbox: do they fit into its memory?

Usage: python -m bench.large_models [SHAPE-FTYPE …], such as large-v3-turbo-q8_0

A 32-bit WebAssembly memory has 4 GiB. The text says nothing and the time little; what counts is
that a model loads, encodes and decodes, with one beam and with five, or is refused before it is
loaded.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from pathlib import Path

import numpy as np

from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.errors import WhisperctlError
from whisperctl.models.ggml import layout
from whisperctl.options import DecodeOptions
from whisperctl_wasi.backend import WasiBackend

FTYPES = {"f16": 1, "q5_0": 8, "q8_0": 7}
DECODER_LAYERS = {"large-v3-turbo": 4, "large-v3": 32}

_N_TOKENS = 50257
_SPREAD = 0.02
_TILE_VALUES = 1 << 22


def parameters(shape: str, ftype: str) -> layout.Hyperparameters:
    """Hyperparameters of one of ``DECODER_LAYERS`` in one of ``FTYPES``."""
    layers = DECODER_LAYERS[shape]
    return layout.Hyperparameters(
        51866, 1500, 1280, 20, 32, 448, 1280, 20, layers, 128, FTYPES[ftype]
    )


def write_model(path: Path, shape: layout.Hyperparameters, *, sparse: bool = False) -> Path:
    """Write a ggml model with small random weights.

    Args:
        path: the file to write.
        shape: its hyperparameters.
        sparse: whether all weights are zeros that take no room on the disk.

    Returns:
        ``path``.
    """
    tiles: dict[str, bytes] = {}
    with path.open("wb") as out:
        out.write(struct.pack("<I", layout.MAGIC) + shape.pack())
        out.write(struct.pack("<2i", shape.n_mels, layout.N_FFT))
        out.write(np.full(shape.n_mels * layout.N_FFT, 0.01, "<f4").tobytes())
        out.write(struct.pack("<i", _N_TOKENS))
        for byte in range(256):  # each byte is a token, and the others are empty
            out.write(struct.pack("<iB", 1, byte))
        out.write(bytes(4 * (_N_TOKENS - 256)))
        for spec in layout.tensors(shape):
            name = spec.name.encode()
            kind = spec.type_in(shape)
            out.write(struct.pack("<3i", len(spec.dims), len(name), kind.id))
            out.write(struct.pack(f"<{len(spec.dims)}i", *spec.dims) + name)
            left = spec.n_bytes(shape)
            if sparse:
                out.seek(left, 1)
                continue
            if kind.name not in tiles:
                tiles[kind.name] = _tile(kind)
            while left:
                left -= out.write(tiles[kind.name][:left])
        out.truncate()
    return path


def _tile(kind: layout.TensorType) -> bytes:
    """Random weights in a number format; tensors repeat them."""
    rng = np.random.default_rng(0)
    if kind.block == 1:
        values = rng.standard_normal(_TILE_VALUES, np.float32) * _SPREAD
        return values.astype("<f4" if kind == layout.F32 else "<f2").tobytes()
    # A block is its scale, and its numbers.
    blocks = rng.integers(0, 256, (_TILE_VALUES // kind.block, kind.block_bytes), np.uint8)
    scale = _SPREAD / (64 if kind.name == "q8_0" else 8)
    blocks[:, :2] = np.frombuffer(np.array(scale, "<f2").tobytes(), np.uint8)
    return blocks.tobytes()


def run(path: Path, beams: int) -> str:
    """Load a model in the sandbox and decode two seconds; what came of it, in a line."""
    model = Model.inspect(path)
    noise = np.random.default_rng(0).uniform(-0.1, 0.1, 32000).astype(np.float32)
    options = DecodeOptions(language="en", beam_size=beams, temperature_increment=0.0)
    try:
        with WasiBackend().open(model, OpenOptions(threads=2)) as session:
            result = session.transcribe(Audio(noise, "noise"), options)
    except WhisperctlError as error:
        return f"refused: {error}"
    phases = result.phases
    assert phases is not None
    seconds = {name: phases[name].total_ms / 1000 for name in ("load", "encode", "total")}
    times = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
    return f"{(result.linear_memory_bytes or 0) / 2**20:.0f} MiB, {times}"


def main(names: list[str]) -> None:
    """Run the named models, or all."""
    every = [f"{shape}-{ftype}" for shape in DECODER_LAYERS for ftype in FTYPES]
    for name in names or every:
        shape, _, ftype = name.rpartition("-")
        with tempfile.TemporaryDirectory() as folder:
            path = write_model(Path(folder, f"ggml-{name}.bin"), parameters(shape, ftype))
            print(f"{name}: {path.stat().st_size / 2**20:.0f} MiB", flush=True)
            for beams in (1, 5):
                print(f"  {beams} beams: {run(path, beams)}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
