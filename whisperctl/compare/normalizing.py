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
    return " ".join(_normalizer(language == "en", False)(text).split())


def normalized_words(text: str, language: str) -> list[str]:
    """Words of what ``normalized`` gives; each character in languages written without spaces."""
    return _normalizer(language == "en", language in UNSPACED)(text).split()


@cache
def _normalizer(english: bool, by_character: bool) -> Callable[[str], str]:
    # Building the English one reads a list of spellings.
    if english:
        from whisper_normalizer.english import EnglishTextNormalizer

        return EnglishTextNormalizer()  # type: ignore[no-any-return]
    from whisper_normalizer.basic import BasicTextNormalizer

    return BasicTextNormalizer(split_letters=by_character)  # type: ignore[no-any-return]
