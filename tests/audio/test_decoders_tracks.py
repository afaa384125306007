"""Of several audio tracks the choice is said, and can be made by number and by language."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.audio.conftest import Samples, found_at_s
from tests.audio.every_decoder import load
from tests.audio.test_audio_stream import SAMPLE, mux
from whisperctl import audio
from whisperctl.compare import document
from whisperctl.compare.plan import prepare
from whisperctl.compare.reports.figures import describe_recording
from whisperctl.compare.result import RecordingInfo
from whisperctl.errors import AudioError, UsageError
from whisperctl.options import TranscriptionOptions
from whisperctl.storage import records


@pytest.fixture(scope="module")
def film(speech: Samples, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tone in English, speech in German, and silence in a language not stated."""
    n = np.arange(len(speech)) / 16_000
    tone = (np.sin(2 * np.pi * 300 * n) / 4).astype(np.float32)[np.newaxis]
    return mux(
        tmp_path_factory.mktemp("tracks") / "film.mkv",
        tone,
        speech[np.newaxis],
        np.zeros_like(tone),
        codec="pcm_s16le",
        rate=16_000,
        layout="mono",
        default=0,
        languages=("eng", "ger", "und"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["2", " 2 ", "ger", "de", "deu", "German", "de-AT"])
def test_a_track_is_chosen_by_number_or_language(film: Path, speech: Samples, wanted: str) -> None:
    loaded = load(film, track=wanted)

    assert found_at_s(loaded.samples, speech) < 0.01
    assert loaded.warnings == ()


def test_without_a_choice_the_tracks_are_listed_and_which_is_read(film: Path) -> None:
    assert load(film).warnings == (
        f'"{film}" has 3 audio tracks (1 English (default), 2 German, 3): track 1 is used; '
        "--audio-track chooses another",
    )


def test_of_several_tracks_in_a_language_one_is_used_and_said(
    speech: Samples, tmp_path: Path
) -> None:
    one = speech[np.newaxis]
    path = mux(
        tmp_path / "a.mkv",
        one[:, ::-1].copy(),
        one,
        one,
        codec="pcm_s16le",
        rate=16_000,
        layout="mono",
        languages=("eng", "fre", "fra"),
        default=0,
    )

    loaded = load(path, track="fr")

    assert found_at_s(loaded.samples, speech) < 0.01
    assert 'has 2 audio tracks for "fr" (2 French, 3 French): track 2 is used' in loaded.warnings[0]


@pytest.mark.slow
@pytest.mark.parametrize("wanted", ["4", "fr", "tlh", "French", "9" * 5000])
def test_a_track_that_is_not_there_is_one_line_with_those_that_are(film: Path, wanted: str) -> None:
    with pytest.raises(AudioError) as caught:
        load(film, track=wanted)

    assert str(caught.value) == (
        f'"{film}" has no audio track "{wanted}": it has 1 English (default), 2 German, 3'
    )


def test_a_recording_of_one_track_has_a_first_and_no_second() -> None:
    assert load(SAMPLE, track="1").duration_s == 11.0
    with pytest.raises(AudioError, match=r'has no audio track "2": it has only 1$'):
        load(SAMPLE, track="2")


@pytest.mark.parametrize("wanted", ["", " ", "0", "00"])
def test_what_is_no_track_is_refused_before_work(wanted: str) -> None:
    with pytest.raises(UsageError, match="give a number from 1, or a language"):
        TranscriptionOptions(audio_track=wanted)


def test_names_in_a_file_cannot_put_control_characters_into_the_list(
    speech: Samples, tmp_path: Path
) -> None:
    one = speech[np.newaxis, :1600]
    path = mux(
        tmp_path / "a.mkv",
        *[one] * 20,
        codec="pcm_s16le",
        rate=16_000,
        layout="mono",
        languages=["\x1b[31m"] * 20,
    )

    (warning,) = load(path).warnings

    assert warning.isprintable()
    assert "and 8 more" in warning
    assert len(warning) < 600


def test_a_comparison_is_repeated_on_the_same_track(film: Path) -> None:
    compared = prepare("film", film, audio.load(film, track="2"), audio_track="2")

    info = compared.info

    assert info.audio_track == "2"
    again = document.recording(info, film.parent)
    np.testing.assert_array_equal(again.audio.samples, compared.audio.samples)
    assert again.info.audio_track == "2"


def test_what_is_kept_of_a_run_is_kept_by_track() -> None:
    one, two = (records.plain(TranscriptionOptions(audio_track=track)) for track in ("1", "2"))

    assert one != two


def test_a_comparison_is_repeated_with_the_same_decoder_and_older_documents_load(
    film: Path,
) -> None:
    loaded = audio.load(film, track="2", decoder="ffmpeg")
    info = prepare("film", film, loaded, None, "2", "ffmpeg").info

    assert document.recording(info, film.parent).info.decoder == info.decoder == "ffmpeg"
    assert info.decoders == ("ffmpeg",)
    assert "decoder ffmpeg, " in f"{describe_recording(replace(info, decoder='auto'))}, "
    older = records.plain(info)
    del older["decoder"], older["decoders"]
    restored = records.restore(RecordingInfo, older)
    assert (restored.decoder, restored.decoders) == ("auto", ())


def test_what_is_kept_of_a_run_is_kept_by_decoder() -> None:
    one, two = (records.plain(TranscriptionOptions(decoder=name)) for name in ("auto", "ffmpeg"))

    assert one != two
