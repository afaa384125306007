"""The options of ``transcribe`` and ``compare``, in groups that each are a dataclass.

A command takes a group by naming it as the type of a parameter (see ``flags``), and ``resolve``
turns what was typed into the checked ``Settings`` of a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisperctl.lazy import attribute

if TYPE_CHECKING:
    from whisperctl.cli.options.decoding import DecodingFlags
    from whisperctl.cli.options.flags import with_flags
    from whisperctl.cli.options.messages import MessageFlags
    from whisperctl.cli.options.settings import Settings
    from whisperctl.cli.options.track import TrackFlags
    from whisperctl.cli.options.transcription import TranscribeFlags

__all__ = [
    "DecodingFlags",
    "MessageFlags",
    "Settings",
    "TrackFlags",
    "TranscribeFlags",
    "with_flags",
]

_HOMES = {
    "DecodingFlags": "decoding",
    "with_flags": "flags",
    "MessageFlags": "messages",
    "Settings": "settings",
    "TrackFlags": "track",
    "TranscribeFlags": "transcription",
}


def __getattr__(name: str) -> object:
    # The help of all commands needs the topics alone, which are a module beside these.
    return attribute(__name__, _HOMES, name)
