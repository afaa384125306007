"""The published whisper.cpp models: names, sizes, hashes, and the hub repository of each.

Names are those of whisper.cpp's ``models/download-ggml-model.sh``, and four more that the hub has;
that of the model which detects speech is from ``models/download-vad-model.sh``.
SHA-1 hashes are those of the table on the hub's page of ``ggerganov/whisper.cpp``, of which the one
in whisper.cpp's ``models/README.md`` is a part. Sizes follow from the file format (``layout``); the
tables state them rounded. No table has the speech detector; its hash is that of the copy which
whisper.cpp's own tests run on, and others pin the hub's file by the same one.
"""

from __future__ import annotations

from dataclasses import dataclass

from whisperctl import text
from whisperctl.errors import UnknownModelError


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A published model; ``sha1`` is ``None`` if no hash of it is published.

    A model that ``detects_speech`` cannot transcribe.
    """

    name: str
    size_bytes: int
    sha1: str | None
    repository: str = "ggerganov/whisper.cpp"
    detects_speech: bool = False

    @property
    def file_name(self) -> str:
        """Name of the file, on the hub and in the store."""
        return f"ggml-{self.name}.bin"

    @property
    def n_languages(self) -> int:
        """Number of languages, 0 for a speech detector; Cantonese came with large-v3."""
        if self.detects_speech:
            return 0
        if ".en" in self.name:
            return 1
        return 100 if "-v3" in self.name else 99


_MODELS = (
    CatalogModel("tiny", 77_691_713, "bd577a113a864445d4c299885e0cb97d4ba92b5f"),
    CatalogModel("tiny.en", 77_704_715, "c78c86eb1a8faa21b369bcd33207cc90d64ae9df"),
    CatalogModel("tiny-q5_1", 32_152_673, "2827a03e495b1ed3048ef28a6a4620537db4ee51"),
    CatalogModel("tiny.en-q5_1", 32_166_155, "3fb92ec865cbbc769f08137f22470d6b66e071b6"),
    CatalogModel("tiny-q8_0", 43_537_433, "19e8118f6652a650569f5a949d962154e01571d9"),
    CatalogModel("tiny.en-q8_0", 43_550_795, "802d6668e7d411123e672abe4cb6c18f12306abb"),
    CatalogModel("base", 147_951_465, "465707469ff3a37a2b9b8d8f89f2f99de7299dac"),
    CatalogModel("base.en", 147_964_211, "137c40403d78fd54d454da0f9bd998f78703390c"),
    CatalogModel("base-q5_1", 59_707_625, "a3733eda680ef76256db5fc5dd9de8629e62c5e7"),
    CatalogModel("base.en-q5_1", 59_721_011, "d26d7ce5a1b6e57bea5d0431b9c20ae49423c94a"),
    CatalogModel("base-q8_0", 81_768_585, "7bb89bb49ed6955013b166f1b6a6c04584a20fbe"),
    CatalogModel("base.en-q8_0", 81_781_811, "bb1574182e9b924452bf0cd1510ac034d323e948"),
    CatalogModel("small", 487_601_967, "55356645c2b361a969dfd0ef2c5a50d530afd8d5"),
    CatalogModel("small.en", 487_614_201, "db8a495a91d927739e50b3fc1cc4c6b8f6c2d022"),
    CatalogModel(
        "small.en-tdrz",
        487_614_201,
        "b6c6e7e89af1a35c08e6de56b66ca6a02a2fdfa1",
        "akashmjn/tinydiarize-whisper.cpp",
    ),
    CatalogModel("small-q5_1", 190_085_487, "6fe57ddcfdd1c6b07cdcc73aaf620810ce5fc771"),
    CatalogModel("small.en-q5_1", 190_098_681, "20f54878d608f94e4a8ee3ae56016571d47cba34"),
    CatalogModel("small-q8_0", 264_464_607, "bcad8a2083f4e53d648d586b7dbc0cd673d8afad"),
    CatalogModel("small.en-q8_0", 264_477_561, "9d75ff4ccfa0a8217870d7405cf8cef0a5579852"),
    CatalogModel("medium", 1_533_763_059, "fd9727b6e1217c2f614f9b698455c4ffd82463b4"),
    CatalogModel("medium.en", 1_533_774_781, "8c30f0e44ce9560643ebd10bbe50cd20eafd3723"),
    CatalogModel("medium-q5_0", 539_212_467, "7718d4c1ec62ca96998f058114db98236937490e"),
    CatalogModel("medium.en-q5_0", 539_225_533, "bb3b5281bddd61605d6fc76bc5b92d8f20284c3b"),
    CatalogModel("medium-q8_0", 823_369_779, "e66645948aff4bebbec71b3485c576f3d63af5d6"),
    CatalogModel("medium.en-q8_0", 823_382_461, "b1cf48c12c807e14881f634fb7b6c6ca867f6b38"),
    CatalogModel("large-v1", 3_094_623_691, "b1caaf735c4cc1429223d5a74f0f4d0b9b59a299"),
    CatalogModel("large-v2", 3_094_623_691, "0f4c8e34f21cf1a914c59d8b3ce882345ad349d6"),
    CatalogModel("large-v2-q5_0", 1_080_732_091, "00e39f2196344e901b3a2bd5814807a769bd1630"),
    CatalogModel("large-v2-q8_0", 1_656_129_691, "da97d6ca8f8ffbeeb5fd147f79010eeea194ba38"),
    CatalogModel("large-v3", 3_095_033_483, "ad82bf6a9043ceed055076d0fd39f5f186ff8062"),
    CatalogModel("large-v3-q5_0", 1_081_140_203, "e6e2ed78495d403bef4b7cff42ef4aaadcfea8de"),
    CatalogModel("large-v3-turbo", 1_624_555_275, "4af2b29d7ec73d781377bfd1758ca957a807e941"),
    CatalogModel("large-v3-turbo-q5_0", 574_041_195, "e050f7970618a659205450ad97eb95a18d69c9ee"),
    CatalogModel("large-v3-turbo-q8_0", 874_188_075, "01bf15bedffe9f39d65c1b6ff9b687ea91f59e0e"),
)

MODELS = {model.name: model for model in _MODELS}
"""Every published model that transcribes, by its name, small to large."""

DETECTOR = CatalogModel(
    "silero-v6.2.0",
    885_098,
    "470e5d9d094ddba2f0a512cecc3732a252188abd",
    "ggml-org/whisper-vad",
    detects_speech=True,
)
"""The published model that detects speech."""

DETECTORS = {DETECTOR.name: DETECTOR}
"""Published speech detectors by name, apart from ``MODELS``, which transcribe."""

ALIASES = {"large": "large-v3", "turbo": "large-v3-turbo", "silero": DETECTOR.name}
"""Other names of published models; those of models that transcribe are OpenAI's."""

_BY_SHA1 = {model.sha1: model for model in (*_MODELS, DETECTOR) if model.sha1}


def find(name: str) -> CatalogModel:
    """The published model called ``name``, a Whisper model or a speech detector.

    Raises:
        UnknownModelError: there is none; the message names the nearest.
    """
    model = published(name)
    if model is None:
        raise unknown(name)
    return model


def published(name: str) -> CatalogModel | None:
    """The published model called ``name``, or ``None``."""
    name = canonical(name)
    return MODELS.get(name) or DETECTORS.get(name)


def canonical(name: str) -> str:
    """The name that an alias stands for; any other name stands for itself."""
    return ALIASES.get(name, name)


def unknown(name: str, others: tuple[str, ...] = ()) -> UnknownModelError:
    """The error for a name that is neither in the catalog nor among ``others``."""
    known = [*others, *MODELS, *DETECTORS, *ALIASES]
    containing = next((other for other in known if name and name in other), None)
    advice = 'run "whisperctl models list" for their names'
    if containing is not None:
        advice = f'did you mean "{containing}"?'
    return UnknownModelError(text.unknown("model", name, known, otherwise=advice))


def with_sha1(sha1: str) -> CatalogModel | None:
    """The published model whose file has this hash, or ``None``."""
    return _BY_SHA1.get(sha1)
