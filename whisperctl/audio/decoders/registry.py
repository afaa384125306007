"""Installed decoders: which there are, and which of them read a recording."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from functools import lru_cache

from whisperctl.audio.decoders import CONTRACT, Decoder, DecoderInfo, is_sandboxed
from whisperctl.errors import PluginError
from whisperctl.plugins import Described, Door

AUTO = "auto"
"""Choice of whichever decoder reads a recording, the preferred one first, none after a sandboxed
one."""

DECODERS: Door[Decoder] = Door("decoder", "whisperctl.decoders", CONTRACT)

_LOG = logging.getLogger(__name__)


def check(name: str) -> None:
    """Check that a decoder is installed, without importing it.

    Raises:
        UsageError: it is not.
        PluginError: two packages provide one decoder.
    """
    if name != AUTO:
        DECODERS.check(name)


def names() -> list[str]:
    """Every choice, ``AUTO`` first; imports no decoder."""
    return [AUTO, *DECODERS.installed()]


def describe() -> list[Described[DecoderInfo]]:
    """Every installed decoder, the preferred ones first; one that fails stops no other.

    Raises:
        PluginError: two packages provide one decoder.
    """
    order = [decoder.name for decoder in _loaded(tuple(sys.path))[0]]
    found = DECODERS.describe_all(lambda decoder: decoder.describe())
    return sorted(found, key=lambda one: order.index(one.name) if one.name in order else len(order))


def choose(name: str) -> Sequence[Decoder]:
    """Decoders to read recordings with, in order: the one named, or all for ``AUTO``.

    The first sandboxed one is the last of these: what it does not read is not read natively unless
    a person asks for that. The same holds if one that does not load may be the sandboxed one.

    Raises:
        UsageError: no such decoder is installed.
        PluginError: it cannot be loaded, none is installed, or no sandboxed one loads and another
            does not load.
    """
    if name != AUTO:
        return (DECODERS.load(name),)
    found, failed = _loaded(tuple(sys.path))
    if not found:
        raise PluginError("no decoder is installed: install whisperctl-asr again")
    n_outside = next((n for n, one in enumerate(found) if is_sandboxed(one)), len(found))
    if failed and n_outside == len(found):
        raise PluginError(
            f'decoder "{failed[0]}" does not load, and may be the sandboxed one: run "whisperctl '
            f'doctor", or use {options(outside_sandboxes())} to decode natively'
        )
    return found[: n_outside + 1]


def options(names: Sequence[str]) -> str:
    """The options that choose one of these decoders, for messages."""
    return " or ".join(f"--decoder {name}" for name in names)


def not_loaded() -> Sequence[str]:
    """Names of installed decoders that do not load."""
    return _loaded(tuple(sys.path))[1]


def outside_sandboxes() -> list[str]:
    """Names of the decoders that load and have no sandbox."""
    return sorted(one.name for one in _loaded(tuple(sys.path))[0] if not is_sandboxed(one))


def others(name: str) -> list[str]:
    """Installed decoders but for one."""
    return [other for other in DECODERS.installed() if other != name]


@lru_cache(maxsize=1)
def _loaded(path: tuple[str, ...]) -> tuple[tuple[Decoder, ...], tuple[str, ...]]:
    """All that load, the preferred one first, and the names of the others; ``path`` is Python's.

    They are looked for once.
    """
    found, failed = [], []
    for one in DECODERS.describe_all(lambda decoder: (-decoder.preference, decoder.name, decoder)):
        if one.info is None:
            _LOG.debug("%s", one.problem)  # "whisperctl doctor" shows it
            failed.append(one.name)
        else:
            found.append(one.info)
    found.sort(key=lambda one: one[:2])
    return tuple(decoder for _, _, decoder in found), tuple(failed)
