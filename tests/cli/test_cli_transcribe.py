"""Real speech through every backend and runtime, by the command."""

from __future__ import annotations

import json
import re
import shutil
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Cli

ASKED = "ask not what your country can do for you"
LINE = re.compile(r"\[\d\d:\d\d:\d\d\.\d{3} --> \d\d:\d\d:\d\d\.\d{3}\]  .*\S")
GREEDY = ("--beam-size", "1")


def spoken(out: str) -> str:
    """The words, without times and punctuation."""
    words = " ".join(line.partition("]")[2] for line in out.splitlines())
    return " ".join(re.sub(r"[^a-z ]", "", words.lower()).split())


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2])
def test_every_engine_hears_what_is_said(
    cli: Cli, engine: str, threads: int, jfk: Path, tiny_en: Path
) -> None:
    done = cli("transcribe", jfk, "-m", tiny_en, "-b", engine, "-t", str(threads), *GREEDY)
    assert (done.code, done.err) == (0, "")
    assert ASKED in spoken(done.out)
    assert all(LINE.fullmatch(line) for line in done.out.splitlines())


@pytest.mark.slow
def test_every_engine_hears_with_a_multilingual_model(
    cli: Cli, engine: str, jfk: Path, base: Path
) -> None:
    done = cli("transcribe", jfk, "-m", base, "-b", engine, *GREEDY)
    assert done.code == 0
    assert ASKED in spoken(done.out)
    assert re.fullmatch(r"whisperctl: detected language: English \(p = 0\.\d\d\)\n", done.err)


@pytest.mark.slow
def test_both_runtimes_write_the_same_bytes(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    documents = []
    for runtime in ("wasmer", "wasmtime"):
        done = cli(
            *("transcribe", jfk, "-m", tiny_en, "-b", "wasi", "--runtime", runtime, *GREEDY),
            *("-f", "srt,json", "-o", runtime),
        )
        assert done.code == 0
        files = sorted((cli.directory / runtime).iterdir())
        assert [file.name for file in files] == ["jfk.json", "jfk.srt"]
        documents.append([done.out, *(file.read_bytes() for file in files)])
    assert documents[0] == documents[1]


def test_the_default_is_beam_search_on_native(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    default = cli("transcribe", jfk, "-m", tiny_en)
    named = cli("transcribe", jfk, "-m", tiny_en, "-b", "native", "--beam-size", "5")
    assert ASKED in spoken(default.out)
    assert default == named


def test_segments_alone_are_printed_and_no_file_written(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    done = cli("transcribe", jfk, "-m", tiny_en, *GREEDY)
    assert done.out.startswith("[00:00:00.000 --> 00:00:")
    assert done.err == ""
    assert list(cli.directory.iterdir()) == []


def test_standard_input_is_a_recording_too(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    done = cli("transcribe", "-", "-m", tiny_en, *GREEDY, "-f", "txt", stdin=jfk.read_bytes())
    assert ASKED in spoken(done.out)
    assert ASKED in spoken("]" + (cli.directory / "stdin.txt").read_text("utf-8"))


def test_every_format_is_written_and_the_directory_made(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    talk = cli.directory / "a talk, with spaces.wav"
    shutil.copy(jfk, talk)
    done = cli(
        *("transcribe", talk, "-m", tiny_en, *GREEDY),
        *("-f", "srt,vtt", "--output-format", "json", "-f", "txt", "-o", "new/place"),
    )
    assert done.code == 0
    place = cli.directory / "new" / "place"
    stem = "a talk, with spaces"
    assert {file.name for file in place.iterdir()} == {
        f"{stem}.{fmt}" for fmt in ("srt", "vtt", "json", "txt")
    }
    assert ASKED in json.loads((place / f"{stem}.json").read_text("utf-8"))["text"]
    assert "00:00:00,000 --> 00:00:0" in (place / f"{stem}.srt").read_text("utf-8")
    assert (place / f"{stem}.vtt").read_text("utf-8").startswith("WEBVTT")


def test_files_go_to_the_current_directory_by_default(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    assert cli("transcribe", jfk, "-m", tiny_en, *GREEDY, "-f", "srt").code == 0
    assert [file.name for file in cli.directory.iterdir()] == ["jfk.srt"]


def test_options_may_be_spelled_with_underscores(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    done = cli(
        *("transcribe", jfk, "-m", tiny_en, "--beam_size", "1"),
        *("--output_format", "txt", "--output_dir", "out"),
    )
    assert done.code == 0
    assert (cli.directory / "out" / "jfk.txt").is_file()


def test_one_bad_recording_does_not_stop_the_others(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    bad = cli.directory / "bad.wav"
    bad.write_text("not a recording")
    second = cli.directory / "second.wav"
    shutil.copy(jfk, second)
    done = cli("transcribe", jfk, bad, second, "-m", tiny_en, *GREEDY, "-f", "txt", "-o", "out")
    assert done.code == 1
    assert spoken(done.out).count(ASKED) == 2
    assert sorted(file.name for file in (cli.directory / "out").iterdir()) == [
        "jfk.txt",
        "second.txt",
    ]
    lines = done.err.splitlines()
    assert lines[0] == f"==> {jfk} <=="
    assert lines[1] == f"==> {bad} <=="
    assert lines[2].startswith(f'whisperctl: error: "{bad}" ')
    assert lines[3] == f"==> {second} <=="
    assert lines[4] == "whisperctl: error: 1 of 3 recordings failed:"
    assert lines[5].startswith(f'  "{bad}" is not audio or video')
    assert len(lines) == 6


def test_quiet_leaves_only_segments_and_errors(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    cut = cli.directory / "cut.wav"
    cut.write_bytes(jfk.read_bytes()[:200_000])
    loud = cli("transcribe", cut, "-m", tiny_en, *GREEDY)
    assert loud.err.startswith(f'whisperctl: warning: "{cut}"')
    quiet = cli("transcribe", jfk, cut, "-m", tiny_en, *GREEDY, "--quiet")
    assert quiet.err == ""
    assert quiet.out.endswith(loud.out)


def test_a_recording_without_speech_is_said_to_be_one(cli: Cli, tiny_en: Path) -> None:
    silence = cli.directory / "silence.wav"
    _write_wav(silence, bytes(2 * 16_000 * 3))
    done = cli("transcribe", silence, "-m", tiny_en, *GREEDY, "--no-speech-threshold", "0.01")
    assert done.code == 0
    if done.out == "":  # small models sometimes hear something in silence
        assert done.err == f'whisperctl: warning: "{silence}" holds no speech\n'
    else:
        assert done.err == ""


def test_the_sole_model_here_is_the_default(
    cli: Cli, jfk: Path, tiny_en: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    nothing = cli("transcribe", jfk, env={"WHISPERCTL_MODELS": str(models)})
    assert nothing.code == 1
    assert "whisperctl models pull base" in nothing.err
    (models / "ggml-tiny.en.bin").symlink_to(tiny_en)
    found = cli("transcribe", jfk, *GREEDY, env={"WHISPERCTL_MODELS": str(models)})
    assert ASKED in spoken(found.out)


def _write_wav(path: Path, data: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(data)
