"""The published whisper.cpp models: names, sizes, hashes, and the hub repository of each.

Names are those of whisper.cpp's ``models/download-ggml-model.sh``. SHA-1 hashes are those of the
table in its ``models/README.md``, which has none for most quantized models. Sizes follow from the
file format (``layout``), whose tables state them rounded.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from whisperctl.errors import ModelError


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """A published model; ``sha1`` is ``None`` where no hash of it is published."""

    name: str
    size_bytes: int
    sha1: str | None
    repository: str = "ggerganov/whisper.cpp"

    @property
    def file_name(self) -> str:
        """What the file is called, on the hub and in the store."""
        return f"ggml-{self.name}.bin"

    @property
    def n_languages(self) -> int:
        """How many languages it knows; Cantonese came with large-v3."""
        if ".en" in self.name:
            return 1
        return 100 if "-v3" in self.name else 99


_MODELS = (
    CatalogModel("tiny", 77_691_713, "bd577a113a864445d4c299885e0cb97d4ba92b5f"),
    CatalogModel("tiny.en", 77_704_715, "c78c86eb1a8faa21b369bcd33207cc90d64ae9df"),
    CatalogModel("tiny-q5_1", 32_152_673, None),
    CatalogModel("tiny.en-q5_1", 32_166_155, None),
    CatalogModel("tiny-q8_0", 43_537_433, None),
    CatalogModel("base", 147_951_465, "465707469ff3a37a2b9b8d8f89f2f99de7299dac"),
    CatalogModel("base.en", 147_964_211, "137c40403d78fd54d454da0f9bd998f78703390c"),
    CatalogModel("base-q5_1", 59_707_625, None),
    CatalogModel("base.en-q5_1", 59_721_011, None),
    CatalogModel("base-q8_0", 81_768_585, None),
    CatalogModel("small", 487_601_967, "55356645c2b361a969dfd0ef2c5a50d530afd8d5"),
    CatalogModel("small.en", 487_614_201, "db8a495a91d927739e50b3fc1cc4c6b8f6c2d022"),
    CatalogModel(
        "small.en-tdrz",
        487_614_201,
        "b6c6e7e89af1a35c08e6de56b66ca6a02a2fdfa1",
        "akashmjn/tinydiarize-whisper.cpp",
    ),
    CatalogModel("small-q5_1", 190_085_487, None),
    CatalogModel("small.en-q5_1", 190_098_681, None),
    CatalogModel("small-q8_0", 264_464_607, None),
    CatalogModel("medium", 1_533_763_059, "fd9727b6e1217c2f614f9b698455c4ffd82463b4"),
    CatalogModel("medium.en", 1_533_774_781, "8c30f0e44ce9560643ebd10bbe50cd20eafd3723"),
    CatalogModel("medium-q5_0", 539_212_467, None),
    CatalogModel("medium.en-q5_0", 539_225_533, None),
    CatalogModel("medium-q8_0", 823_369_779, None),
    CatalogModel("large-v1", 3_094_623_691, "b1caaf735c4cc1429223d5a74f0f4d0b9b59a299"),
    CatalogModel("large-v2", 3_094_623_691, "0f4c8e34f21cf1a914c59d8b3ce882345ad349d6"),
    CatalogModel("large-v2-q5_0", 1_080_732_091, "00e39f2196344e901b3a2bd5814807a769bd1630"),
    CatalogModel("large-v2-q8_0", 1_656_129_691, None),
    CatalogModel("large-v3", 3_095_033_483, "ad82bf6a9043ceed055076d0fd39f5f186ff8062"),
    CatalogModel("large-v3-q5_0", 1_081_140_203, "e6e2ed78495d403bef4b7cff42ef4aaadcfea8de"),
    CatalogModel("large-v3-turbo", 1_624_555_275, "4af2b29d7ec73d781377bfd1758ca957a807e941"),
    CatalogModel("large-v3-turbo-q5_0", 574_041_195, "e050f7970618a659205450ad97eb95a18d69c9ee"),
    CatalogModel("large-v3-turbo-q8_0", 874_188_075, None),
)

MODELS = {model.name: model for model in _MODELS}
"""Every published model by its name, small to large."""

_BY_SHA1 = {model.sha1: model for model in _MODELS if model.sha1}


def find(name: str) -> CatalogModel:
    """The published model called ``name``.

    Raises:
        ModelError: there is none; the message names the nearest.
    """
    try:
        return MODELS[name]
    except KeyError as error:
        raise unknown(name) from error


def unknown(name: str, others: tuple[str, ...] = ()) -> ModelError:
    """The error for a name that is neither in the catalog nor among ``others``."""
    known = [*others, *MODELS]
    close = difflib.get_close_matches(name, known, n=1) or [n for n in known if name and name in n]
    if close:
        return ModelError(f'model "{name}" is unknown; did you mean "{close[0]}"?')
    return ModelError(f'model "{name}" is unknown: see "whisperctl models list" for their names')


def with_sha1(sha1: str) -> CatalogModel | None:
    """The published model whose file has this hash, if there is one."""
    return _BY_SHA1.get(sha1)
