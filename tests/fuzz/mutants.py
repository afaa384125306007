"""Damage to recordings: the same for the same number, in every run and on every machine."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Sequence

from tests.fuzz import ogg

_MOST_BYTES = 1 << 18
_HEAD_BYTES = 512
_EXTREMES = (0, 1, 2, 4, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000,
             0xFFFF_FFF0, 0xFFFF_FFFF, 0x7FFF_FFFF_FFFF_FFFF, 0xFFFF_FFFF_FFFF_FFFF)  # fmt: skip

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def mutant(data: bytes, chance: random.Random, others: Sequence[bytes]) -> bytes:
    """A recording, damaged in one to three ways.

    Args:
        data: a recording.
        chance: what to choose by.
        others: recordings of which parts may get into this one.
    """
    damaged = bytearray(data)
    for _ in range(chance.choice([1, 1, 2, 3])):
        if damaged:
            chance.choice(_MUTATIONS)(damaged, chance, others)
    if chance.random() < 0.5:
        ogg.correct(damaged)
    return bytes(damaged[:_MOST_BYTES])


def _place(data: bytearray, chance: random.Random) -> int:
    """Half of them in the first bytes, where headers are."""
    most = len(data) if chance.random() < 0.5 else min(len(data), _HEAD_BYTES)
    return chance.randrange(most)


def _part(data: bytes | bytearray, chance: random.Random) -> bytes:
    start = chance.randrange(len(data))
    return bytes(data[start : start + 2 ** chance.randrange(13)])


def _flip_bits(data: bytearray, chance: random.Random, _others: Sequence[bytes]) -> None:
    for _ in range(2 ** chance.randrange(6)):
        data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _change_bytes(data: bytearray, chance: random.Random, _others: Sequence[bytes]) -> None:
    for _ in range(2 ** chance.randrange(6)):
        data[_place(data, chance)] = chance.randrange(256)


def _lie_about_a_length(data: bytearray, chance: random.Random, _others: Sequence[bytes]) -> None:
    for _ in range(chance.choice([1, 1, 2, 4])):
        form = chance.choice("BHIQ")
        mask = (1 << 8 * struct.calcsize(form)) - 1
        packed = struct.pack(chance.choice("<>") + form, chance.choice(_EXTREMES) & mask)
        at = _place(data, chance)
        data[at : at + len(packed)] = packed


def _add_to_a_number(data: bytearray, chance: random.Random, _others: Sequence[bytes]) -> None:
    form = chance.choice("<>") + chance.choice("HI")
    size = struct.calcsize(form)
    if len(data) < size:
        return
    at = min(_place(data, chance), len(data) - size)
    (number,) = struct.unpack_from(form, data, at)
    struct.pack_into(form, data, at, number + chance.choice([-1, 1]) & (1 << 8 * size) - 1)


def _truncate(data: bytearray, chance: random.Random, _others: Sequence[bytes]) -> None:
    del data[_place(data, chance) :]


def _remove(data: bytearray, chance: random.Random, _others: Sequence[bytes]) -> None:
    at = _place(data, chance)
    del data[at : at + len(_part(data, chance))]


def _repeat(data: bytearray, chance: random.Random, _others: Sequence[bytes]) -> None:
    at = _place(data, chance)
    data[at:at] = _part(data, chance) * 2 ** chance.randrange(6)


def _blank(data: bytearray, chance: random.Random, _others: Sequence[bytes]) -> None:
    at = _place(data, chance)
    part = _part(data, chance)
    data[at : at + len(part)] = chance.choice([b"\0", b"\xff"]) * len(part)


def _splice(data: bytearray, chance: random.Random, others: Sequence[bytes]) -> None:
    part = _part(chance.choice(others), chance)
    at = _place(data, chance)
    data[at : at + chance.choice([0, len(part)])] = part


_MUTATIONS: tuple[Mutation, ...] = (
    _flip_bits, _change_bytes, _lie_about_a_length, _lie_about_a_length, _add_to_a_number,
    _truncate, _remove, _repeat, _blank, _splice
)  # fmt: skip
