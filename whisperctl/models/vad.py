"""Finds the model that detects speech."""

from __future__ import annotations

import os
from pathlib import Path

from whisperctl.errors import ModelError
from whisperctl.models import catalog
from whisperctl.models.ggml import inspect
from whisperctl.models.store import Store


def find(
    name_or_path: str | os.PathLike[str] | None = None, store: Store | None = None
) -> Path | None:
    """The file of a Silero model, checked to be a whole one.

    Args:
        name_or_path: a name or path as ``Store.resolve`` takes it; ``None`` is the published model
            if it is in the store, or else another Silero model that is there.
        store: where names are looked up; ``None`` is the default store.

    Returns:
        The file; ``None`` only where no model was named and none is in the store.

    Raises:
        ModelError: the model named is unknown, not pulled yet or another kind of model, or the
            model found is damaged.
    """
    store = store or Store()
    if name_or_path is None:
        here = store.detectors()
        if not here:
            return None
        path = store.path_of(here[0])
    else:
        text = os.fspath(name_or_path)
        if text in catalog.MODELS:
            raise ModelError(
                f'model "{text}" transcribes and cannot detect speech: name a Silero model, such '
                'as "silero"'
            )
        path = store.locate(text)
    inspect(path, "silero")
    return path
