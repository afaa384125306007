"""Finds the model that finds speech."""

from __future__ import annotations

from pathlib import Path

from whisperctl.models import catalog, silero
from whisperctl.models.store import Store


def find(store: Store | None = None) -> Path | None:
    """The Silero model that is here, if one is; the published one before others.

    Args:
        store: where; ``None`` is the default store.

    Raises:
        ModelError: it is damaged.
    """
    store = store or Store()
    for name in sorted(store.installed(), key=lambda name: name != catalog.VAD):
        path = store.path_of(name)
        if name == catalog.VAD or silero.is_silero(path):
            silero.inspect(path)
            return path
    return None
