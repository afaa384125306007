"""From a media file or standard input to mono float32 samples at 16 kHz.

``load`` gives a whole recording, ``open_stream`` gives it block by block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisperctl.audio.filters.conversion import SAMPLE_RATE

if TYPE_CHECKING:
    from whisperctl.audio.stream import Audio, BlockStream, load, open_stream

__all__ = ["SAMPLE_RATE", "Audio", "BlockStream", "load", "open_stream"]


def __getattr__(name: str) -> object:
    # Imported on first use: the help of a command needs only the names of tracks and decoders.
    if name not in __all__:
        raise AttributeError(f'module "{__name__}" has no attribute "{name}"')
    from whisperctl.audio import stream

    return getattr(stream, name)
