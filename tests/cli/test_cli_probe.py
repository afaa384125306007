"""``whisperctl probe``: what is in media files, as a table and as JSON."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.audio.test_audio_stream import mux

if TYPE_CHECKING:
    from tests.conftest import Cli


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds with a track in English and one in German, which is the default."""
    tone = (np.sin(np.arange(32_000) / 10) / 4).astype(np.float32)[np.newaxis]
    return mux(
        tmp_path_factory.mktemp("film") / "film.mkv",
        tone,
        tone,
        codec="pcm_s16le",
        rate=16_000,
        layout="mono",
        default=1,
        languages=("eng", "ger"),
    )


def test_a_table_shows_each_track(cli: Cli, film: Path) -> None:
    done = cli.here("probe", film)

    assert (done.code, done.err) == (0, "")
    head, names, *rows = done.out.splitlines()
    assert head == f"{film}: matroska,webm, read by sandbox"
    heads = ["track", "codec", "rate", "channels", "language", "default", "duration"]
    assert names.split() == heads  # and no title, as no track has one
    assert [row.split() for row in rows] == [
        ["1", "pcm_s16le", "16000", "Hz", "1", "English", "00:00:02.000"],
        ["2", "pcm_s16le", "16000", "Hz", "1", "German", "yes", "00:00:02.000"],
    ]


def test_json_has_the_same_and_a_document_a_file(cli: Cli, film: Path, jfk: Path) -> None:
    done = cli.here("probe", film, jfk, "--json")

    assert (done.code, done.err) == (0, "")
    of_film, of_jfk = json.loads(done.out)
    assert (of_film["file"], of_film["decoder"]) == (str(film), "sandbox")
    assert of_film["container"] == "matroska,webm"
    assert of_film["tracks"][1] == {
        "number": 2,
        "codec": "pcm_s16le",
        "sample_rate": 16000,
        "channels": 1,
        "language": "ger",
        "title": None,
        "default": True,
        "duration_s": 2.0,
    }
    assert (of_jfk["decoder"], of_jfk["tracks"][0]["duration_s"]) == ("sandbox", 11.0)


def test_a_duration_that_no_header_states_is_marked_as_a_guess(cli: Cli, tmp_path: Path) -> None:
    path = mux(tmp_path / "a.aac", np.zeros((1, 32_000), np.float32), codec="aac", rate=16_000)

    assert "~00:00:0" in cli.here("probe", path).out
    (document,) = json.loads(cli.here("probe", path, "--json").out)
    assert document["tracks"][0]["duration_s"] is None
    assert document["expected_duration_s"] > 1


def test_a_file_that_fails_is_one_line_and_stops_no_other(
    cli: Cli, jfk: Path, tmp_path: Path
) -> None:
    text = tmp_path / "a.txt"
    text.write_text("no recording\n")

    done = cli.here("probe", text, "gone.wav", jfk)

    assert done.code == 1
    first, second = done.err.splitlines()
    assert first.startswith(
        f'whisperctl: error: "{text}" is not a recording that the sandbox decodes: use'
    )
    assert second == 'whisperctl: error: "gone.wav" does not exist: check the name'
    assert done.out.startswith(f"{jfk}: wav")
    failed = cli.here("probe", text, "--json")
    assert (failed.code, json.loads(failed.out)) == (1, [])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no input files: pass one or more files"),
        (("-", "-"), "standard input can be read only once"),
        (("a.wav", "--decoder", "ffmpg"), 'unknown decoder "ffmpg": did you mean "ffmpeg"?'),
    ],
)
def test_a_wrong_command_line_is_one_line(
    cli: Cli, arguments: tuple[str, ...], message: str
) -> None:
    done = cli.here("probe", *arguments)

    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1


@pytest.mark.slow
def test_pipes_are_read(cli: Cli, film: Path, tmp_path: Path) -> None:
    done = cli("probe", "-", stdin=film.read_bytes())
    assert done.out.startswith("standard input: matroska,webm, read by sandbox\n"), done.err

    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(film.read_bytes()))
    writer.start()
    done = cli("probe", pipe)
    writer.join()
    assert done.out.startswith(f"{pipe}: matroska,webm"), done.err


def test_the_decoder_is_chosen_by_option_variable_and_file(
    cli: Cli, jfk: Path, tmp_path: Path
) -> None:
    assert "read by ffmpeg" in cli.here("probe", jfk, "--decoder", "ffmpeg").out
    assert "read by ffmpeg" in cli.here("probe", jfk, env={"WHISPERCTL_DECODER": "ffmpeg"}).out
    config = tmp_path / "config.toml"
    config.write_text('decoder = "ffmpeg"\n')
    assert "read by ffmpeg" in cli.here("probe", jfk, env={"WHISPERCTL_CONFIG": str(config)}).out
    refused = cli.here("probe", jfk, "a.mp3", "--decoder", "soundfile")
    assert (refused.code, "read by soundfile" in refused.out) == (1, True)


def test_names_in_a_file_cannot_break_the_table(cli: Cli, tmp_path: Path) -> None:
    path = mux(
        tmp_path / "a.mkv",
        np.zeros((1, 1600), np.float32),
        codec="pcm_s16le",
        rate=16_000,
        layout="mono",
        languages=("\x1b[31m[bold]\nx",),
    )

    done = cli.here("probe", path)

    assert len(done.out.splitlines()) == 3
    assert "\x1b" not in done.out
    assert "[bold]" in done.out


@pytest.mark.slow
def test_a_run_says_which_decoder_it_reads_with(fake: Cli, jfk: Path, film: Path) -> None:
    done = fake.here("transcribe", jfk, "--verbose", "--decoder", "auto")
    assert f'"{jfk}": read by decoder sandbox' in done.err
    done = fake.here("transcribe", jfk, "--verbose", "--decoder", "ffmpeg")
    assert "option decoder: ffmpeg (command line)" in done.err
    assert f'"{jfk}": read by decoder ffmpeg' in done.err
    for command in ("transcribe", "compare"):
        refused = fake.here(command, film, "--decoder", "soundfile")
        assert refused.code == 1
        assert "use --decoder ffmpeg or --decoder sandbox, or leave" in refused.err
