"""Weights that are not finite, in every number format and at every door."""

from __future__ import annotations

import math
import struct
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.engine import registry
from whisperctl.errors import ModelError
from whisperctl.models.ggml import weights
from whisperctl.models.ggml.layout import Hyperparameters, tensors
from whisperctl.models.pull import import_model, verify

if TYPE_CHECKING:
    from tests.models.conftest import Builder

EMBEDDING = "decoder.token_embedding.weight"

# Where in a block of so many bytes its scales are: the structures of ggml's ggml-common.h.
SCALES = {
    2: (18, (0,)),  # q4_0
    3: (20, (0, 2)),  # q4_1
    7: (34, (0,)),  # q8_0
    8: (22, (0,)),  # q5_0
    9: (24, (0, 2)),  # q5_1
    10: (84, (80, 82)),  # q2_K
    11: (110, (108,)),  # q3_K
    12: (144, (0, 2)),  # q4_K
    13: (176, (0, 2)),  # q5_K
    14: (210, (208,)),  # q6_K
}


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        weights.check(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def of_ftype(data: bytes, ftype: int) -> tuple[bytearray, dict[str, int]]:
    """A 256 wide model with zeros for weights, and where its tensors have theirs."""
    header = replace(Hyperparameters.unpack(data[4:48]), n_audio_state=256, n_text_state=256)
    header = replace(header, ftype=ftype)
    first = data.index(struct.pack("<3i", 2, len("decoder.positional_embedding"), 0))
    out = bytearray(data[:4] + header.pack() + data[48:first])
    places = {}
    for spec in tensors(header):
        out += struct.pack("<3i", len(spec.dims), len(spec.name), spec.type_in(header).id)
        out += struct.pack(f"<{len(spec.dims)}i", *spec.dims) + spec.name.encode()
        places[spec.name] = len(out)
        out += bytes(spec.n_bytes(header))
    return out, places


@pytest.mark.slow
@pytest.mark.parametrize("ftype", SCALES)
def test_scales_of_quantized_blocks_must_be_finite(
    ftype: int, small_ggml: bytes, tmp_path: Path
) -> None:
    data, places = of_ftype(small_ggml, ftype)
    path = tmp_path / "quantized.bin"
    block_bytes, scales = SCALES[ftype]
    block = places[EMBEDDING] + 12_345 * block_bytes
    for i in range(0, block_bytes, 2):
        if i not in scales:  # any bits will do as quantized numbers
            struct.pack_into("<H", data, block + i, 0xFC00)
    path.write_bytes(data)
    weights.check(path)
    with path.open("r+b", buffering=0) as file:
        for i in scales:
            file.seek(block + i)
            file.write(struct.pack("<H", 0xFC00))
            assert f'tensor "{EMBEDDING}" holds weights that are not finite' in refusal(path)
            file.seek(block + i)
            file.write(bytes(2))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ftype", "tensor", "code"),
    [
        (0, EMBEDDING, "<f"),
        (1, EMBEDDING, "<e"),
        (1, "encoder.conv1.weight", "<e"),
        (8, "encoder.conv2.weight", "<e"),
        (1, "encoder.ln_post.bias", "<f"),
    ],
)
@pytest.mark.parametrize("value", [-math.nan, math.inf])
def test_numbers_must_be_finite(
    ftype: int, tensor: str, code: str, value: float, small_ggml: bytes, tmp_path: Path
) -> None:
    data, places = of_ftype(small_ggml, ftype)
    path = tmp_path / "numbers.bin"
    struct.pack_into(code, data, places[tensor] + 100, -3e38 if code == "<f" else -65504)
    path.write_bytes(data)
    weights.check(path)
    struct.pack_into(code, data, places[tensor] + 100, value)
    path.write_bytes(data)
    assert f'tensor "{tensor}" holds weights that are not finite (NaN or infinity)' in refusal(path)


def test_mel_filters_must_be_finite(build: Builder, tmp_path: Path) -> None:
    path = tmp_path / "filters.bin"
    path.write_bytes(build.ggml(filters=struct.pack("<f", math.nan) * (80 * 201)))
    assert '"mel filters"' in refusal(path)


@pytest.mark.slow
def test_no_door_lets_them_in(
    build: Builder, silero: bytes, tmp_path: Path, store_directory: Path
) -> None:
    said = "not finite"
    path = tmp_path / "bad.bin"
    data = bytearray(build.ggml())
    data[-4:] = struct.pack("<f", math.nan)
    path.write_bytes(data)
    with pytest.raises(ModelError, match=said):
        import_model(path)
    for engine in ("native", "wasi", "faster-whisper"):
        with pytest.raises(ModelError, match=said):
            registry.open_session(registry.parse(engine), path, threads=1)
    store_directory.mkdir(exist_ok=True)
    (store_directory / "ggml-bad.bin").write_bytes(data)
    (verdict,) = verify()
    assert verdict.status == "damaged"
    assert 'tensor "encoder.ln_post.bias"' in verdict.detail

    detector = tmp_path / "detector.bin"
    detector.write_bytes(silero[:-2] + struct.pack("<e", math.inf))
    with pytest.raises(ModelError, match=r"forward_basis_buffer.*not finite"):
        import_model(detector)
    with pytest.raises(ModelError, match=r"forward_basis_buffer.*not finite"):
        registry.open_detector(None, detector)


def test_a_conversion_too_large_for_float16_is_refused(
    build: Builder, tmp_path: Path, store_directory: Path
) -> None:
    directory = build.ct2(tmp_path / "large numbers", dtype="float32")
    binary = directory / "model.bin"
    data = binary.read_bytes()
    name = b"decoder/layer_0/ffn/linear_0/weight"
    at = data.index(name) + len(name) + 15 + 4 * 100  # behind its end, rank, shape, type and size
    binary.write_bytes(data[:at] + struct.pack("<f", 1e6) + data[at + 4 :])
    with pytest.raises(ModelError, match=r'large numbers" is .*"decoder.blocks.0.mlp.0.weight"'):
        import_model(directory)
    assert [path for path in store_directory.glob("*") if path.suffix != ".lock"] == []
