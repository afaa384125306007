"""Languages that Whisper knows, and the one that a run uses."""

from __future__ import annotations

import re

from whisperctl.errors import UsageError
from whisperctl.text import nearest, quoted

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
"""English name of each language, by code."""

AUTO = "auto"
"""Value of an option that has the model detect the language."""

CANTONESE_VOCABULARY = 51866
"""Size of the first vocabulary with a token for Cantonese, that of large-v3."""

_NAMES = {
    # The other names in openai-whisper's TO_LANGUAGE_CODE.
    "burmese": "my",
    "castilian": "es",
    "flemish": "nl",
    "haitian": "ht",
    "letzeburgesch": "lb",
    "mandarin": "zh",
    "moldavian": "ro",
    "moldovan": "ro",
    "panjabi": "pa",
    "pushto": "ps",
    "sinhalese": "si",
    "valencian": "ca",
    # Other common names, and the languages' own names where an English one looks like them.
    "bokmal": "no",
    "bokmål": "no",
    "chinese simplified": "zh",
    "chinese traditional": "zh",
    "dansk": "da",
    "deutsch": "de",
    "español": "es",
    "espanol": "es",
    "farsi": "fa",
    "filipino": "tl",
    "français": "fr",
    "francais": "fr",
    "italiano": "it",
    "mandarin chinese": "zh",
    "nederlands": "nl",
    "norsk": "no",
    "norwegian bokmål": "no",
    "norwegian nynorsk": "nn",
    "português": "pt",
    "portugues": "pt",
    "simplified chinese": "zh",
    "svenska": "sv",
    "traditional chinese": "zh",
}
"""Codes by names that are not in ``LANGUAGES``."""

_CODES = {name: code for code, name in LANGUAGES.items()} | _NAMES

_OTHER_CODES = {
    other: code
    for codes in (
        # ISO 639-2 (bibliographic and terminological) and 639-3.
        "eng=en chi=zh zho=zh deu=de ger=de spa=es rus=ru kor=ko fra=fr fre=fr jpn=ja por=pt "
        "tur=tr pol=pl cat=ca dut=nl nld=nl ara=ar swe=sv ita=it ind=id hin=hi fin=fi vie=vi "
        "heb=he ukr=uk ell=el gre=el may=ms msa=ms ces=cs cze=cs ron=ro rum=ro dan=da hun=hu "
        "tam=ta nor=no tha=th urd=ur hrv=hr bul=bg lit=lt lat=la mao=mi mri=mi mal=ml cym=cy "
        "wel=cy slk=sk slo=sk tel=te fas=fa per=fa lav=lv ben=bn srp=sr aze=az slv=sl kan=kn "
        "est=et mac=mk mkd=mk bre=br baq=eu eus=eu ice=is isl=is arm=hy hye=hy nep=ne mon=mn "
        "bos=bs kaz=kk alb=sq sqi=sq swa=sw glg=gl mar=mr pan=pa sin=si khm=km sna=sn yor=yo "
        "som=so afr=af oci=oc geo=ka kat=ka bel=be tgk=tg snd=sd guj=gu amh=am yid=yi lao=lo "
        "uzb=uz fao=fo hat=ht pus=ps tuk=tk nno=nn mlt=mt san=sa ltz=lb bur=my mya=my bod=bo "
        "tib=bo tgl=tl mlg=mg asm=as tat=tt lin=ln hau=ha bak=ba jav=jw sun=su",
        # Members of a macrolanguage of ISO 639-3 that its name usually refers to.
        "arb=ar azj=az cmn=zh ekk=et fil=tl khk=mn lvs=lv nob=no npi=ne pes=fa plt=mg swh=sw "
        "ydd=yi zsm=ms",
        # Two-letter codes that are withdrawn, or for which Whisper has another.
        "in=id iw=he ji=yi jv=jw mo=ro nb=no",
    )
    for other, code in (pair.split("=") for pair in codes.split())
}
"""Whisper's code of each language, by its other codes."""

_TAG = re.compile(
    r"(?P<language>[a-z]{2,3})"
    r"(?:-(?P<extended>[a-z]{3}))?"
    r"(?:-[a-z]{4})?"  # a script
    r"(?:-(?:[a-z]{2}|[0-9]{3}))?"  # a region
    r"(?:-(?:[a-z0-9]{5,8}|[0-9][a-z0-9]{3}))*"  # variants
    r"(?:-[a-z0-9](?:-[a-z0-9]{2,8})+)*"  # extensions
)
"""A language tag of BCP 47 in lower case, with underscores made hyphens."""

_POSIX = re.compile(r"[.@].*")
"""Encoding and modifier of a locale, as in ``de_DE.UTF-8``."""

_CLOSE = 0.81
"""Least similarity of a suggestion: "Irish" is not a misspelling of "Spanish"."""


def code_of(language: str) -> str | None:
    """Whisper's code of a language; ``None`` if it is unknown.

    Args:
        language: in any case, a code of ``LANGUAGES`` or of ISO 639, an English name, a language
            tag such as ``"pt-BR"`` or ``"zh_Hant_TW"``, or a locale such as ``"de_DE.UTF-8"``.
    """
    wanted = " ".join(language.lower().split())
    if code := _CODES.get(wanted):
        return code
    tag = _TAG.fullmatch(_POSIX.sub("", wanted).replace("_", "-"))
    if tag is None:
        return None
    # An extended language is the more exact: zh-yue is Cantonese.
    for code in (tag["extended"], tag["language"]):
        known = _OTHER_CODES.get(code or "", code)
        if known in LANGUAGES:
            return known
    return None


def resolve(language: str, multilingual: bool, task: str, *, cantonese: bool = True) -> str:
    """Code of a language for the engine.

    Args:
        language: a language as for ``code_of``, or ``"auto"``.
        multilingual: true if the model knows more languages than English.
        task: ``"transcribe"`` or ``"translate"``.
        cantonese: true if the model has the token for Cantonese, which was added in large-v3.

    Returns:
        A code of ``LANGUAGES``, or ``"auto"`` if a multilingual model is to detect the language.

    Raises:
        UsageError: the language is unknown, or the model cannot do the language or the task.
    """
    wanted = language.strip().lower()
    code = AUTO if wanted == AUTO else code_of(language)
    if code is None:
        raise UsageError(f"unknown language {quoted(language)}: {_suggestion(wanted)}")
    if multilingual:
        if code == "yue" and not cantonese:
            raise UsageError(
                "this model does not support Cantonese: use a large-v3 model, or language zh"
            )
        return code
    if task == "translate":
        raise UsageError(
            "this model is English-only and cannot translate: use a multilingual model, "
            'such as "base" (one without ".en" in its name)'
        )
    if code not in (AUTO, "en"):
        raise UsageError(
            f'this model is English-only, not {LANGUAGES[code].title()} ("{code}"): use a '
            'multilingual model, such as "base" (one without ".en" in its name)'
        )
    return "en"


def _suggestion(wanted: str) -> str:
    close = nearest(wanted, [*_CODES, *LANGUAGES], cutoff=_CLOSE)
    if close is None:
        return (
            'give a code such as "en", "de" or "ja", an English name, or "auto" to detect the '
            "language"
        )
    code = _CODES.get(close, close)
    name = close if close in _CODES else LANGUAGES[code]
    return f'did you mean "{code}" ({name.title()})?'
