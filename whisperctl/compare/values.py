"""The numbers that a run is measured by: their names, units and order.

All outputs of a comparison take their numbers from one result and write them by ``shown``, so that
they agree. Times of work are milliseconds, memory is bytes, times in a recording are seconds.

``load``, ``module compile`` and ``instantiate`` are parts of opening the session; the other phases
are of the transcription that counts, as are wall, CPU time and the real-time factor. The first
window is half a minute at most; without a warm-up it is the whole recording, which is transcribed
once, so that ``first_ms`` is ``wall_ms``. Peak and linear memory are of the whole process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Unit = Literal["ms", "bytes", "times", "share", "s"]
"""``times`` is a factor, ``share`` a part of one, ``s`` a time in a recording."""

_MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Value:
    """A number of a run. ``label`` is what tables call it; ``help`` says what it is."""

    name: str
    label: str
    unit: Unit
    help: str


VALUES = (
    Value("start_ms", "process start", "ms", "from starting the process to opening the engine"),
    Value("audio_decode_ms", "audio decode", "ms", "decoding the media file, once for all"),
    Value("module_compile_ms", "module compile", "ms", "compiling the module, or its cached code"),
    Value("instantiate_ms", "instantiate", "ms", "starting the guest"),
    Value("load_ms", "load", "ms", "loading the model"),
    Value("mel_ms", "mel", "ms", "the log-mel spectrogram"),
    Value("sample_ms", "sample", "ms", "choosing tokens"),
    Value("encode_ms", "encode", "ms", "the encoder"),
    Value("decode_ms", "decode", "ms", "the decoder, a token at a time"),
    Value("batchd_ms", "batchd", "ms", "the decoder, several beams at a time"),
    Value("prompt_ms", "prompt", "ms", "the decoder, over the prompt"),
    Value("total_ms", "total", "ms", "the engine's own total"),
    Value("open_ms", "open session", "ms", "loading the model and starting the engine"),
    Value("first_ms", "first window", "ms", "transcribing the first window, not yet warm"),
    Value("cold_start_ms", "cold start", "ms", "process start + open session + first window"),
    Value("wall_ms", "wall", "ms", "transcribing the recording, warm"),
    Value("cpu_ms", "CPU time", "ms", "of all threads meanwhile"),
    Value("real_time_factor", "real-time factor", "times", "wall / duration of the recording"),
    Value("peak_memory_bytes", "peak memory", "bytes", "of the process and its engine's"),
    Value("linear_memory_bytes", "linear memory", "bytes", "the sandbox's, resident or not"),
)
"""Every value, in the order of tables."""

NAMES = tuple(value.name for value in VALUES)
BY_NAME = {value.name: value for value in VALUES}
"""By name; a ratio or a summary of a value has the value's name."""


def rounded(number: float, unit: Unit) -> float:
    """The number as a result keeps it: to the microsecond, byte, or millionth."""
    if unit == "bytes":
        return float(round(number))
    return round(number, 3 if unit == "ms" else 6)


def shown(number: float, unit: Unit) -> str:
    """The number as people read it.

    Milliseconds have three digits or more, but no more than two decimals; memory is MiB; a factor
    has two decimals, three when it is small; a share is a percentage; seconds have two decimals.
    """
    if unit == "bytes":
        return f"{number / _MIB:.0f} MiB"
    if unit == "share":
        return f"{number:.1%}"
    if unit == "times":
        return f"{number:.{2 if abs(number) >= 0.1 else 3}f}"
    if unit == "s":
        return f"{number:.2f}"
    size = abs(number)
    return f"{number:.{0 if size >= 100 else 1 if size >= 10 else 2}f}"
