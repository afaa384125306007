"""The languages Whisper knows, and which of them a run uses."""

from __future__ import annotations

import difflib

from whisperctl.errors import UsageError

# Codes and English names as in whisper.cpp, in the order of their tokens.
LANGUAGES = {
    "en": "english",
    "zh": "chinese",
    "de": "german",
    "es": "spanish",
    "ru": "russian",
    "ko": "korean",
    "fr": "french",
    "ja": "japanese",
    "pt": "portuguese",
    "tr": "turkish",
    "pl": "polish",
    "ca": "catalan",
    "nl": "dutch",
    "ar": "arabic",
    "sv": "swedish",
    "it": "italian",
    "id": "indonesian",
    "hi": "hindi",
    "fi": "finnish",
    "vi": "vietnamese",
    "he": "hebrew",
    "uk": "ukrainian",
    "el": "greek",
    "ms": "malay",
    "cs": "czech",
    "ro": "romanian",
    "da": "danish",
    "hu": "hungarian",
    "ta": "tamil",
    "no": "norwegian",
    "th": "thai",
    "ur": "urdu",
    "hr": "croatian",
    "bg": "bulgarian",
    "lt": "lithuanian",
    "la": "latin",
    "mi": "maori",
    "ml": "malayalam",
    "cy": "welsh",
    "sk": "slovak",
    "te": "telugu",
    "fa": "persian",
    "lv": "latvian",
    "bn": "bengali",
    "sr": "serbian",
    "az": "azerbaijani",
    "sl": "slovenian",
    "kn": "kannada",
    "et": "estonian",
    "mk": "macedonian",
    "br": "breton",
    "eu": "basque",
    "is": "icelandic",
    "hy": "armenian",
    "ne": "nepali",
    "mn": "mongolian",
    "bs": "bosnian",
    "kk": "kazakh",
    "sq": "albanian",
    "sw": "swahili",
    "gl": "galician",
    "mr": "marathi",
    "pa": "punjabi",
    "si": "sinhala",
    "km": "khmer",
    "sn": "shona",
    "yo": "yoruba",
    "so": "somali",
    "af": "afrikaans",
    "oc": "occitan",
    "ka": "georgian",
    "be": "belarusian",
    "tg": "tajik",
    "sd": "sindhi",
    "gu": "gujarati",
    "am": "amharic",
    "yi": "yiddish",
    "lo": "lao",
    "uz": "uzbek",
    "fo": "faroese",
    "ht": "haitian creole",
    "ps": "pashto",
    "tk": "turkmen",
    "nn": "nynorsk",
    "mt": "maltese",
    "sa": "sanskrit",
    "lb": "luxembourgish",
    "my": "myanmar",
    "bo": "tibetan",
    "tl": "tagalog",
    "mg": "malagasy",
    "as": "assamese",
    "tt": "tatar",
    "haw": "hawaiian",
    "ln": "lingala",
    "ha": "hausa",
    "ba": "bashkir",
    "jw": "javanese",
    "su": "sundanese",
    "yue": "cantonese",
}
"""English name of each language by its code."""

AUTO = "auto"
"""Stands for the language whisper.cpp detects in the recording's first 30 seconds."""

CANTONESE_VOCABULARY = 51866
"""Size of the first vocabulary with a token for Cantonese, that of large-v3."""

_CODES = {name: code for code, name in LANGUAGES.items()}


def resolve(language: str, multilingual: bool, task: str, *, cantonese: bool = True) -> str:
    """The code to give the engine.

    Args:
        language: a code such as ``"de"``, an English name such as ``"German"``, or ``"auto"``.
        multilingual: whether the model knows more than English.
        task: ``"transcribe"`` or ``"translate"``.
        cantonese: whether the model has the token for Cantonese, which came with large-v3.

    Returns:
        A code of ``LANGUAGES``, or ``"auto"`` for a multilingual model that is to detect it.

    Raises:
        UsageError: the language is unknown, or the model is not fit for it or for the task.
    """
    wanted = language.strip().lower()
    code = _CODES.get(wanted, wanted)
    if code != AUTO and code not in LANGUAGES:
        raise UsageError(f'language "{language}" is unknown{_suggestion(wanted)}')
    if multilingual:
        if code == "yue" and not cantonese:
            raise UsageError(
                "this model does not know Cantonese: use a large-v3 model, or language zh"
            )
        return code
    if task == "translate":
        raise UsageError(
            "this model knows English only and cannot translate: use a multilingual model "
            '(one without ".en" in its name)'
        )
    if code not in (AUTO, "en"):
        raise UsageError(
            f'this model knows English only, not {LANGUAGES[code].title()} ("{code}"): use a '
            'multilingual model (one without ".en" in its name)'
        )
    return "en"


def _suggestion(wanted: str) -> str:
    close = difflib.get_close_matches(wanted, [*_CODES, *LANGUAGES], n=1)
    if not close:
        return '; give a code such as "en", "de" or "ja", or "auto" to detect it'
    code = _CODES.get(close[0], close[0])
    return f'; did you mean "{code}" ({LANGUAGES[code].title()})?'
