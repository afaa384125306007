"""The options of ``transcribe`` and ``compare``, in groups that each are a dataclass.

A command takes a group by naming it as the type of a parameter (see ``flags``), and ``resolve``
turns what was typed into the checked ``Settings`` of a run.
"""

from __future__ import annotations

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
