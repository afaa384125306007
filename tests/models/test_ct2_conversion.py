from __future__ import annotations

import io
import json
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from whisperctl.errors import ModelError
from whisperctl.models import ct2, ggml
from whisperctl.models.convert import convert, mel_filters

if TYPE_CHECKING:
    from tests.models.conftest import Builder


def converted(directory: Path) -> bytes:
    out = io.BytesIO()
    convert(directory, out)
    return out.getvalue()


def refusal(directory: Path) -> str:
    with pytest.raises(ModelError) as caught:
        convert(directory, io.BytesIO())
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize(("n_vocab", "n_mels"), [(51864, 80), (51865, 80), (51866, 128)])
def test_conversion_keeps_every_number(
    dtype: str, n_vocab: int, n_mels: int, build: Builder, tmp_path: Path
) -> None:
    filters = mel_filters(n_mels).tobytes()
    directory = build.ct2(tmp_path / "in put", n_vocab=n_vocab, n_mels=n_mels, dtype=dtype)
    expected = build.ggml(n_vocab=n_vocab, n_mels=n_mels, dtype=dtype, filters=filters)
    result = converted(directory)
    assert result == expected
    path = tmp_path / "out.bin"
    path.write_bytes(result)
    assert ggml.inspect(path).n_mels == n_mels


@pytest.mark.parametrize("n_mels", [80, 128])
def test_mel_filters_are_triangles_of_equal_area(n_mels: int) -> None:
    filters = mel_filters(n_mels)
    assert filters.shape == (n_mels, 201)
    assert filters.dtype == np.float32
    assert (filters >= 0).all()
    assert not np.signbit(filters).any()  # a negative zero would change the file's hash
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) >= 0).all()
    # Slaney's norm: each filter's integral over frequency is 1; wide ones are sampled well enough.
    assert np.allclose(filters[-20:].sum(axis=1) * 40, 1, atol=0.02)


@pytest.mark.slow
def test_the_three_vocabulary_files_say_the_same(build: Builder, tmp_path: Path) -> None:
    directory = build.ct2(tmp_path / "model", n_vocab=51865)
    expected = converted(directory)
    strings: list[str] = json.loads((directory / "vocabulary.json").read_text("utf-8"))
    (directory / "vocabulary.json").unlink()
    text = "".join(f"{token}\n" for token in strings)
    (directory / "vocabulary.txt").write_text(text, encoding="utf-8", newline="\n")
    assert converted(directory) == expected
    (directory / "vocabulary.txt").unlink()
    special = strings.index(ct2.END_OF_TEXT)
    tokenizer = {
        "model": {"vocab": {token: i for i, token in enumerate(strings[:special])}},
        "added_tokens": [
            {"id": special + i, "content": token} for i, token in enumerate(strings[special:])
        ],
    }
    (directory / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    assert converted(directory) == expected
    (directory / "tokenizer.json").unlink()
    assert "has no vocabulary" in refusal(directory)


def test_a_vocabulary_of_the_other_kind_is_refused(build: Builder, tmp_path: Path) -> None:
    directory = build.ct2(tmp_path / "model", n_vocab=51865)
    other = build.ct2(tmp_path / "other", n_vocab=51864)
    (other / "vocabulary.json").replace(directory / "vocabulary.json")
    assert "does not fit the model: it has 50256 text tokens" in refusal(directory)


@pytest.mark.parametrize("text", ["{", "[1, 2]", '{"a": 1}', ""])
def test_a_broken_vocabulary_is_refused(text: str, build: Builder, tmp_path: Path) -> None:
    directory = build.ct2(tmp_path / "model")
    (directory / "vocabulary.json").write_text(text, encoding="utf-8")
    assert "vocabulary.json" in refusal(directory)


def test_int8_weights_are_refused_by_name(build: Builder, tmp_path: Path) -> None:
    directory = build.ct2(tmp_path / "model", dtype="int8")
    assert "int8 weights" in refusal(directory)
    assert "float16 or float32" in refusal(directory)


@pytest.mark.parametrize("size", [0, 3, 8, 25, 60, 5000, 4_000_000])
def test_a_truncated_model_bin_is_refused(size: int, build: Builder, tmp_path: Path) -> None:
    path = build.ct2(tmp_path / "model") / "model.bin"
    path.write_bytes(path.read_bytes()[:size])
    assert "is truncated" in refusal(path.parent)


@pytest.mark.parametrize(
    ("offset", "value", "complaint"),
    [
        (0, struct.pack("<I", 77), "known version"),
        (6, b"X", 'CTranslate2 "XhisperSpec"'),
        (22, struct.pack("<I", 10_000), "damaged"),  # more variables than there are
    ],
)
def test_a_garbled_model_bin_is_refused(
    offset: int, value: bytes, complaint: str, build: Builder, tmp_path: Path
) -> None:
    path = build.ct2(tmp_path / "model") / "model.bin"
    data = bytearray(path.read_bytes())
    data[offset : offset + len(value)] = value
    path.write_bytes(data)
    message = refusal(path.parent)
    assert complaint in message or "truncated" in message


@pytest.mark.parametrize(
    "dims", [(1,) * 100, (0,) * 255, (0, 2**32 - 1, 2**32 - 1, 2**32 - 1)], ids=len
)
def test_dimensions_that_no_array_has_are_refused(
    dims: tuple[int, ...], build: Builder, tmp_path: Path
) -> None:
    path = build.ct2(tmp_path / "model") / "model.bin"
    name = b"decoder/embeddings/weight\0"
    path.write_bytes(
        struct.pack("<IH12sIIH", 6, 12, b"WhisperSpec\0", 3, 1, len(name))
        + name
        + struct.pack(f"<B{len(dims)}IBI", len(dims), *dims, 4, 2 * math.prod(dims))
        + bytes(2 * math.prod(dims))
        + bytes(4)
    )
    assert '"decoder/embeddings/weight" has ' in refusal(path.parent)


def test_a_directory_without_a_model_is_refused(tmp_path: Path) -> None:
    assert "has no model.bin" in refusal(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    assert "ct2-transformers-converter" in refusal(tmp_path)
