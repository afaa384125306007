"""Whisper's whole vocabulary and its tokenizer, from the text tokens of a ggml file.

The special tokens and their order are those of openai-whisper's ``get_encoding`` (tokenizer.py),
spelled as faster-whisper looks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from whisperctl.errors import ModelError
from whisperctl.languages import LANGUAGES
from whisperctl.models.ct2 import END_OF_TEXT, printable

_AFTER_LANGUAGES = (
    "<|translate|>",
    "<|transcribe|>",
    "<|startoflm|>",
    "<|startofprev|>",
    "<|nospeech|>",
    "<|notimestamps|>",
)
_N_TIMESTAMPS = 1501  # from 0 to 30 seconds, every 20 ms


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Every token by its id: text, then the special ones, then the timestamps.

    ``text`` are the bytes of the text tokens; ``strings`` are all tokens as files spell them.
    """

    text: tuple[bytes, ...]
    strings: tuple[str, ...]
    language_ids: tuple[int, ...]

    @property
    def end_of_text(self) -> int:
        """The first id that is not text."""
        return len(self.text)


def text_of(tokens: Sequence[bytes]) -> tuple[bytes, ...]:
    """The tokens of a ggml file without the end of text, which English models list."""
    text = tuple(tokens)
    return text[:-1] if text[-1] == END_OF_TEXT.encode() else text


def complete(tokens: Sequence[bytes], n_vocab: int) -> Vocabulary:
    """The vocabulary of a model.

    Args:
        tokens: those that its ggml file lists, which may end with the end of text.
        n_vocab: how many there are in all.

    Raises:
        ModelError: they are not Whisper's.
    """
    text = text_of(tokens)
    n_languages = n_vocab - len(text) - 2 - len(_AFTER_LANGUAGES) - _N_TIMESTAMPS
    if not 1 <= n_languages <= len(LANGUAGES) or len(set(text)) != len(text):
        raise ModelError("its vocabulary is not that of a published Whisper model")
    special = [
        END_OF_TEXT,
        "<|startoftranscript|>",
        *(f"<|{code}|>" for code in list(LANGUAGES)[:n_languages]),
        *_AFTER_LANGUAGES,
    ]
    timestamps = [f"<|{i * 0.02:.2f}|>" for i in range(_N_TIMESTAMPS)]
    first = len(text) + 2
    return Vocabulary(
        text,
        (*(printable(token) for token in text), *special, *timestamps),
        tuple(range(first, first + n_languages)),
    )


def tokenizer(vocabulary: Vocabulary) -> Tokenizer:
    """GPT-2's byte-level tokenizer with these tokens, as the published ``tokenizer.json`` has it.

    Raises:
        ModelError: the text tokens are not those of byte pair encoding.
    """
    n_text = vocabulary.end_of_text
    strings = vocabulary.strings
    found = Tokenizer(
        models.BPE(
            vocab={token: i for i, token in enumerate(strings[:n_text])},
            merges=[
                (printable(first), printable(second)) for first, second in _merges(vocabulary.text)
            ],
        )
    )
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    found.decoder = decoders.ByteLevel()
    found.add_special_tokens(
        [AddedToken(token, normalized=False, special=True) for token in strings[n_text:]]
    )
    return found


def _merges(text: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
    """Which two tokens each longer one was made of, in the order in which they were made.

    Ids are ranks: the pair that gives the lowest id is merged first. So the two parts of a token
    are what is left of its bytes when only lower ids are merged, as in ``TikTokenConverter`` of
    Transformers' ``convert_slow_tokenizer.py``.
    """
    ranks = {token: i for i, token in enumerate(text) if token}
    if not all(bytes([byte]) in ranks for byte in range(256)):
        raise ModelError("its vocabulary lacks bytes")
    merges = []
    for token, rank in ranks.items():
        if len(token) > 1:
            parts = _parts(token, rank, ranks)
            if len(parts) != 2:
                raise ModelError(f"its vocabulary has a token made of no two others, {token!r}")
            merges.append((parts[0], parts[1]))
    return merges


def _parts(token: bytes, below: int, ranks: Mapping[bytes, int]) -> list[bytes]:
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        rank, at = min(
            (ranks.get(parts[i] + parts[i + 1], below), i) for i in range(len(parts) - 1)
        )
        if rank >= below:
            break
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return parts
