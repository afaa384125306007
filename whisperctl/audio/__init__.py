"""From a media file or standard input to mono float32 samples at 16 kHz.

``load`` gives a whole recording, ``open_stream`` gives it block by block.
"""

from whisperctl.audio.filters.conversion import SAMPLE_RATE
from whisperctl.audio.stream import Audio, BlockStream, load, open_stream

__all__ = ["SAMPLE_RATE", "Audio", "BlockStream", "load", "open_stream"]
