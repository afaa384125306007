"""Durations: what a header truly states finds fault, what was guessed or is stale does not."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from tests.audio import every_decoder
from tests.audio.conftest import Encode, Samples, assemble
from tests.audio.test_audio_stream import mux
from whisperctl import audio
from whisperctl.audio import SAMPLE_RATE, Audio


def load(path: Path) -> tuple[Audio, float | None]:
    """A recording, and the duration that its header is taken to state once all of it is read."""
    loaded = every_decoder.load(path)
    with audio.open_stream(path, decoder=loaded.decoders[-1]) as blocks:
        for _ in blocks:
            pass
        return loaded, blocks.stated_s


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A minute of silence, of which each second takes a fraction of what speech takes."""
    folder = tmp_path_factory.mktemp("quiet")
    minute = np.zeros((1, 60 * SAMPLE_RATE), np.float32)
    made = {}
    for name, codec in (("a.aac", "aac"), ("a.ac3", "ac3")):
        rate = 48_000 if codec == "ac3" else SAMPLE_RATE
        silence = np.zeros((1, 60 * rate), np.float32) if codec == "ac3" else minute
        path = mux(folder / name, silence, codec=codec, rate=rate, layout="mono")
        made[codec] = path.read_bytes()
    return made


@pytest.mark.parametrize("order", ["silence first", "speech first"])
def test_a_duration_guessed_from_the_bit_rate_finds_no_fault(
    encode: Encode, quiet: dict[str, bytes], tmp_path: Path, order: str
) -> None:
    spoken = encode("a.aac", "aac").read_bytes()
    path = tmp_path / "a.aac"
    path.write_bytes(quiet["aac"] + spoken if order == "silence first" else spoken + quiet["aac"])

    loaded, stated_s = load(path)

    assert loaded.duration_s == pytest.approx(71, abs=0.3)
    assert loaded.warnings == ()
    assert stated_s is None


@pytest.mark.parametrize("first_s", [2.0, 11.0])
def test_the_count_of_frames_in_the_first_of_joined_mp3s_is_not_that_of_all(
    encode: Encode, tmp_path: Path, first_s: float
) -> None:
    first = encode("a.mp3", "libmp3lame", end_s=first_s)
    path = tmp_path / "a.mp3"
    path.write_bytes(first.read_bytes() + encode("a.mp3", "libmp3lame").read_bytes())

    loaded, stated_s = load(path)

    assert loaded.duration_s == pytest.approx(first_s + 11, abs=0.3)
    assert loaded.warnings == ()
    assert stated_s is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_frames", "states"), [(0, False), (20, False), (0xFFFF_FFFF, False), (None, True)]
)
def test_a_count_of_frames_in_an_mp3_is_believed_until_more_are_decoded(
    encode: Encode, tmp_path: Path, n_frames: int | None, states: bool
) -> None:
    data = bytearray(encode("a.mp3", "libmp3lame").read_bytes())
    at = data.index(b"Xing") if b"Xing" in data else data.index(b"Info")
    assert data[at + 7] & 3 == 3
    if n_frames is not None:
        data[at + 8 : at + 12] = struct.pack(">I", n_frames)
    path = tmp_path / "a.mp3"
    path.write_bytes(data)

    loaded, stated_s = load(path)

    assert loaded.warnings == ()
    assert (stated_s is not None) == states
    assert loaded.duration_s == pytest.approx(11 if n_frames != 20 else loaded.duration_s, abs=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["long.flv", "long.wmv", "long.avi", "long.mpg", "long.ts"])
def test_a_picture_longer_than_the_sound_is_no_recording_cut_short(
    encode: Encode, tmp_path: Path, name: str
) -> None:
    codec = {"long.flv": "aac", "long.wmv": "wmav2"}.get(name, "mp2")
    form = {"long.wmv": "asf", "long.mpg": "mpeg"}.get(name)
    sound = encode("a.mka", codec, rate=44_100)
    path = assemble(tmp_path / name, [(sound, 0.0)], video_s=16, form=form)

    loaded, stated_s = load(path)

    assert loaded.duration_s == pytest.approx(11, abs=0.2)
    assert loaded.warnings == ()
    assert stated_s is None


def test_a_tag_with_a_duration_that_the_file_does_not_have_is_stale(
    encode: Encode, tmp_path: Path
) -> None:
    path = assemble(tmp_path / "a.mkv", [(encode("a.mka", "pcm_s16le"), 0.0)], video_s=11)
    data = path.read_bytes()
    at = data.rindex(b"00:00:11.")
    path.write_bytes(data[:at] + b"00:09:59." + data[at + 9 :])

    loaded, _ = load(path)

    assert loaded.warnings == ()


def test_a_tag_that_counts_from_the_tracks_own_start_hides_nothing(
    encode: Encode, speech: Samples, tmp_path: Path
) -> None:
    path = assemble(tmp_path / "a.mkv", [(encode("a.mka", "pcm_s16le"), 5.0)], video_s=16)
    data = path.read_bytes()
    at = data.rindex(b"00:00:16.")
    path.write_bytes(data[:at] + b"00:00:11." + data[at + 9 :])  # as mkvmerge has it

    loaded, stated_s = load(path)

    assert loaded.duration_s == pytest.approx(16, abs=0.01)
    assert loaded.warnings == ()
    assert stated_s is None


@pytest.mark.parametrize("codec", ["pcm_s16le", "ac3"])
def test_a_file_made_in_a_pipe_states_nothing(encode: Encode, tmp_path: Path, codec: str) -> None:
    rate = 48_000 if codec == "ac3" else SAMPLE_RATE
    path = assemble(tmp_path / "a.mkv", [(encode("a.mka", codec, rate=rate), 0.0)], piped=True)

    with audio.open_stream(path) as blocks:
        next(iter(blocks))
        assert blocks.stated_s is None


@pytest.mark.parametrize("name", ["a.mkv", "a.flv"])
def test_a_clock_that_does_not_start_at_zero_makes_no_recording_longer(
    encode: Encode, tmp_path: Path, name: str
) -> None:
    sound = encode("a.mka", "aac", rate=44_100)
    path = assemble(tmp_path / name, [(sound, 30.0)])

    loaded, _ = load(path)

    assert loaded.duration_s == pytest.approx(11, abs=0.2)
    assert loaded.warnings == ()


def test_a_guess_serves_progress_and_is_never_less_than_what_was_read(
    encode: Encode, quiet: dict[str, bytes], tmp_path: Path
) -> None:
    path = tmp_path / "a.aac"
    path.write_bytes(encode("a.aac", "aac").read_bytes() + quiet["aac"])

    with audio.open_stream(path, block_s=1.0) as blocks:
        read_s = 0.0
        for block in blocks:
            read_s += len(block) / SAMPLE_RATE
            assert blocks.expected_s is not None
            assert blocks.expected_s >= read_s - 0.01
            assert blocks.stated_s is None
