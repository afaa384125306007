"""Sound lies where the file's timestamps put it: late starts, holes, clocks that are set anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audio.conftest import Encode, Samples, assemble, found_at_s
from tests.audio.every_decoder import load
from whisperctl.audio import SAMPLE_RATE

LEADING_S = 0.07
"""An encoder's padding at the start, which some containers cannot state."""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "piped"),
    [
        ("late.mkv", "pcm_s16le", False),
        ("late.mkv", "pcm_s16le", True),
        ("late.mkv", "ac3", True),
        ("opus.mkv", "libopus", True),
        ("late.mp4", "aac", False),
        ("late.mov", "pcm_s16le", False),
        ("late.ts", "mp2", False),
        ("late.flv", "aac", False),
        ("late.nut", "aac", False),
        ("late.asf", "wmav2", False),
    ],
)
def test_sound_that_starts_5_s_after_the_picture_is_heard_5_s_in(
    encode: Encode, speech: Samples, tmp_path: Path, name: str, codec: str, piped: bool
) -> None:
    rate = {"libopus": 48_000, "ac3": 48_000, "wmav2": 44_100}.get(codec, 16_000)
    rate = 44_100 if ".flv" in name else rate
    sound = encode("sound.mka", codec, rate=rate)
    path = assemble(tmp_path / name, [(sound, 5.0)], video_s=16, piped=piped)

    loaded = load(path)

    assert found_at_s(loaded.samples, speech) == pytest.approx(5.0, abs=LEADING_S)
    assert loaded.warnings == ()


@pytest.mark.parametrize("tag", [b"XURATION", b"DURATION-ENG"])
def test_a_late_start_needs_no_tag_with_the_tracks_duration(
    encode: Encode, speech: Samples, tmp_path: Path, tag: bytes
) -> None:
    path = assemble(tmp_path / "a.mkv", [(encode("a.mka", "pcm_s16le"), 5.0)], video_s=16)
    data = path.read_bytes()
    assert b"\x45\xa3\x88DURATION" in data
    if len(tag) == 8:
        data = data.replace(b"DURATION", tag)
    path.write_bytes(data)

    loaded = load(path)

    assert found_at_s(loaded.samples, speech) == pytest.approx(5.0, abs=0.002)
    assert loaded.warnings == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "codec", "piped"),
    [
        ("hole.ts", "mp2", False),
        ("hole.mkv", "pcm_s16le", False),
        ("hole.mkv", "pcm_s16le", True),
        ("hole.flv", "aac", False),
    ],
)
def test_a_hole_of_6_s_becomes_6_s_of_silence(
    encode: Encode, speech: Samples, tmp_path: Path, name: str, codec: str, piped: bool
) -> None:
    rate = 44_100 if "flv" in name else 16_000
    before = encode("a.mka", codec, end_s=5.0, rate=rate)
    after = encode("a.mka", codec, start_s=5.0, rate=rate)
    path = assemble(tmp_path / name, [(before, 0.0), (after, 11.0)], video_s=17, piped=piped)

    loaded = load(path)

    late = speech[6 * SAMPLE_RATE : 10 * SAMPLE_RATE]
    assert found_at_s(loaded.samples, late) == pytest.approx(12.0, abs=LEADING_S)
    assert not loaded.samples[6 * SAMPLE_RATE : 10 * SAMPLE_RATE].any()
    assert len(loaded.warnings) == 1
    assert "s of silence stand in for what is missing" in loaded.warnings[0]


@pytest.mark.parametrize("start_s", [0.0, 71.0, 611.0])
def test_transport_streams_that_were_joined_follow_each_other_whatever_their_clocks(
    encode: Encode, speech: Samples, tmp_path: Path, start_s: float
) -> None:
    sound = encode("a.mka", "mp2")
    first = assemble(tmp_path / "1.ts", [(sound, 0.0)])
    second = assemble(tmp_path / "2.ts", [(sound, start_s)])
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())

    loaded = load(joined)

    assert loaded.duration_s == pytest.approx(22.0, abs=0.2)
    assert found_at_s(loaded.samples[11 * SAMPLE_RATE :], speech) < 0.2
    assert loaded.warnings == ()


@pytest.mark.slow
def test_a_hole_of_a_minute_in_a_film_is_kept(
    encode: Encode, speech: Samples, tmp_path: Path
) -> None:
    sound = encode("a.mka", "pcm_s16le")
    path = assemble(tmp_path / "a.mkv", [(sound, 0.0), (sound, 71.0)], video_s=85)

    loaded = load(path)

    second = loaded.samples[12 * SAMPLE_RATE :]
    assert found_at_s(second, speech) == pytest.approx(59.0, abs=0.01)


@pytest.mark.parametrize(("late_s", "expected_s"), [(15.0, 15.0), (5000.0, 0.0)])
def test_a_picture_with_another_clock_does_not_delay_the_sound_of_a_transport_stream(
    encode: Encode, speech: Samples, tmp_path: Path, late_s: float, expected_s: float
) -> None:
    path = assemble(tmp_path / "a.ts", [(encode("a.mka", "mp2"), late_s)], video_s=2)

    loaded = load(path)

    assert found_at_s(loaded.samples, speech) == pytest.approx(expected_s, abs=LEADING_S)
