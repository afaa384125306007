"""Which language a run uses."""

from __future__ import annotations

import pytest

from whisperctl import languages
from whisperctl.errors import UsageError
from whisperctl.languages import LANGUAGES, code_of, resolve


def test_the_table_is_whisper_cpps() -> None:
    pw = pytest.importorskip("_pywhispercpp")

    ids = range(pw.whisper_lang_max_id() + 1)
    assert list(LANGUAGES) == [pw.whisper_lang_str(i) for i in ids]
    assert [pw.whisper_lang_id(name) for name in LANGUAGES.values()] == list(ids)


@pytest.mark.parametrize(
    ("language", "code"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("German", "de"),
        (" haitian creole ", "ht"),
        ("auto", "auto"),
        ("AUTO", "auto"),
    ],
)
def test_a_multilingual_model_takes_codes_and_names(language: str, code: str) -> None:
    assert resolve(language, True, "transcribe") == code
    assert resolve(language, True, "translate") == code


@pytest.mark.parametrize(
    ("spellings", "code"),
    [
        ("chinese mandarin zh zh-CN zh-TW zh_Hant_TW zh-Hans-CN zho chi cmn zh-cmn", "zh"),
        ("cantonese yue zh-yue yue-HK", "yue"),
        ("en-US en_GB eng en-029 en_US.UTF-8 EN-us en-GB-oxendict en-u-ca-gregory", "en"),
        ("pt-BR pt_PT por português", "pt"),
        ("ger deu de-AT de-CH-1996 de_DE@euro Deutsch", "de"),
        ("dut nld nl-BE flemish Nederlands", "nl"),
        ("he iw heb iw-IL", "he"),
        ("jw jv jav javanese", "jw"),
        ("no nb nob nb-NO bokmål", "no"),
        ("nn nno nn-NO", "nn"),
        ("ro mo rum ron moldavian moldovan", "ro"),
        ("id in ind", "id"),
        ("tl fil tgl filipino", "tl"),
        ("fa fas per pes farsi", "fa"),
        ("sr sr-Latn sr@latin srp", "sr"),
        ("es-419 castilian spa", "es"),
        ("ht hat haitian", "ht"),
        ("my mya bur burmese myanmar", "my"),
        ("ca valencian ca-valencia cat", "ca"),
        ("pa pan panjabi punjabi", "pa"),
        ("ps pus pushto pashto", "ps"),
        ("lb ltz letzeburgesch luxembourgish", "lb"),
        ("si sin sinhalese sinhala", "si"),
        ("haw", "haw"),
    ],
)
def test_every_common_spelling_of_a_language_is_taken(spellings: str, code: str) -> None:
    assert {spelling: code_of(spelling) for spelling in spellings.split()} == dict.fromkeys(
        spellings.split(), code
    )


@pytest.mark.parametrize("name", ["Mandarin Chinese", "traditional  chinese", "Simplified Chinese"])
def test_names_may_have_several_words(name: str) -> None:
    assert code_of(name) == "zh"


def test_every_code_of_iso_639_is_a_language_of_whisper() -> None:
    codes = {code_of(code) for code in ("sqi", "bod", "cym", "eus", "fra", "hye", "isl", "kat")}
    assert codes == {"sq", "bo", "cy", "eu", "fr", "hy", "is", "ka"}
    assert set(languages._OTHER_CODES.values()) <= set(LANGUAGES)
    assert not set(languages._OTHER_CODES) & set(LANGUAGES)


@pytest.mark.parametrize("language", ["auto", "en", "English", "EN", "en-US", "eng"])
def test_an_english_model_takes_english(language: str) -> None:
    assert resolve(language, False, "transcribe") == "en"


def test_an_english_model_takes_nothing_else() -> None:
    with pytest.raises(UsageError, match=r'English-only, not French \("fr"\): use a multilingual'):
        resolve("french", False, "transcribe")
    with pytest.raises(UsageError, match="cannot translate: use a multilingual"):
        resolve("auto", False, "translate")


@pytest.mark.parametrize(
    ("language", "hint"),
    [
        ("germn", 'did you mean "de" (German)?'),
        ("Spannish", 'did you mean "es" (Spanish)?'),
        ("hawa", 'did you mean "haw" (Hawaiian)?'),
        ("mandrin", 'did you mean "zh" (Mandarin)?'),
        # Languages that Whisper does not know are no slips of the pen for others.
        ("Irish", 'give a code such as "en"'),
        ("Kurdish", 'give a code such as "en"'),
        ("gle", 'give a code such as "en"'),
        ("ku-TR", 'give a code such as "en"'),
        ("de-", 'give a code such as "en"'),
        ("-US", 'give a code such as "en"'),
        ("auto-US", 'give a code such as "en"'),
        ("", 'give a code such as "en"'),
        ("123", 'give a code such as "en"'),
    ],
)
@pytest.mark.parametrize("multilingual", [True, False])
def test_an_unknown_language_gets_a_hint(language: str, hint: str, multilingual: bool) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(language, multilingual, "transcribe")
    assert f'unknown language "{language}": ' in str(caught.value)
    assert hint in str(caught.value)


def test_cantonese_needs_a_model_that_has_it() -> None:
    assert resolve("yue", True, "transcribe") == "yue"
    with pytest.raises(UsageError, match="large-v3"):
        resolve("cantonese", True, "transcribe", cantonese=False)
