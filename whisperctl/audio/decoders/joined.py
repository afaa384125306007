"""Recordings joined end to end in one file: chained Ogg, as ripped radio streams are, and FLAC.

Each is a recording of its own, with its own sample rate, channels and clock, so that neither
libsndfile nor FFmpeg reads on past the first that differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whisperctl.audio.source import Source

_READ_BYTES = 1 << 20
_STARTS = {
    # An Ogg page that begins a stream, at position 0 (RFC 3533, section 6).
    b"OggS": re.compile(rb"OggS\0\x02\0{8}"),
    # The mark of a FLAC stream and its first block, of 34 bytes (RFC 9639, sections 6 and 8.1).
    b"fLaC": re.compile(rb"fLaC[\0\x80]\0\0\x22"),
}
_LONGEST_START = 16


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
    head = source.head(10)
    if len(head) < 10 or not head.startswith(b"ID3"):
        return 0
    size_bytes = len(head)
    for place, byte in enumerate(head[6:]):  # seven bits a byte (ID3v2.4, section 3.1)
        size_bytes += (byte & 0x7F) << 7 * (3 - place)
    return size_bytes


def _later_starts(source: Source) -> Iterator[int]:
    """Where each recording but the first begins, in bytes."""
    position = first = id3_bytes(source)
    mark = source.head(4, position)
    pattern = _STARTS.get(mark)
    if pattern is None:
        return
    announced_to = -1
    # Every read overlaps the one before by less than a mark, so that none is found twice.
    while len(data := source.head(_READ_BYTES, position)) >= _LONGEST_START:
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
    head = source.head(27 + 255, at)
    n_segments = head[26] if len(head) > 26 else 0
    return 27 + n_segments + sum(head[27 : 27 + n_segments])
