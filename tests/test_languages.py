"""Which language a run uses."""

from __future__ import annotations

import pytest

from whisperctl.errors import UsageError
from whisperctl.languages import LANGUAGES, resolve


def test_the_table_is_whisper_cpps() -> None:
    pw = pytest.importorskip("_pywhispercpp")

    ids = range(pw.whisper_lang_max_id() + 1)
    assert list(LANGUAGES) == [pw.whisper_lang_str(i) for i in ids]
    assert [pw.whisper_lang_id(name) for name in LANGUAGES.values()] == list(ids)


@pytest.mark.parametrize(
    ("language", "code"),
    [("de", "de"), ("DE", "de"), ("German", "de"), (" haitian creole ", "ht"), ("auto", "auto")],
)
def test_a_multilingual_model_takes_codes_and_names(language: str, code: str) -> None:
    assert resolve(language, True, "transcribe") == code
    assert resolve(language, True, "translate") == code


@pytest.mark.parametrize("language", ["auto", "en", "English", "EN"])
def test_an_english_model_takes_english(language: str) -> None:
    assert resolve(language, False, "transcribe") == "en"


def test_an_english_model_takes_nothing_else() -> None:
    with pytest.raises(UsageError, match=r'English only, not French \("fr"\): use a multilingual'):
        resolve("french", False, "transcribe")
    with pytest.raises(UsageError, match="cannot translate: use a multilingual"):
        resolve("auto", False, "translate")


@pytest.mark.parametrize(
    ("language", "hint"),
    [
        ("germn", 'did you mean "de" (German)?'),
        ("Spannish", 'did you mean "es" (Spanish)?'),
        ("hawa", 'did you mean "haw" (Hawaiian)?'),
        ("", 'give a code such as "en"'),
        ("123", 'give a code such as "en"'),
    ],
)
@pytest.mark.parametrize("multilingual", [True, False])
def test_an_unknown_language_gets_a_hint(language: str, hint: str, multilingual: bool) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(language, multilingual, "transcribe")
    assert f'language "{language}" is unknown' in str(caught.value)
    assert hint in str(caught.value)


def test_cantonese_needs_a_model_that_has_it() -> None:
    assert resolve("yue", True, "transcribe") == "yue"
    with pytest.raises(UsageError, match="large-v3"):
        resolve("cantonese", True, "transcribe", cantonese=False)
