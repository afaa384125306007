"""Models damaged at random: refused in one line, soon and in little memory, or computed with."""

from __future__ import annotations

import os
import random
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.errors import ModelError
from whisperctl.models.convert import convert
from whisperctl.models.ggml import survey, weights

if TYPE_CHECKING:
    from tests.models.conftest import Builder

SEED = 20_240
N_MUTANTS = 100
EDGES = (0, 1, -1, 2, 3, 5, 7, 255, 256, 1 << 16, (1 << 31) - 1, -(1 << 31), 0x7FC00000)

Patch = tuple[int, bytes]
"""Where a mutant differs from the whole model, and what it has there."""

TRANSCRIBES = """
import sys
from pathlib import Path
import numpy as np
import pytest
from whisperctl.audio import Audio
from whisperctl.options import DecodeOptions
from whisperctl.errors import WhisperctlError
from whisperctl.engine import registry
from whisperctl.engine.session import HostSession

noise = np.random.default_rng(1).normal(0, 0.1, 8_000).astype(np.float32)
for path in sys.argv[1:]:
    try:
        with registry.open_session(registry.parse("native"), Path(path), threads=1) as session:
            options = DecodeOptions(language="en", beam_size=1, temperature_increment=0)
            host = HostSession(session, stall_timeout_s=20)
            host.transcribe(Audio(noise, "noise"), options)
    except WhisperctlError as error:
        print("refused", error)
    else:
        print("computed")
"""


def tables(data: bytes, path: Path) -> list[int]:
    """Where a file has the shape, type and name of each tensor but the first."""
    path.write_bytes(data)
    places = [place for place in survey(path)[1] if place.name != "mel filters"]
    found: list[int] = []
    for before, place in pairwise(places):
        found += range(before.offset + before.n_bytes, place.offset)
    return found


def mutants(data: bytes, structure: list[int], chance: random.Random) -> Iterator[list[Patch]]:
    """Patches of one to three places: a number set to an edge, a bit flipped, bytes of chance."""
    while True:
        patches = []
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            at = chance.choice(structure)
            kind = chance.randrange(4)
            if kind == 0:
                patches.append((at, struct.pack("<i", chance.choice(EDGES))))
            elif kind == 1:
                (number,) = struct.unpack_from("<I", data, at)
                patches.append((at, struct.pack("<I", number ^ 1 << chance.randrange(32))))
            elif kind == 2:
                (number,) = struct.unpack_from("<I", data, at)
                number = (number + chance.choice((-2, -1, 1, 2))) % (1 << 32)
                patches.append((at, struct.pack("<I", number)))
            else:
                patches.append((at, chance.randbytes(chance.randrange(1, 9))))
        yield patches


def survivors(data: bytes, structure: list[int], path: Path, n: int, seed: int) -> list[bytes]:
    """Check so many mutants; those that are models all the same."""
    chance = random.Random(seed)
    stream = mutants(data, structure, chance)
    path.write_bytes(data)
    good = []
    for i in range(n):
        patches = next(stream)
        mutant = bytearray(data)
        for at, change in patches:
            mutant[at : at + len(change)] = change[: len(mutant) - at]
        cut = chance.randrange(len(data)) if i % 10 == 0 else len(data)
        with path.open("r+b") as file:
            for at, _ in patches:
                file.seek(at)
                file.write(mutant[at : at + 9])
            file.truncate(cut)
        started = time.process_time()
        try:
            weights.check(path)
            good.append(bytes(mutant[:cut]))
        except ModelError as error:
            assert path.name in str(error)
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
        assert time.process_time() - started < 2, patches
        with path.open("r+b") as file:
            for at, _ in patches:
                file.seek(at)
                file.write(data[at : at + 9])
            if cut < len(data):
                file.seek(cut)
                file.write(data[cut:])
    assert path.read_bytes() == data
    return good


def engine_says(paths: list[Path]) -> list[str]:
    """What the native engine says of models, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", TRANSCRIBES, *paths],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines()


@pytest.mark.slow
def test_a_whisper_model_damaged_at_random_is_refused_or_computes(
    small_ggml: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "mutant.bin"
    table = tables(small_ggml, path)
    vocabulary = 56 + 4 * 80 * 201
    structure = [*range(4, 56)] * 40 + [*range(vocabulary, vocabulary + 1000)] + table
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    good = survivors(small_ggml, structure, path, N_MUTANTS, SEED)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 200_000
    assert 0 < len(good) < N_MUTANTS / 4  # those with another token
    paths = []
    for i, data in enumerate(good[:2]):
        paths.append(tmp_path / f"{i}.bin")
        paths[-1].write_bytes(data)
    assert len(engine_says(paths)) == len(paths)


@pytest.mark.slow
def test_a_ctranslate2_model_damaged_at_random_is_refused_or_converted(
    build: Builder, tmp_path: Path
) -> None:
    path = build.ct2(tmp_path / "mutant") / "model.bin"
    data = path.read_bytes()
    structure = [*range(60), *ct2_table(data)]
    chance = random.Random(SEED)
    stream = mutants(data, structure, chance)
    n_converted = 0
    for i in range(60):
        mutant = bytearray(data)
        for at, change in next(stream):
            mutant[at : at + len(change)] = change[: len(mutant) - at]
        path.write_bytes(mutant[: chance.randrange(len(data))] if i % 10 == 0 else mutant)
        try:
            with Path(os.devnull).open("wb") as out:
                convert(path.parent, out)
            n_converted += 1
        except ModelError as error:
            assert "mutant" in str(error)
            assert "\n" not in str(error)
            assert len(str(error)) < 1000
    assert n_converted < 20


def ct2_table(data: bytes) -> Iterator[int]:
    """Where a CTranslate2 model has names, shapes, types, sizes and single numbers."""
    at = 4 + 2 + len("WhisperSpec\0") + 4
    (n_variables,) = struct.unpack_from("<I", data, at)
    at += 4
    for _ in range(n_variables):
        start = at
        at += 2 + struct.unpack_from("<H", data, at)[0]
        at += 1 + 4 * data[at] + 1
        (n_bytes,) = struct.unpack_from("<I", data, at)
        at += 4
        yield from range(start, at + (n_bytes if n_bytes < 8 else 0))
        at += n_bytes


def test_a_silero_model_damaged_at_random_is_refused(silero: bytes, tmp_path: Path) -> None:
    path = tmp_path / "mutant.bin"
    structure = [*range(30, 98), *tables(silero, path)]
    version = range(18, 30)
    for data in survivors(silero, [*structure, *version], path, 400, SEED):
        assert all(data[at] == silero[at] for at in structure)
