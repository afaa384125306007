"""Compares installed models with what was published."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from whisperctl.errors import ModelError
from whisperctl.models import catalog
from whisperctl.models.ggml import inspect, weights
from whisperctl.models.hashing import OnProgress, hex_digest, ignore
from whisperctl.models.store import Store

Status = Literal["ok", "damaged", "unpublished"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one model.

    ``"ok"`` has the published hash, ``"unpublished"`` is whole but has none to compare with, and
    ``"damaged"`` is neither; ``detail`` says why.
    """

    name: str
    status: Status
    detail: str


def verify(
    names: list[str] | None = None, store: Store | None = None, on_progress: OnProgress = ignore
) -> Iterator[Verdict]:
    """Read models in full and judge each, one at a time.

    Args:
        names: which; ``None`` is all that are installed.
        store: where; ``None`` is the default store.
        on_progress: is told of the bytes read.

    Raises:
        ModelError: a model named is not installed.
    """
    store = store or Store()
    for name in store.all_installed() if names is None else names:
        store.require(name)
        yield _judge(store.meant(name), store, on_progress)


def _judge(name: str, store: Store, on_progress: OnProgress) -> Verdict:
    path = store.path_of(name)
    try:
        inspect(path, None)
        sha1 = hex_digest(path, "sha1", on_progress)
    except (ModelError, OSError) as error:
        return Verdict(name, "damaged", str(error))
    model = catalog.published(name)
    if model is not None and model.sha1 is not None:
        if sha1 == model.sha1:
            return Verdict(name, "ok", f"sha1 {sha1}")
        return Verdict(name, "damaged", f"its sha1 is {sha1}, published is {model.sha1}")
    if (published := catalog.with_sha1(sha1)) is not None:
        return Verdict(name, "ok", f"it is {published.name}, sha1 {sha1}")
    try:
        weights.check(path)
    except ModelError as error:
        return Verdict(name, "damaged", str(error))
    return Verdict(name, "unpublished", f"whole, with no published hash to compare: sha1 {sha1}")
