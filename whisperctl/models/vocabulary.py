"""Whisper's vocabulary as bytes, from the files that come with a CTranslate2 model."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from whisperctl.errors import ModelError
from whisperctl.text import quoted

END_OF_TEXT = "<|endoftext|>"
_N_TEXT_TOKENS = 50257
_MAX_BYTES = 16 << 20
"""Of a file; Whisper's largest, a tokenizer.json, has 4 MB."""


@cache
def _byte_of_character() -> dict[str, int]:
    """GPT-2's printable stand-in for every byte, the wrong way round.

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
    """A token as the files of a vocabulary spell it."""
    characters = _character_of_byte()
    return "".join(characters[byte] for byte in token)


def read(directory: Path, *, multilingual: bool) -> list[bytes]:
    """The text tokens in the order of their ids, as the published ggml files list them.

    English models list ``<|endoftext|>``, which is their last text token, the multilingual ones
    stop before it and end with an empty token.

    Args:
        directory: holds ``vocabulary.json``, ``vocabulary.txt`` or ``tokenizer.json``.
        multilingual: which of the two lists the model has.

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
        "vocabulary.json": _list,
        "vocabulary.txt": _lines,
        "tokenizer.json": _tokenizer,
    }
    for name, read_tokens in readers.items():
        path = directory / name
        if not path.is_file():
            continue
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise ValueError(f"it is larger than {_MAX_BYTES >> 20} MiB")
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


def _list(text: str) -> list[str]:
    return [str(token) for token in json.loads(text)]


def _lines(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n")  # not splitlines: tokens hold other separators


def _tokenizer(text: str) -> list[str]:
    tokenizer = json.loads(text)
    ids: dict[str, int] = dict(tokenizer["model"]["vocab"])
    ids |= {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    return sorted(ids, key=ids.__getitem__)
