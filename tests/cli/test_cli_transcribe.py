"""Real speech through every backend and runtime, by the command."""

from __future__ import annotations

import json
import re
import shutil
import wave
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.testing.fake import write_model

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
def test_native_hears_what_is_said_on_standard_input_too(
    cli: Cli, jfk: Path, tiny_en: Path
) -> None:
    command = ("transcribe", "-", "-m", tiny_en, "-b", "native", "-t", "1", *GREEDY, "-f", "txt")
    done = cli(*command, stdin=jfk.read_bytes())
    assert (done.code, done.err) == (0, 'whisperctl: wrote "stdin.txt"\n')
    assert ASKED in spoken(done.out)
    assert all(LINE.fullmatch(line) for line in done.out.splitlines())
    assert ASKED in spoken("]" + (cli.directory / "stdin.txt").read_text("utf-8"))


def test_a_detected_language_is_said(fake: Cli, jfk: Path) -> None:
    model = write_model(fake.directory / "ggml-base.bin", multilingual=True)
    done = fake.here("transcribe", jfk, "-m", model)
    assert (done.code, len(done.out.splitlines())) == (0, 6)
    assert re.fullmatch(r"whisperctl: detected language: English \(p = 0\.\d\d\)\n", done.err)


@pytest.mark.slow
def test_both_runtimes_write_the_same_bytes_with_any_number_of_threads(
    cli: Cli, jfk: Path, tiny_en: Path
) -> None:
    documents = []
    for runtime, threads in (("wasmer", "8"), ("wasmtime", "4")):
        done = cli(
            *("transcribe", jfk, "-m", tiny_en, "-b", "wasi", "--runtime", runtime, "-t", threads),
            *("-f", "srt,json,json-full", "-o", runtime, *GREEDY),
        )
        assert done.code == 0
        assert ASKED in spoken(done.out)
        assert all(LINE.fullmatch(line) for line in done.out.splitlines())
        files = sorted((cli.directory / runtime).iterdir())
        assert [file.name for file in files] == ["jfk.full.json", "jfk.json", "jfk.srt"]
        documents.append([done.out, *(file.read_bytes() for file in files)])
    assert documents[0] == documents[1]


def test_the_default_is_native(cli: Cli, jfk: Path, model: Path) -> None:
    plan = cli.here("transcribe", jfk, "-m", model, "--dry-run")
    assert "\nengine: native, " in plan.out


def test_the_default_is_beam_search(fake: Cli, jfk: Path, model: Path) -> None:
    default = fake.here("transcribe", jfk, "-m", model)
    assert default == fake.here("transcribe", jfk, "-m", model, "--beam-size", "5")
    assert default != fake.here("transcribe", jfk, "-m", model, *GREEDY)


def test_segments_alone_are_printed_and_no_file_written(fake: Cli, jfk: Path, model: Path) -> None:
    done = fake.here("transcribe", jfk, "-m", model)
    assert done.out.startswith("[00:00:00.000 --> 00:00:")
    assert done.err == ""
    assert list(fake.directory.iterdir()) == []


def test_every_format_is_written_and_the_directory_made(fake: Cli, jfk: Path, model: Path) -> None:
    talk = fake.directory / "a talk, with spaces.wav"
    shutil.copy(jfk, talk)
    done = fake.here(
        *("transcribe", talk, "-m", model),
        *("-f", "srt,vtt", "--output-format", "json", "-f", "txt", "-o", "new/place"),
    )
    assert done.code == 0
    place = fake.directory / "new" / "place"
    stem = "a talk, with spaces"
    assert {file.name for file in place.iterdir()} == {
        f"{stem}.{fmt}" for fmt in ("srt", "vtt", "json", "txt")
    }
    text = json.loads((place / f"{stem}.json").read_text("utf-8"))["text"]
    assert text.split() == (place / f"{stem}.txt").read_text("utf-8").split() != []
    assert "00:00:00,000 --> 00:00:0" in (place / f"{stem}.srt").read_text("utf-8")
    assert (place / f"{stem}.vtt").read_text("utf-8").startswith("WEBVTT")


def test_files_go_to_the_current_directory_by_default(fake: Cli, jfk: Path, model: Path) -> None:
    assert fake.here("transcribe", jfk, "-m", model, "-f", "srt").code == 0
    assert [file.name for file in fake.directory.iterdir()] == ["jfk.srt"]


def test_options_may_be_spelled_with_underscores(fake: Cli, jfk: Path, model: Path) -> None:
    done = fake.here(
        *("transcribe", jfk, "-m", model, "--beam_size", "1"),
        *("--output_format", "txt", "--output_dir", "out"),
    )
    assert done.code == 0
    assert (fake.directory / "out" / "jfk.txt").is_file()


def test_one_bad_recording_does_not_stop_the_others(fake: Cli, jfk: Path, model: Path) -> None:
    bad = fake.directory / "bad.wav"
    bad.write_text("not a recording")
    second = fake.directory / "second.wav"
    shutil.copy(jfk, second)
    command = ("transcribe", jfk, bad, second, "-m", model, "-f", "txt", "-o", "out")
    done = fake.here(*command, "--decoder", "auto")
    assert done.code == 1
    lines = done.out.splitlines()
    assert lines[:6] == lines[6:] and len(lines) == 12
    assert sorted(file.name for file in (fake.directory / "out").iterdir()) == [
        "jfk.txt",
        "second.txt",
    ]
    lines = done.err.splitlines()
    assert lines[0] == f"==> {jfk} <=="
    assert lines[1] == 'whisperctl: wrote "out/jfk.txt"'
    assert lines[2] == f"==> {bad} <=="
    assert lines[3].startswith(f'whisperctl: error: "{bad}" ')
    assert lines[4] == f"==> {second} <=="
    assert lines[5] == 'whisperctl: wrote "out/second.txt"'
    assert lines[6] == "whisperctl: error: 1 of 3 recordings failed:"
    assert lines[7].startswith(f'  "{bad}" is not a recording that the sandbox decodes: use')
    assert len(lines) == 8


def test_quiet_leaves_only_segments_and_errors(fake: Cli, jfk: Path, model: Path) -> None:
    cut = fake.directory / "cut.wav"
    cut.write_bytes(jfk.read_bytes()[:200_000])
    loud = fake.here("transcribe", cut, "-m", model)
    assert loud.err.startswith(f'whisperctl: warning: "{cut}"')
    quiet = fake.here("transcribe", jfk, cut, "-m", model, "--quiet")
    assert quiet.err == ""
    assert quiet.out.endswith(loud.out)


def test_a_recording_without_speech_is_said_to_be_one(fake: Cli, model: Path) -> None:
    silence = fake.directory / "silence.wav"
    _write_wav(silence, bytes(2 * 16_000 * 3))
    done = fake.here("transcribe", silence, "-m", model)
    assert (done.code, done.out) == (0, "")
    assert done.err == f'whisperctl: warning: "{silence}" contains no speech\n'


def test_the_sole_model_here_is_the_default(fake: Cli, jfk: Path, tmp_path: Path) -> None:
    nothing = fake.here("transcribe", jfk, env={"WHISPERCTL_MODELS": str(tmp_path / "models")})
    assert nothing.code == 1
    assert "whisperctl models pull base" in nothing.err
    found = fake.here("transcribe", jfk)
    assert (found.code, len(found.out.splitlines())) == (0, 6)


def _write_wav(path: Path, data: bytes) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(data)
