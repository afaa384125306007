"""Installed decoders: which there are, and which of them read a recording."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from whisperctl.audio.decoders import CONTRACT, Decoder, DecoderInfo
from whisperctl.errors import PluginError
from whisperctl.plugins import Described, Door

AUTO = "auto"
"""Choice of whichever decoder reads a recording, the preferred one first."""

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
    preferred = [decoder.name for decoder in _preferred()]
    found = dict.fromkeys([*preferred, *DECODERS.installed()])
    return [DECODERS.describe(name, lambda decoder: decoder.describe()) for name in found]


def choose(name: str) -> list[Decoder]:
    """Decoders to read recordings with, in order: the one named, or all for ``AUTO``.

    Raises:
        UsageError: no such decoder is installed.
        PluginError: it cannot be loaded, or none is installed.
    """
    if name != AUTO:
        return [DECODERS.load(name)]
    found = _preferred()
    if not found:
        raise PluginError("no decoder is installed: install whisperctl-asr again")
    return found


def others(name: str) -> list[str]:
    """Installed decoders but for one."""
    return [other for other in DECODERS.installed() if other != name]


def _preferred() -> list[Decoder]:
    return sorted(_loaded(), key=lambda decoder: (-decoder.preference, decoder.name))


def _loaded() -> Iterator[Decoder]:
    for name in DECODERS.installed():
        try:
            decoder = DECODERS.load(name)
            # Asked for here, where a plugin without it can be left out.
            int(decoder.preference), str(decoder.name)
        except (PluginError, AttributeError, TypeError, ValueError) as error:
            _LOG.debug("%s", error)  # "whisperctl doctor" shows it
        else:
            yield decoder
