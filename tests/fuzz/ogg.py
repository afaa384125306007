"""Pages of Ogg (RFC 3533). What has a wrong checksum is not looked at, and so must be mended."""

from __future__ import annotations

import struct

_HEAD = struct.Struct("<4sBBQIIIB")
_CHECKSUM_AT = 22


def _table() -> list[int]:
    entries = []
    for byte in range(256):
        value = byte << 24
        for _ in range(8):
            value = value << 1 ^ 0x04C1_1DB7 if value >> 31 else value << 1
            value &= 0xFFFF_FFFF
        entries.append(value)
    return entries


_TABLE = _table()


def page(packets: list[bytes], number: int, flags: int, granule: int) -> bytes:
    """A page of whole packets."""
    lacing = b"".join(
        b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets
    )
    head = _HEAD.pack(b"OggS", 0, flags, granule, 1, number, 0, len(lacing))
    made = bytearray(head + lacing + b"".join(packets))
    correct(made)
    return bytes(made)


def correct(data: bytearray) -> None:
    """Give each page that can be found the checksum that it should have."""
    at = data.find(b"OggS")
    while at >= 0:
        n_segments = data[at + _HEAD.size - 1] if at + _HEAD.size <= len(data) else 0
        sizes = data[at + _HEAD.size : at + _HEAD.size + n_segments]
        end = at + _HEAD.size + n_segments + sum(sizes)
        if end <= len(data):
            data[at + _CHECKSUM_AT : at + _CHECKSUM_AT + 4] = bytes(4)
            value = 0
            for byte in data[at:end]:
                value = (value << 8 & 0xFFFF_FFFF) ^ _TABLE[value >> 24 ^ byte]
            struct.pack_into("<I", data, at + _CHECKSUM_AT, value)
        at = data.find(b"OggS", at + 4)
