from __future__ import annotations

import re

import pytest

from whisperctl.errors import ModelError
from whisperctl.models import catalog
from whisperctl.models.ggml.layout import Hyperparameters, tensors

# state, heads, layers of each size
SIZES = {
    "tiny": (384, 6, 4),
    "base": (512, 8, 6),
    "small": (768, 12, 12),
    "medium": (1024, 16, 24),
    "large": (1280, 20, 32),
}
FTYPES = {"q5_0": 8, "q5_1": 9, "q8_0": 7}
ENGLISH_TOKEN_BYTES, MULTILINGUAL_TOKEN_BYTES = 320_827, 307_057


@pytest.mark.parametrize("model", catalog.MODELS.values(), ids=lambda model: model.name)
def test_a_catalog_size_is_what_the_format_gives_for_the_model(model: catalog.CatalogModel) -> None:
    family = re.split(r"[.-]", model.name)[0]
    state, heads, layers = SIZES[family]
    english, v3 = ".en" in model.name, "-v3" in model.name
    n_mels = 128 if v3 else 80
    parameters = Hyperparameters(
        n_vocab=51864 if english else 51866 if v3 else 51865,
        n_audio_ctx=1500,
        n_audio_state=state,
        n_audio_head=heads,
        n_audio_layer=layers,
        n_text_ctx=448,
        n_text_state=state,
        n_text_head=heads,
        n_text_layer=4 if "turbo" in model.name else layers,
        n_mels=n_mels,
        ftype=FTYPES.get(model.name[-4:], 1),
    )
    tokens = ENGLISH_TOKEN_BYTES if english else MULTILINGUAL_TOKEN_BYTES
    expected = 48 + 8 + 4 * 201 * n_mels + 4 + 4 * 50257 + tokens
    for spec in tensors(parameters):
        expected += 12 + 4 * len(spec.dims) + len(spec.name) + spec.n_bytes(parameters)
    assert model.size_bytes == expected


def test_hashes_are_unique_and_complete() -> None:
    hashes = {model.sha1 or "" for model in catalog.MODELS.values()}
    assert len(hashes) == len(catalog.MODELS) == 34
    assert all(re.fullmatch("[0-9a-f]{40}", sha1) for sha1 in hashes)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [("tinny", "tiny"), ("Base", "base"), ("tubro", "turbo"), ("smal.en", "small.en")],
)
def test_a_misspelt_name_is_answered_with_the_nearest(wrong: str, meant: str) -> None:
    with pytest.raises(ModelError, match=f'did you mean "{re.escape(meant)}"'):
        catalog.find(wrong)


def test_names_of_openai_stand_for_the_same_models() -> None:
    names = {"large": "large-v3", "turbo": "large-v3-turbo"}
    assert {name: catalog.find(name).name for name in names} == names


def test_a_name_like_no_other_is_answered_with_where_to_look() -> None:
    with pytest.raises(ModelError, match="whisperctl models list"):
        catalog.find("zzzzzz")


def test_languages_follow_from_the_name() -> None:
    counts = {name: catalog.find(name).n_languages for name in ("tiny.en", "base", "large-v3")}
    assert counts == {"tiny.en": 1, "base": 99, "large-v3": 100}
