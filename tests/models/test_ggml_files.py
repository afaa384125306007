from __future__ import annotations

import struct
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.errors import ModelError
from whisperctl.models import ggml
from whisperctl.models.ggml import walk
from whisperctl.models.ggml.layout import Hyperparameters, tensors

if TYPE_CHECKING:
    from tests.models.conftest import Builder

MEL_START = 48
VOCABULARY_START = MEL_START + 8 + 4 * 80 * 201


def refusal(path: Path) -> str:
    """What ``inspect`` says against a file; one line that names it."""
    with pytest.raises(ModelError) as caught:
        ggml.inspect(path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_whole_model_tells_what_it_is(small_model: Path, small_ggml: bytes) -> None:
    info = ggml.inspect(small_model)
    assert (info.kind, info.ftype, info.multilingual, info.n_languages) == (
        "custom",
        "f16",
        False,
        1,
    )
    assert (info.n_vocab, info.n_mels, info.n_state) == (51864, 80, 64)
    assert (info.n_audio_layers, info.n_text_layers) == (1, 1)
    assert info.size_bytes == len(small_ggml)
    described = info.description
    assert described is not None
    assert (described.multilingual, described.n_vocab, described.n_mels) == (False, 51864, 80)
    assert (described.encoder.n_state, described.decoder.n_state) == (64, 64)
    assert (info.path, info.modified_ns) == (small_model, small_model.stat().st_mtime_ns)
    assert ggml.inspect(small_model, None) == info


def test_languages_are_counted_from_the_vocabulary(build: Builder, tmp_path: Path) -> None:
    older = ggml.inspect(write(tmp_path / "a.bin", build.ggml(n_vocab=51865)))
    newer = ggml.inspect(write(tmp_path / "b.bin", build.ggml(n_vocab=51866, n_mels=128)))
    assert (older.multilingual, older.n_languages) == (True, 99)
    assert (newer.multilingual, newer.n_languages, newer.n_mels) == (True, 100, 128)


@pytest.mark.parametrize("ftype", [2, 3, 7, 8, 9, 2008])
def test_quantized_models_are_whole_at_their_exact_length(
    ftype: int, small_ggml: bytes, tmp_path: Path
) -> None:
    data = _with_ftype(small_ggml, ftype)
    path = write(tmp_path / "q.bin", data)
    assert ggml.inspect(path).ftype.startswith("q")
    write(path, data[:-1])
    assert f"it has {len(data) - 1} bytes of {len(data)}" in refusal(path)


def _with_ftype(data: bytes, ftype: int) -> bytes:
    """The same model with zeros for weights, in another number format."""
    parameters = Hyperparameters.unpack(data[4:44] + struct.pack("<i", ftype))
    end = _weights_start(data)
    out = bytearray(data[:44] + struct.pack("<i", ftype) + data[48:end])
    for spec in tensors(parameters):
        kind = spec.type_in(parameters)
        out += struct.pack("<3i", len(spec.dims), len(spec.name), kind.id)
        out += struct.pack(f"<{len(spec.dims)}i", *spec.dims) + spec.name.encode()
        out += bytes(spec.n_bytes(parameters))
    return bytes(out)


def _weights_start(data: bytes) -> int:
    (count,) = struct.unpack_from("<i", data, VOCABULARY_START)
    offset = VOCABULARY_START + 4
    for _ in range(count):
        offset += 4 + struct.unpack_from("<i", data, offset)[0]
    return offset


@pytest.mark.parametrize("size", [3, 4, 10, 47, 48, 55, 1000, VOCABULARY_START + 2, 300_000])
def test_a_file_cut_off_before_its_weights_is_truncated(
    size: int, small_ggml: bytes, tmp_path: Path
) -> None:
    message = refusal(write(tmp_path / "cut.bin", small_ggml[:size]))
    assert "truncated" in message or size < 4


@pytest.mark.parametrize("fraction", [0.2, 0.5, 0.9, 0.99])
def test_a_file_cut_off_in_its_weights_tells_how_much_is_missing(
    fraction: float, small_ggml: bytes, tmp_path: Path
) -> None:
    size = int(len(small_ggml) * fraction)
    message = refusal(write(tmp_path / "cut.bin", small_ggml[:size]))
    assert f"truncated: it has {size} bytes of {len(small_ggml)}" in message


def test_whispercpps_weightless_test_files_are_told_apart(
    small_ggml: bytes, tmp_path: Path
) -> None:
    path = write(tmp_path / "for-tests.bin", small_ggml[: _weights_start(small_ggml)])
    assert "has no weights: it is one of whisper.cpp's test files" in refusal(path)


def test_bytes_after_the_last_tensor_are_damage(small_ggml: bytes, tmp_path: Path) -> None:
    assert "5 too many" in refusal(write(tmp_path / "long.bin", small_ggml + b"extra"))


@pytest.mark.parametrize(
    ("offset", "value"),
    [
        (4, 7),  # n_vocab
        (8, -1),  # n_audio_ctx
        (12, 0),  # n_audio_state
        (12, 1 << 30),
        (20, 100_000),  # n_audio_layer
        (20, 2),  # one more layer than there is
        (40, 81),  # n_mels
        (44, 4),  # an ftype that ggml has dropped
        (44, 99),
        (MEL_START, 128),
        (MEL_START + 4, 1 << 30),
        (VOCABULARY_START, -1),
        (VOCABULARY_START, 1 << 30),
        (VOCABULARY_START + 4, 1 << 30),
        (VOCABULARY_START + 4, -5),
    ],
)
def test_a_garbled_number_is_noticed(
    offset: int, value: int, small_ggml: bytes, tmp_path: Path
) -> None:
    data = bytearray(small_ggml)
    struct.pack_into("<i", data, offset, value)
    message = refusal(write(tmp_path / "garbled.bin", bytes(data)))
    assert "damaged" in message or "truncated" in message


@pytest.mark.parametrize(
    ("field", "value", "complaint"),
    [
        ("n_vocab", 51867, "51867 tokens, Whisper has 51864, 51865 or 51866"),
        ("n_audio_ctx", 200_000, "audio context of 200000, Whisper's is 1500"),
        ("n_audio_ctx", 1499, "audio context of 1499"),
        ("n_text_ctx", 1 << 20, "text context of 1048576, Whisper's is 448"),
        ("n_audio_state", 128, "its encoder is 128 wide, its decoder 64"),
        ("n_audio_head", 3, "its encoder has 3 heads, which do not divide a width of 64"),
        ("n_text_head", 5, "its decoder has 5 heads, which do not divide a width of 64"),
        ("n_text_head", 0, "its decoder has 0 heads"),
        ("n_audio_head", -2, "its encoder has -2 heads"),
        ("n_audio_head", 64, "the heads of its encoder have a size of 1, not 16 to 256"),
        ("n_audio_layer", 65, "its encoder has 65 layers, not 1 to 64"),
        ("n_text_layer", 0, "its decoder has 0 layers"),
        ("n_mels", 100, "100 mel bands, Whisper has 80 or 128"),
        ("ftype", -1, "(ftype -1) is unknown"),
        ("ftype", 4, "(ftype 4) is unknown"),
        ("ftype", 3001, "(ftype 3001) is unknown"),
        ("ftype", 12, "q4_k does not fit 64 wide layers"),
    ],
)
def test_a_header_that_contradicts_itself_says_where(
    field: str, value: int, complaint: str, small_ggml: bytes, tmp_path: Path
) -> None:
    header = replace(Hyperparameters.unpack(small_ggml[4:48]), **{field: value})
    path = write(tmp_path / "wrong.bin", small_ggml[:4] + header.pack() + small_ggml[48:])
    assert complaint in refusal(path)


def test_layers_too_wide_for_any_whisper_are_refused(small_ggml: bytes, tmp_path: Path) -> None:
    header = Hyperparameters.unpack(small_ggml[4:48])
    header = replace(header, n_audio_state=8192, n_text_state=8192)
    path = write(tmp_path / "wide.bin", small_ggml[:4] + header.pack() + small_ggml[48:])
    assert "its layers are 8192 wide, not 1 to 2560" in refusal(path)


@pytest.mark.parametrize(
    ("at", "tokens", "complaint"),
    [
        (300, [], "lists 50256 tokens, not 50257 to 51864"),
        (300, [b"x"] * 1609, "lists 51865 tokens, not 50257 to 51864"),
        (35, [b"more"], "lacks a token for the byte 0x20"),  # whisper.cpp fails without a space
        (300, [b"t0"], "token 300 of its vocabulary is there twice"),
        (300, [b"x" * 1025], "token 300 of its vocabulary has a length of 1025 bytes"),
        (300, [b"%d" % i + b"x" * 1000 for i in range(1608)], None),
    ],
)
def test_a_broken_vocabulary_says_where(
    at: int, tokens: list[bytes], complaint: str | None, build: Builder, tmp_path: Path
) -> None:
    usual = build.tokens()
    data = build.ggml(tokens=[*usual[:at], *tokens, *usual[at + 1 :]])
    path = write(tmp_path / "vocabulary.bin", data)
    if complaint is None:
        ggml.inspect(path)
    else:
        assert complaint in refusal(path)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ((0, struct.pack("<i", 9)), "garbled"),  # dimensions
        ((4, struct.pack("<i", 100_000)), "garbled"),  # length of the name
        ((8, struct.pack("<i", 1)), "has type 1"),
        ((12, struct.pack("<i", 65)), "has shape"),
        ((20, b"x"), "unexpected tensor"),
    ],
)
def test_a_garbled_tensor_is_noticed(
    change: tuple[int, bytes], complaint: str, small_ggml: bytes, tmp_path: Path
) -> None:
    data = bytearray(small_ggml)
    at = _weights_start(small_ggml) + change[0]
    data[at : at + len(change[1])] = change[1]
    assert complaint in refusal(write(tmp_path / "garbled.bin", bytes(data)))


@pytest.mark.parametrize(
    ("data", "description"),
    [
        (b"GGUF\x03\0\0\0" + bytes(100), "a gguf file"),
        (b"lmgg\x0a\0\0\0silero-16k" + bytes(100), "Silero VAD"),
        (b"\x06\0\0\0\x0c\0WhisperSpec\0" + bytes(100), "CTranslate2 model.bin"),
        (b"PK\x03\x04" + bytes(100), "PyTorch checkpoint"),
        (b"<!DOCTYPE html><html>Not found</html>", "HTML error page"),
        (b"hello\n", "a text file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "Git LFS pointer"),
        (b'\x10\x01\0\0\0\0\0\0{"__metadata__"', "safetensors"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "wav recording"),
        (b"ggml" + bytes(100), "bytes swapped"),
        (bytes(100), "some other kind"),
    ],
)
def test_foreign_files_are_named(data: bytes, description: str, tmp_path: Path) -> None:
    message = refusal(write(tmp_path / "foreign.bin", data))
    assert "is not a ggml Whisper model" in message
    assert description in message


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    assert "is empty" in refusal(write(tmp_path / "nothing.bin", b""))


def test_what_is_no_file_is_refused(build: Builder, tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "absent.bin")
    assert "is a directory" in refusal(tmp_path)
    directory = build.ct2(tmp_path / "ct2")
    assert "whisperctl models import" in refusal(directory)
    assert "is not a file" in refusal(Path("/dev/null"))


def test_walking_takes_no_time_that_depends_on_the_weights(
    small_ggml: bytes, tmp_path: Path
) -> None:
    """A file of three gigabytes of holes, as large as the largest model."""
    layers, state = 32, 1280
    header = Hyperparameters(51866, 1500, state, 20, layers, 448, state, 20, layers, 128, 1)
    path = tmp_path / "holes.bin"
    with path.open("wb") as out:
        out.write(small_ggml[:4] + header.pack() + struct.pack("<2i", 128, 201))
        out.write(bytes(4 * 128 * 201))
        out.write(small_ggml[VOCABULARY_START : _weights_start(small_ggml)])
        for spec in tensors(header):
            kind = spec.type_in(header)
            out.write(struct.pack("<3i", len(spec.dims), len(spec.name), kind.id))
            out.write(struct.pack(f"<{len(spec.dims)}i", *spec.dims) + spec.name.encode())
            out.seek(spec.n_bytes(header), 1)
        out.truncate()
    start = time.perf_counter()
    assert ggml.inspect(path).kind == "large-v3"
    assert time.perf_counter() - start < 2


def test_the_vocabulary_of_a_model_of_openais_is_told_by_its_hash(
    tiny_en: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = tiny_en.read_bytes()
    start = VOCABULARY_START + 4
    n_bytes = walk.own_vocabulary(data[start:])
    assert n_bytes == 521_855
    assert walk.own_vocabulary(data[start : start + n_bytes]) == n_bytes
    assert walk.own_vocabulary(data[start : start + n_bytes - 1]) == 0
    info, places = ggml.survey(tiny_en)
    monkeypatch.setattr(walk, "_OWN_VOCABULARIES", {})
    walked, found = ggml.survey(tiny_en, called=tmp_path)  # under another name it is not remembered
    assert (walked, found) == (info, places)
    changed = bytearray(data)
    changed[start + 4] ^= 1
    monkeypatch.undo()
    assert "is there twice" in refusal(write(tmp_path / "changed.bin", bytes(changed)))
