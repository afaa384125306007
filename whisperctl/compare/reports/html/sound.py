"""Recordings inside a page."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import soundfile

from whisperctl.audio import SAMPLE_RATE

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

LONGEST_S = 3600.0
"""Of all recordings of a page together: about 24 MB an hour. Longer ones are left out."""

# MP3 plays in every browser, and at a constant rate they find a time in it exactly. libsndfile maps
# 0.8 to 40 kbit/s at 16 kHz, which is enough for speech.
_MP3: dict[str, Any] = {
    "format": "MP3",
    "subtype": "MPEG_LAYER_III",
    "bitrate_mode": "CONSTANT",
    "compression_level": 0.8,
}
_FLAC: dict[str, Any] = {"format": "FLAC", "subtype": "PCM_16"}


def data_uri(samples: npt.NDArray[np.float32]) -> str:
    """A recording as a ``data:`` address: MP3, or FLAC where libsndfile was built without it.

    Args:
        samples: float32, shape (n_samples,), 16 kHz mono.
    """
    mp3 = "MP3" in soundfile.available_formats()
    out = io.BytesIO()
    soundfile.write(out, samples, SAMPLE_RATE, **(_MP3 if mp3 else _FLAC))
    kind = "audio/mpeg" if mp3 else "audio/flac"
    return f"data:{kind};base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
