"""What is known of container formats: which are read, and how long they say a recording is.

FFmpeg always gives a duration. Where none is stated it takes the bit rate of the first frames, or
the last timestamp, or the duration of another track, without saying so. Only what a header says of
the track itself may be used to find fault with a recording.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from whisperctl.audio.decoders.joined import id3_bytes

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

    from whisperctl.audio.source import Source

READ = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,caf,dhav,dsf,dss,dts,dtshd,dv,eac3,flac,flv,gsm,"
    "gxf,ircam,loas,matroska,mlp,mov,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,pvf,qcp,"
    "rm,shn,sox,tak,truehd,tta,voc,vqf,w64,wav,wtv,wv,xwma"
)
"""FFmpeg's names of the formats that hold their media themselves and can be told by their content.

Playlists, image sequences, subtitles, devices, text art and formats of games are left out.
"""

CLOCK_JUMPS = frozenset({"mpeg", "mpegts", "ogg"})
"""Formats in which a clock may be set anew in the middle, as where recordings were joined."""

_STATE_EACH_TRACK = frozenset(
    {"aiff", "ape", "au", "caf", "dsf", "flac", "ircam", "mov", "mpc", "mpc8", "mxf", "nistsphere",
     "ogg", "tak", "tta", "w64", "wav", "wv"}
)  # fmt: skip
"""Their headers say how long each track is."""

_STATE_THE_WHOLE = frozenset({"asf", "flv", "rm", "xwma"})
"""Their headers say how long the longest track is."""

_INFO_BYTES = 65_536
_INFO_DURATION = re.compile(rb"\x44\x89(?:\x84(?P<single>.{4})|\x88(?P<double>.{8}))", re.DOTALL)
"""Element Duration of a Matroska segment's Info (RFC 9559, section 5.1.2.10)."""

_SMALLEST_MP3_FRAME = 24
"""Bytes of a frame at 8 kbit/s and 24 kHz."""

_TAG = re.compile(r"(\d{1,9}):(\d{1,9}):(\d{1,9}(?:\.\d*)?)", re.ASCII)


def is_named(container: InputContainer, names: frozenset[str]) -> bool:
    """Whether a file is of one of these formats."""
    return not names.isdisjoint(container.format.name.split(","))


def container_s(container: InputContainer) -> float | None:
    """How long a file is with all its tracks, stated or guessed, in seconds."""
    duration = container.duration
    return None if duration is None or duration <= 0 else duration / 1_000_000


def container_end_s(container: InputContainer, source: Source) -> float | None:
    """Where the last track ends at the latest, unless that is a guess from bit rates.

    In seconds from the start of the file's first track.
    """
    if is_named(container, frozenset({"matroska"})) and not _states_matroska(source):
        return None
    return container_s(container)


def stated_end_s(
    container: InputContainer, stream: AudioStream, source: Source, origin_s: float
) -> float | None:
    """Where the file's header says that a track ends, if it does.

    Args:
        container: the open file.
        stream: the track.
        source: the same file.
        origin_s: the timestamp of the start of the file's first track.

    Returns:
        Seconds from there.
    """
    whole_s = container_end_s(container, source)
    if is_named(container, frozenset({"matroska"})):
        end_s = _matroska_end_s(container, stream, whole_s)
        return None if end_s is None else max(0.0, end_s - origin_s)
    if container.format.name == "mp3":
        return whole_s if _states_mp3(source) else None
    each = is_named(container, _STATE_EACH_TRACK)
    if each and stream.time_base is not None and (stream.duration or 0) > 0:
        start_s = float((stream.start_time or 0) * stream.time_base)
        return start_s + float((stream.duration or 0) * stream.time_base) - origin_s
    if (each or is_named(container, _STATE_THE_WHOLE)) and not container.streams.video:
        return None if whole_s is None else max(0.0, whole_s - origin_s)
    return None


def _matroska_end_s(
    container: InputContainer, stream: AudioStream, whole_s: float | None
) -> float | None:
    """From the tag that muxers write for each track, some with a language after its name.

    mkvmerge writes how long a track is and FFmpeg where it ends; the less of what both mean counts.
    A tag that was copied from a longer file is not believed.
    """
    if whole_s is None:
        return None
    tags = {key.upper(): value for key, value in stream.metadata.items()}
    names = sorted(name for name in tags if name == "DURATION" or name.startswith("DURATION-"))
    match = _TAG.match(tags[names[0]]) if names else None
    if match is None:
        return None if container.streams.video or len(container.streams.audio) > 1 else whole_s
    return min(whole_s, int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]))


def _states_matroska(source: Source) -> bool:
    """Whether the segment has a duration; what is written to a pipe or by a browser has none."""
    match = _INFO_DURATION.search(source.head(_INFO_BYTES))
    if match is None:
        return False
    kind, value = (">f", match["single"]) if match["single"] else (">d", match["double"])
    (duration,) = struct.unpack(kind, value)
    return bool(duration > 0)


def _states_mp3(source: Source) -> bool:
    """Whether the first frame is a header that counts the frames of this file.

    That of the first of several files that were joined counts its own frames only, and bytes.
    """
    offset = id3_bytes(source)
    frame = source.head(2048, offset)
    n_frames = n_bytes = 0
    if match := re.search(rb"(?:Xing|Info)\0\0\0([\0-\x0f])(.{8})", frame, re.DOTALL):
        numbers = list(struct.unpack(">II", match[2]))
        n_frames = numbers.pop(0) if match[1][0] & 1 else 0
        n_bytes = numbers.pop(0) if match[1][0] & 2 else 0
    elif match := re.search(rb"VBRI.{6}(.{8})", frame, re.DOTALL):
        n_bytes, n_frames = struct.unpack(">II", match[1])
    if n_bytes == 0:
        return n_frames > 0
    # FFmpeg draws the same line, and guesses from the bit rate beyond it.
    joined = source.size_bytes - offset > n_bytes * 17 // 16
    return 0 < n_frames <= n_bytes // _SMALLEST_MP3_FRAME and not joined
