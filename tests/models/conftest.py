"""Small models made by the tests themselves, well-formed in every byte but one-layered and random.

The writers here follow the formats' descriptions on their own, so that they can disagree with the
readers under test. Real models are in ``test_real_models.py``.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

N_STATE = 64
Arrays = dict[str, npt.NDArray[np.generic]]


@pytest.fixture
def store_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty default store for one test."""
    directory = tmp_path / "store of models"
    monkeypatch.setenv("WHISPERCTL_MODELS", str(directory))
    return directory


class Builder:
    """Writes small models; ``seed`` decides their weights."""

    def ct2(
        self,
        directory: Path,
        *,
        n_vocab: int = 51864,
        n_mels: int = 80,
        dtype: str = "float16",
        seed: int = 1,
    ) -> Path:
        """A CTranslate2 directory, as faster-whisper has it; multilingual from 51865 tokens on."""
        arrays = ct2_arrays(n_vocab, n_mels, dtype, seed)
        write_ct2(directory, arrays, multilingual=n_vocab > 51864)
        return directory

    def ggml(
        self,
        *,
        n_vocab: int = 51864,
        n_mels: int = 80,
        dtype: str = "float16",
        seed: int = 1,
        filters: bytes | None = None,
        n_state: int = N_STATE,
        tokens: list[bytes] | None = None,
    ) -> bytes:
        """The ggml file that holds the same weights; ``tokens`` are the usual ones by default."""
        if tokens is None:
            tokens = multilingual_tokens() if n_vocab > 51864 else english_tokens()
        return ggml_bytes(ct2_arrays(n_vocab, n_mels, dtype, seed, n_state), tokens, filters)

    def tokens(self) -> list[bytes]:
        """The text tokens of an English model."""
        return english_tokens()

    def silero(self, version: tuple[int, int, int] = (6, 2, 0), seed: int = 1) -> bytes:
        """A ggml file that detects speech, with random weights."""
        return silero_bytes(version, seed)


@pytest.fixture(scope="session")
def build() -> Builder:
    return Builder()


@pytest.fixture(scope="session")
def small_ggml(build: Builder) -> bytes:
    """The bytes of a whole ggml model: English, one layer a side."""
    return build.ggml()


@pytest.fixture(scope="session")
def silero(build: Builder) -> bytes:
    """The bytes of a whole Silero model."""
    return build.silero()


@pytest.fixture
def small_model(small_ggml: bytes, tmp_path: Path) -> Path:
    """The same in a file."""
    path = tmp_path / "ggml-small model.bin"
    path.write_bytes(small_ggml)
    return path


def ct2_arrays(
    n_vocab: int, n_mels: int, dtype: str = "float16", seed: int = 1, n_state: int = N_STATE
) -> Arrays:
    """CTranslate2's variables of a Whisper with one layer a side."""
    random = np.random.default_rng(seed)
    n = n_state

    def weights(*shape: int) -> npt.NDArray[np.generic]:
        return random.standard_normal(shape).astype(dtype)

    arrays: Arrays = {
        "decoder/embeddings/weight": weights(n_vocab, n),
        "decoder/position_encodings/encodings": weights(448, n),
        "encoder/position_encodings/encodings": weights(1500, n),
        "encoder/conv1/weight": weights(n, n_mels, 3),
        "encoder/conv1/bias": weights(n),
        "encoder/conv2/weight": weights(n, n, 3),
        "encoder/conv2/bias": weights(n),
        "encoder/num_heads": np.array(2, np.int16),
        "decoder/num_heads": np.array(2, np.int16),
    }
    for norm in ("decoder/layer_norm", "encoder/layer_norm"):
        arrays |= {f"{norm}/gamma": weights(n), f"{norm}/beta": weights(n)}
    linears = {
        "ffn/linear_0": (4 * n, n),
        "ffn/linear_1": (n, 4 * n),
        "self_attention/linear_0": (3 * n, n),
        "self_attention/linear_1": (n, n),
    }
    cross = {
        "attention/linear_0": (n, n),
        "attention/linear_1": (2 * n, n),
        "attention/linear_2": (n, n),
    }
    for side in ("encoder", "decoder"):
        for name, shape in (linears | (cross if side == "decoder" else {})).items():
            layer = f"{side}/layer_0/{name}"
            arrays |= {f"{layer}/weight": weights(*shape), f"{layer}/bias": weights(shape[0])}
        norms = ["ffn", "self_attention", *(["attention"] if side == "decoder" else [])]
        for name in norms:
            norm = f"{side}/layer_0/{name}/layer_norm"
            arrays |= {f"{norm}/gamma": weights(n), f"{norm}/beta": weights(n)}
    return arrays


def write_ct2(directory: Path, arrays: Arrays, *, multilingual: bool) -> None:
    """Write a CTranslate2 directory: model.bin, binary version 6, and vocabulary.json."""
    directory.mkdir(parents=True, exist_ok=True)
    ids = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4}
    with (directory / "model.bin").open("wb") as out:

        def text(value: str) -> None:
            out.write(struct.pack("<H", len(value) + 1) + value.encode() + b"\0")

        out.write(struct.pack("<I", 6))
        text("WhisperSpec")
        out.write(struct.pack("<II", 3, len(arrays)))
        for name, array in sorted(arrays.items()):
            text(name)
            out.write(struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape))
            out.write(struct.pack("<BI", ids[str(array.dtype)], array.nbytes) + array.tobytes())
        out.write(struct.pack("<I", 1))
        text("decoder/projection/weight")
        text("decoder/embeddings/weight")
    tokens = multilingual_strings() if multilingual else english_strings()
    (directory / "vocabulary.json").write_text(json.dumps(tokens), encoding="utf-8")


def english_strings() -> list[str]:
    """A vocabulary as CTranslate2 lists it: text tokens, then special ones."""
    others = [spelled(byte) for byte in range(256) if byte not in (0xAD, 0xE9)]
    text = ["Ġhello", "Ń", "é", *others, *(f"t{i}" for i in range(49999))]
    return [*text, "<|endoftext|>", "<|startoftranscript|>"]


def spelled(byte: int) -> str:
    """GPT-2's character for a byte: its own where that is printable, else one from U+0100 on."""
    hidden = [*range(0x21), *range(0x7F, 0xA1), 0xAD]
    return chr(0x100 + hidden.index(byte)) if byte in hidden else chr(byte)


def multilingual_strings() -> list[str]:
    """Likewise; the last text token is empty, as in Whisper's own."""
    return [*english_strings()[:50256], "", "<|endoftext|>", "<|startoftranscript|>"]


def english_tokens() -> list[bytes]:
    """``english_strings`` as a ggml file holds them."""
    others = [bytes([byte]) for byte in range(256) if byte not in (0xAD, 0xE9)]
    tokens = [b" hello", b"\xad", b"\xe9", *others, *(b"t%d" % i for i in range(49999))]
    return [*tokens, b"<|endoftext|>"]


def multilingual_tokens() -> list[bytes]:
    """``multilingual_strings`` as a ggml file holds them."""
    return [*english_tokens()[:50256], b""]


def ggml_bytes(arrays: Arrays, tokens: list[bytes], filters: bytes | None = None) -> bytes:
    """The ggml file, float16, that holds these weights; written out tensor by tensor."""
    n_vocab, n = arrays["decoder/embeddings/weight"].shape
    n_mels = arrays["encoder/conv1/weight"].shape[1]
    out = bytearray(struct.pack("<I", 0x67676D6C))
    out += struct.pack("<11i", n_vocab, 1500, n, 2, 1, 448, n, 2, 1, n_mels, 1)
    out += struct.pack("<2i", n_mels, 201) + (filters or bytes(4 * 201 * n_mels))
    out += struct.pack("<i", len(tokens))
    for token in tokens:
        out += struct.pack("<i", len(token)) + token

    def put(name: str, array: npt.NDArray[np.generic], *, half: bool) -> None:
        out.extend(struct.pack("<3i", array.ndim, len(name), int(half)))
        out.extend(struct.pack(f"<{array.ndim}i", *array.shape[::-1]) + name.encode())
        out.extend(array.astype("<f2" if half else "<f4").tobytes())

    def linear(name: str, source: str, part: int = 0, parts: int = 1, bias: bool = True) -> None:
        put(f"{name}.weight", np.split(arrays[f"{source}/weight"], parts)[part], half=True)
        if bias:
            put(f"{name}.bias", np.split(arrays[f"{source}/bias"], parts)[part], half=False)

    def norm(name: str, source: str) -> None:
        put(f"{name}.weight", arrays[f"{source}/gamma"], half=False)
        put(f"{name}.bias", arrays[f"{source}/beta"], half=False)

    def block(side: str) -> None:
        name, source = f"{side}.blocks.0", f"{side}/layer_0"
        norm(f"{name}.mlp_ln", f"{source}/ffn/layer_norm")
        linear(f"{name}.mlp.0", f"{source}/ffn/linear_0")
        linear(f"{name}.mlp.2", f"{source}/ffn/linear_1")
        own = f"{source}/self_attention"
        norm(f"{name}.attn_ln", f"{own}/layer_norm")
        linear(f"{name}.attn.query", f"{own}/linear_0", 0, 3)
        linear(f"{name}.attn.key", f"{own}/linear_0", 1, 3, bias=False)
        linear(f"{name}.attn.value", f"{own}/linear_0", 2, 3)
        linear(f"{name}.attn.out", f"{own}/linear_1")
        if side == "decoder":
            cross = f"{source}/attention"
            norm(f"{name}.cross_attn_ln", f"{cross}/layer_norm")
            linear(f"{name}.cross_attn.query", f"{cross}/linear_0")
            linear(f"{name}.cross_attn.key", f"{cross}/linear_1", 0, 2, bias=False)
            linear(f"{name}.cross_attn.value", f"{cross}/linear_1", 1, 2)
            linear(f"{name}.cross_attn.out", f"{cross}/linear_2")

    put("decoder.positional_embedding", arrays["decoder/position_encodings/encodings"], half=False)
    put("encoder.positional_embedding", arrays["encoder/position_encodings/encodings"], half=False)
    put("decoder.token_embedding.weight", arrays["decoder/embeddings/weight"], half=True)
    block("decoder")
    norm("decoder.ln", "decoder/layer_norm")
    for conv in ("conv1", "conv2"):
        put(f"encoder.{conv}.weight", arrays[f"encoder/{conv}/weight"], half=True)
        put(f"encoder.{conv}.bias", arrays[f"encoder/{conv}/bias"].reshape(-1, 1), half=False)
    block("encoder")
    norm("encoder.ln_post", "encoder/layer_norm")
    return bytes(out)


def silero_bytes(version: tuple[int, int, int], seed: int) -> bytes:
    """What whisper.cpp's convert-silero-vad-to-ggml.py writes, in its order."""
    out = bytearray(b"lmgg" + struct.pack("<i", 10) + b"silero-16k" + struct.pack("<3i", *version))
    layers = [(129, 128, 3), (128, 64, 3), (64, 64, 3), (64, 128, 3)]
    out += struct.pack("<3i", 512, 64, 4)
    for layer in layers:
        out += struct.pack("<3i", *layer)
    out += struct.pack("<4i", 128, 128, 128, 1)
    random = np.random.default_rng(seed)

    def put(name: str, *shape: int, half: bool = False) -> None:
        out.extend(struct.pack("<3i", len(shape), len(name), int(half)))
        out.extend(struct.pack(f"<{len(shape)}i", *shape[::-1]) + name.encode())
        out.extend(random.normal(size=shape).astype("<f2" if half else "<f4").tobytes())

    for i, (n_in, n_out, width) in enumerate(layers):
        put(f"_model.encoder.{i}.reparam_conv.weight", n_out, n_in, width, half=True)
        put(f"_model.encoder.{i}.reparam_conv.bias", n_out)
    put("_model.decoder.rnn.weight_ih", 512, 128)
    put("_model.decoder.rnn.weight_hh", 512, 128)
    put("_model.decoder.rnn.bias_ih", 512)
    put("_model.decoder.rnn.bias_hh", 512)
    put("_model.decoder.decoder.2.weight", 128, half=True)
    put("_model.decoder.decoder.2.bias")
    put("_model.stft.forward_basis_buffer", 258, 1, 256, half=True)
    return bytes(out)
