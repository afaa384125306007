"""Texts as Whisper's authors compare them: Appendix C of https://arxiv.org/abs/2212.04356."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from whisperctl.words import UNSPACED


def normalized(text: str, language: str) -> str:
    """A text without what does not count as an error.

    Args:
        text: any.
        language: the code of the language that the text is in. English is put into one spelling,
            its numbers into digits and its contractions into words; other languages lose case and
            punctuation.
    """
    return " ".join(_words(text, language, by_character=False))


def normalized_words(text: str, language: str) -> list[str]:
    """Words of what ``normalized`` gives; each character in languages written without spaces."""
    return _words(text, language, by_character=language in UNSPACED)


def _words(text: str, language: str, *, by_character: bool) -> list[str]:
    # Its regular expressions take seconds over thousands of spaces on end.
    text = " ".join(text.split())
    if language == "en":
        try:
            return _english()(text).split()
        except (AssertionError, ValueError):
            pass  # a number of more than 4300 digits, which Python refuses
    return _basic(by_character)(text).split()


@cache
def _english() -> Callable[[str], str]:
    """It reads a list of spellings, so there is one."""
    from whisper_normalizer.english import EnglishTextNormalizer

    normalize: Callable[[str], str] = EnglishTextNormalizer()
    return normalize


@cache
def _basic(by_character: bool) -> Callable[[str], str]:
    from whisper_normalizer.basic import BasicTextNormalizer

    normalize: Callable[[str], str] = BasicTextNormalizer(split_letters=by_character)
    return normalize
