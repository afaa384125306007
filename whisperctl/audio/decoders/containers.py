"""Container formats: those that FFmpeg may read, stated durations, and joined recordings.

FFmpeg always gives a duration. Where none is stated it takes the bit rate of the first frames, or
the last timestamp, or the duration of another track, without saying so. Only what a header says of
the track itself may be used to find fault with a recording.

Recordings joined end to end are chained Ogg, as ripped radio streams are, and FLAC. Each has its
own sample rate, channels and clock, so that neither libsndfile nor FFmpeg reads on past the first
that differs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

LONGEST_S = 1e9
"""No recording is longer: a header that states more does not know."""

_LOST_S = 0.5
"""Less missing than this is padding that encoders add or trim, not a recording cut short."""

_INFO_BYTES = 65_536
_INFO_DURATION = re.compile(rb"\x44\x89(?:\x84(?P<single>.{4})|\x88(?P<double>.{8}))", re.DOTALL)
"""Element Duration of a Matroska segment's Info (RFC 9559, section 5.1.2.10)."""

_SMALLEST_MP3_FRAME = 24
"""Bytes of a frame at 8 kbit/s and 24 kHz."""

_TAG = re.compile(r"(\d{1,9}):(\d{1,9}):(\d{1,9}(?:\.\d*)?)", re.ASCII)


UNKNOWN_SIZE = 0x7FF0_0000
"""Programs that write a wav to a pipe cannot know its size, and state 2 or 4 GiB."""

_WAV_SAMPLES = frozenset({1, 3, 0xFFFE})
"""Codings of wav whose rate of bytes is that of samples: integers, floats, either of them."""

_READ_BYTES = 1 << 20
_STARTS = {
    # An Ogg page that begins a stream, at position 0 (RFC 3533, section 6).
    b"OggS": re.compile(rb"OggS\0\x02\0{8}"),
    # The mark of a FLAC stream and its first block, of 34 bytes (RFC 9639, sections 6 and 8.1).
    b"fLaC": re.compile(rb"fLaC[\0\x80]\0\0\x22"),
}
_LONGEST_START = 16


@dataclass(frozen=True, slots=True)
class TrackFacts:
    """An audio stream as FFmpeg shows it.

    ``codec`` is empty, and rate and channels 0, if there is no decoder for it. ``tags`` are its
    metadata, of which only those that begin with DURATION are needed. ``time_base`` is the unit of
    its times in seconds, numerator and denominator. ``start`` and ``duration`` are in that unit;
    ``None`` if they are unknown.
    """

    codec: str
    sample_rate: int
    channels: int
    language: str
    title: str
    default: bool
    tags: Mapping[str, str]
    time_base: tuple[int, int] | None
    start: int | None
    duration: int | None


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """A file as FFmpeg shows it.

    ``format`` is FFmpeg's name of it, or several names separated by commas. ``start_us`` and
    ``duration_us`` are those of all its streams together, in microseconds; ``None`` if they are
    unknown. ``n_video`` counts its video streams, pictures of covers included. ``tracks`` are its
    audio streams.
    """

    format: str
    start_us: int | None
    duration_us: int | None
    n_video: int
    tracks: tuple[TrackFacts, ...]


def lost_s(stated_s: float | None, decoded_s: float) -> float:
    """Seconds that a header states and that could not be decoded; 0 if that is mere padding."""
    missing_s = (stated_s or 0.0) - decoded_s
    return missing_s if missing_s > _LOST_S else 0.0


def cut_short(stated_s: float | None, decoded_s: float) -> str | None:
    """Rest of a sentence about a recording shorter than its header states; ``None`` if it is not.

    Args:
        stated_s: the duration that the header states, in seconds, if any.
        decoded_s: the duration that was decoded.
    """
    if stated_s is None or not lost_s(stated_s, decoded_s):
        return None
    return (
        f"is cut short or damaged: its header states {stated_s:.1f} s, "
        f"only {decoded_s:.1f} s could be read"
    )


def is_named(container: ContainerFacts, names: frozenset[str]) -> bool:
    """True if a file is of one of these formats."""
    return not names.isdisjoint(container.format.split(","))


def container_s(container: ContainerFacts) -> float | None:
    """Duration of a file with all its tracks, stated or guessed, in seconds."""
    duration_s = (container.duration_us or 0) / 1_000_000
    return duration_s if 0 < duration_s <= LONGEST_S else None


def container_end_s(container: ContainerFacts, source: Source) -> float | None:
    """Latest end of the last track, unless that is a guess from bit rates.

    In seconds from the start of the file's first track.
    """
    if is_named(container, frozenset({"matroska"})) and not _states_matroska(source):
        return None
    return container_s(container)


def stated_end_s(
    container: ContainerFacts,
    track: TrackFacts,
    source: Source,
    origin_s: float,
    whole_s: float | None,
) -> float | None:
    """End of a track by the file's header, if it states one.

    Args:
        container: the file.
        track: one of its tracks.
        source: the same file.
        origin_s: the timestamp of the start of the file's first track.
        whole_s: ``container_end_s`` of the file.

    Returns:
        Seconds from there.
    """
    if is_named(container, frozenset({"matroska"})):
        end_s = _matroska_end_s(container, track, whole_s)
        return None if end_s is None else max(0.0, end_s - origin_s)
    if container.format == "mp3":
        return whole_s if _states_mp3(source) else None
    if container.format == "wav" and (end_s := _wav_s(source)) is not None:
        return end_s  # FFmpeg takes the file's size for the truth
    each = is_named(container, _STATE_EACH_TRACK)
    if each and track.time_base is not None and (track.duration or 0) > 0:
        time_base = Fraction(*track.time_base)
        start_s = float((track.start or 0) * time_base)
        return start_s + float((track.duration or 0) * time_base) - origin_s
    if (each or is_named(container, _STATE_THE_WHOLE)) and not container.n_video:
        return None if whole_s is None else max(0.0, whole_s - origin_s)
    return None


def _matroska_end_s(
    container: ContainerFacts, track: TrackFacts, whole_s: float | None
) -> float | None:
    """End by the tag that muxers write for each track, some with a language after its name.

    mkvmerge writes how long a track is and FFmpeg where it ends; the less of what both mean counts.
    A tag that was copied from a longer file is not believed.
    """
    if whole_s is None:
        return None
    tags = {key.upper(): value for key, value in track.tags.items()}
    names = sorted(name for name in tags if name == "DURATION" or name.startswith("DURATION-"))
    match = _TAG.match(tags[names[0]]) if names else None
    if match is None:
        return None if container.n_video or len(container.tracks) > 1 else whole_s
    return min(whole_s, int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3]))


def _wav_s(source: Source) -> float | None:
    """Duration by the header of a wav without compression, ``None`` if it does not state one."""
    head = source.peek(_INFO_BYTES)
    at, byte_rate = 12, 0
    while head.startswith(b"RIFF") and at + 8 <= len(head):
        name, size = struct.unpack_from("<4sI", head, at)
        if name == b"fmt " and at + 24 <= len(head):
            form, _, _, byte_rate = struct.unpack_from("<HHII", head, at + 8)
            byte_rate = byte_rate if form in _WAV_SAMPLES else 0
        elif name == b"data":
            known = 0 < size < UNKNOWN_SIZE and byte_rate > 0
            return size / byte_rate if known else None
        at += 8 + size + size % 2
    return None


def _states_matroska(source: Source) -> bool:
    """True if the segment has a duration; what is written to a pipe or by a browser has none."""
    match = _INFO_DURATION.search(source.peek(_INFO_BYTES))
    if match is None:
        return False
    kind, value = (">f", match["single"]) if match["single"] else (">d", match["double"])
    (duration,) = struct.unpack(kind, value)
    return bool(duration > 0)


def _states_mp3(source: Source) -> bool:
    """True if the first frame is a header that counts the frames of this file.

    That of the first of several files that were joined counts its own frames only, and bytes.
    """
    offset = id3_bytes(source)
    frame = source.peek(2048, offset)
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


def parts(source: Source) -> Iterator[tuple[int, int]]:
    """Start and end in bytes of each recording in a file; of other formats, all of the file."""
    size_bytes = source.size_bytes
    start = 0
    for next_start in _later_starts(source):
        yield start, next_start
        start = next_start
    if size_bytes > start:
        yield start, size_bytes


def id3_bytes(source: Source) -> int:
    """Size of the ID3v2 tag at the start of a file, 0 if there is none."""
    head = source.peek(10)
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    size_bytes = len(head)
    for place, byte in enumerate(head[6:]):  # seven bits a byte (ID3v2.4, section 3.1)
        size_bytes += (byte & 0x7F) << 7 * (3 - place)
    return size_bytes


def _later_starts(source: Source) -> Iterator[int]:
    """Offset of each recording but the first, in bytes."""
    position = first = id3_bytes(source)
    mark = source.peek(4, position)
    pattern = _STARTS.get(mark)
    if pattern is None:
        return
    announced_to = -1
    # Every read overlaps the one before by less than a mark, so that none is found twice.
    while len(data := source.peek(_READ_BYTES, position)) >= _LONGEST_START:
        for match in pattern.finditer(data):
            at = position + match.start()
            # Streams that play together are announced by pages that follow each other.
            if at > first and at != announced_to:
                yield at
            if mark == b"OggS":
                announced_to = at + _page_bytes(source, at)
        position += len(data) - _LONGEST_START + 1


def _page_bytes(source: Source, at: int) -> int:
    """Size of an Ogg page: a header of 27 bytes, sizes of its segments, and these."""
    head = source.peek(27 + 255, at)
    n_segments = head[26] if len(head) > 26 else 0
    return 27 + n_segments + sum(head[27 : 27 + n_segments])
