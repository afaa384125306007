"""The topics that options are listed under in help, in this order.

An option names its topic as ``rich_help_panel``, which is typer's own field for it; rich itself is
not used. An option that names none is listed last.
"""

from __future__ import annotations

ENGINE = "Model and engine"
MATRIX = "What is compared"
MEASURING = "Measuring"
SPEECH = "What is spoken"
OUTPUT = "Results"
SUBTITLES = "Subtitles and words"
PARTS = "Parts of a recording"
MANY = "Many and long recordings"
SILENCE = "Silence and noise"
DECODING = "Decoding"
MESSAGES = "Messages"
OTHER = "Other"

ORDER = (
    ENGINE,
    MATRIX,
    MEASURING,
    SPEECH,
    OUTPUT,
    SUBTITLES,
    PARTS,
    MANY,
    SILENCE,
    DECODING,
    MESSAGES,
    OTHER,
)
