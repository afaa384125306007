"""CTranslate2 models, the format of faster-whisper: their weights and their vocabulary.

``model.bin`` is written by ``ModelSpec._serialize`` in CTranslate2's ``specs/model_spec.py``: a
binary version, the spec's name and revision, the variables (name, rank, dimensions, type, byte
count, data), and aliases, that is, further names of variables. All numbers are little-endian.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

from whisperctl.errors import ModelError
from whisperctl.storage.files import reason
from whisperctl.text import quoted

# The order of the DataType enum in include/ctranslate2/types.h, with bytes a value.
_TYPES = (("float32", 4), ("int8", 1), ("int16", 2), ("int32", 4), ("float16", 2), ("bfloat16", 2))
_INTEGERS = ("int8", "int16", "int32")
_FLOATS = ("float32", "float16")
# Versions 4 and 5 differ from 6 in nothing that is read here.
_VERSIONS = range(4, 7)
_MAX_NAME_BYTES = 256
_MAX_RANK = 3  # a convolution's weights

END_OF_TEXT = "<|endoftext|>"
_N_TEXT_TOKENS = 50257
_MAX_VOCABULARY_BYTES = 16 << 20
"""Largest vocabulary file; Whisper's largest, a tokenizer.json, has 4 MB."""

FloatArray = npt.NDArray[np.float32] | npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class _Variable:
    dims: tuple[int, ...]
    type: str
    offset: int
    n_bytes: int


class CTranslate2Model:
    """The variables of a ``model.bin``, read from disk as they are used."""

    def __init__(self, path: Path, variables: dict[str, _Variable]) -> None:
        self.path = path
        self._variables = variables
        self._data: npt.NDArray[np.uint8] = np.memmap(path, np.uint8, "r")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Read the table of variables.

        Raises:
            ModelError: it cannot be read, is damaged, or is not a CTranslate2 Whisper model.
        """
        try:
            with path.open("rb") as file:
                variables = _table(_Reader(path, file))
            return cls(path, variables)
        except OSError as error:
            raise ModelError(f"{quoted(path)} cannot be read: {reason(error)}") from error

    def __contains__(self, name: str) -> bool:
        return name in self._variables

    def floats(self, name: str) -> FloatArray:
        """A variable of floating-point numbers, float32 or float16, backed by the file.

        Raises:
            ModelError: there is no such variable, or it is quantized.
        """
        variable = self._variable(name)
        # NumPy raises for many dimensions, and for large ones beside one of 0.
        if len(variable.dims) > _MAX_RANK or 0 in variable.dims:
            raise ModelError(
                f"{quoted(self.path)} is not a plain Whisper model: {quoted(name)} has "
                f"{len(variable.dims)} dimensions and {math.prod(variable.dims)} numbers"
            )
        if variable.type not in _FLOATS:
            raise ModelError(
                f"{quoted(self.path)} contains {variable.type} weights, which have lost the exact "
                "values: import a float16 or float32 conversion of the model"
            )
        flat: FloatArray = self._bytes(variable).view(variable.type)
        return flat.reshape(variable.dims)

    def integer(self, name: str, default: int) -> int:
        """A single whole number, or ``default`` if the model does not have it.

        Raises:
            ModelError: it is something else.
        """
        if name not in self:
            return default
        variable = self._variable(name)
        if variable.type not in _INTEGERS or math.prod(variable.dims) != 1:
            raise ModelError(
                f'{quoted(self.path)} is damaged: "{name}" is not a whole number; copy or download '
                "it again"
            )
        return int.from_bytes(self._bytes(variable).tobytes(), "little", signed=True)

    def _variable(self, name: str) -> _Variable:
        try:
            return self._variables[name]
        except KeyError as error:
            raise ModelError(
                f'{quoted(self.path)} has no variable "{name}": it is not a plain Whisper model'
            ) from error

    def _bytes(self, variable: _Variable) -> npt.NDArray[np.uint8]:
        return self._data[variable.offset : variable.offset + variable.n_bytes]


class _Reader:
    """Reader of numbers and strings; a file that ends early is an error."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.file = file
        self.size = path.stat().st_size

    def number(self, code: str) -> int:
        return int(struct.unpack(f"<{code}", self._read(struct.calcsize(f"<{code}")))[0])

    def string(self) -> str:
        """A string after its length, which counts the closing zero."""
        n_bytes = self.number("H")
        if not 0 < n_bytes <= _MAX_NAME_BYTES:
            raise self.damaged(f"it has a name of {n_bytes} bytes")
        return self._read(n_bytes)[:-1].decode("utf-8", "replace")

    def skip(self, n_bytes: int) -> int:
        """Skip ``n_bytes`` bytes; returns their offset."""
        start = self.file.tell()
        if start + n_bytes > self.size:
            raise self._truncated(start + n_bytes)
        self.file.seek(n_bytes, 1)
        return start

    def damaged(self, what: str) -> ModelError:
        """The error for a file that contradicts itself."""
        return ModelError(f"{quoted(self.path)} is damaged: {what}; copy or download it again")

    def _read(self, n_bytes: int) -> bytes:
        data = self.file.read(n_bytes)
        if len(data) < n_bytes:
            raise self._truncated(self.file.tell() - len(data) + n_bytes)
        return data

    def _truncated(self, at_least: int) -> ModelError:
        return ModelError(
            f"{quoted(self.path)} is truncated: it has {self.size} bytes and needs at least "
            f"{at_least}; copy or download it again"
        )


def _table(reader: _Reader) -> dict[str, _Variable]:
    version = reader.number("I")
    if version not in _VERSIONS:
        raise ModelError(
            f"{quoted(reader.path)} is not a CTranslate2 model of a known version "
            f"({_VERSIONS[0]} to {_VERSIONS[-1]})"
        )
    spec = reader.string()
    if spec != "WhisperSpec":
        raise ModelError(
            f"{quoted(reader.path)} is a CTranslate2 {quoted(spec)}, not a Whisper model"
        )
    reader.number("I")  # the spec's revision; what matters is which variables there are
    variables = {}
    for _ in range(reader.number("I")):
        name = reader.string()
        dims = tuple(reader.number("I") for _ in range(reader.number("B")))
        type_id = reader.number("B")
        n_bytes = reader.number("I")
        if type_id >= len(_TYPES) or math.prod(dims) * _TYPES[type_id][1] != n_bytes:
            raise reader.damaged(f"variable {quoted(name)} does not fit its size")
        variables[name] = _Variable(dims, _TYPES[type_id][0], reader.skip(n_bytes), n_bytes)
    for _ in range(reader.number("I")):
        alias, name = reader.string(), reader.string()
        if name in variables:
            variables[alias] = variables[name]
    return variables


@cache
def _byte_of_character() -> dict[str, int]:
    """Byte of each of GPT-2's printable stand-ins for bytes.

    Bytes that are printable in Latin-1 stand for themselves, the others for the characters from
    U+0100 on (``bytes_to_unicode`` in GPT-2's ``encoder.py``).
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {
        chr(0x100 + i): byte for i, byte in enumerate(hidden)
    }


@cache
def _character_of_byte() -> dict[int, str]:
    return {byte: character for character, byte in _byte_of_character().items()}


def printable(token: bytes) -> str:
    """A token as vocabulary files spell it."""
    characters = _character_of_byte()
    return "".join(characters[byte] for byte in token)


def read_vocabulary(directory: Path, *, multilingual: bool) -> list[bytes]:
    """Text tokens in the order of their ids, as the published ggml files list them.

    English models list ``<|endoftext|>``, which is their last text token, the multilingual ones
    stop before it and end with an empty token.

    Args:
        directory: holds ``vocabulary.json``, ``vocabulary.txt`` or ``tokenizer.json``.
        multilingual: True if the model is multilingual.

    Raises:
        ModelError: there is no such file, or it is not a Whisper vocabulary of this kind.
    """
    path, tokens = _strings(directory)
    if END_OF_TEXT in tokens:
        tokens = tokens[: tokens.index(END_OF_TEXT) + (0 if multilingual else 1)]
    if len(tokens) != _N_TEXT_TOKENS:
        raise ModelError(
            f"{quoted(path)} does not fit the model: it has {len(tokens)} text tokens, "
            f"Whisper has {_N_TEXT_TOKENS}"
        )
    bytes_of = _byte_of_character()
    try:
        return [bytes(bytes_of[c] for c in token) for token in tokens]
    except (KeyError, TypeError) as error:
        raise ModelError(f"{quoted(path)} is not a vocabulary of byte-level tokens") from error


def _strings(directory: Path) -> tuple[Path, list[str]]:
    readers = {
        "vocabulary.json": _json_tokens,
        "vocabulary.txt": _text_tokens,
        "tokenizer.json": _tokenizer_tokens,
    }
    for name, read_tokens in readers.items():
        path = directory / name
        if not path.is_file():
            continue
        try:
            if path.stat().st_size > _MAX_VOCABULARY_BYTES:
                raise ValueError(f"it is larger than {_MAX_VOCABULARY_BYTES >> 20} MiB")
            return path, read_tokens(path.read_text(encoding="utf-8"))
        except (
            OSError,
            ValueError,
            LookupError,
            TypeError,
            AttributeError,
            RecursionError,
        ) as error:
            raise ModelError(f"{quoted(path)} is not a vocabulary: {error}") from error
    raise ModelError(
        f"{quoted(directory)} has no vocabulary: put the {' or '.join(readers)} of the model there"
    )


def _json_tokens(text: str) -> list[str]:
    return [str(token) for token in json.loads(text)]


def _text_tokens(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")  # not splitlines: tokens hold other separators


def _tokenizer_tokens(text: str) -> list[str]:
    tokenizer = json.loads(text)
    ids: dict[str, int] = dict(tokenizer["model"]["vocab"])
    ids |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    return sorted(ids, key=ids.__getitem__)
