"""Bad input: one line that names it, a non-zero exit, and nothing left behind."""

from __future__ import annotations

import os
import pty
import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Cli, Finished, MakePlugin


def assert_refused(done: Finished, fake: Cli, code: int, *named: str) -> None:
    """One line on standard error with all of ``named``, and no other trace."""
    assert done.code == code
    assert done.out == ""
    assert done.err.startswith("whisperctl: error: ")
    assert done.err.count("\n") == 1
    for name in named:
        assert name in done.err
    assert not [file for file in fake.directory.rglob("*") if file.suffix in (".txt", ".srt")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.wav", b""),
        ("text.wav", b"This is a text, whatever its name says.\n" * 100),
        ("header only.wav", b"RIFF\x24\x00\x00\x00WAVEfmt "),
        ("noise.mp3", bytes(range(256)) * 40),
    ],
)
def test_a_file_that_is_no_recording(fake: Cli, model: Path, name: str, data: bytes) -> None:
    bad = fake.directory / name
    bad.write_bytes(data)
    done = fake.here("transcribe", bad, "-m", model, "-f", "txt,srt")
    assert_refused(done, fake, 1, f'"{bad}"')


def test_a_file_that_is_not_there(fake: Cli, model: Path) -> None:
    done = fake.here("transcribe", "no such file.wav", "-m", model, "-f", "srt")
    assert_refused(done, fake, 1, '"no such file.wav"')


def test_a_directory_instead_of_a_recording(fake: Cli, model: Path) -> None:
    assert_refused(fake.here("transcribe", "..", "-m", model, "-f", "srt"), fake, 1, '".."')


def test_an_audio_track_that_is_not_there(fake: Cli, jfk: Path, model: Path) -> None:
    done = fake.here("transcribe", jfk, "-m", model, "-f", "srt", "--audio-track", "de")
    assert_refused(done, fake, 1, f'"{jfk}"', 'no audio track "de"', "it has only 1")
    done = fake.here("compare", jfk, "-m", model, "--audio-track", "0")
    assert_refused(done, fake, 2, 'audio track "0"', "give a number from 1, or a language")


def test_a_last_clip_after_the_end(fake: Cli, jfk: Path, model: Path) -> None:
    done = fake.here("transcribe", jfk, "-m", model, "-f", "srt", "--clip", "0-1,11.5-12")
    assert_refused(done, fake, 1, f'"{jfk}"', "clip from 11.5 s", "11.0 s long")


def test_empty_standard_input(fake: Cli, model: Path) -> None:
    assert_refused(fake.here("transcribe", "-", "-m", model), fake, 1, "standard input")


def test_a_wav_cut_short_is_transcribed_as_far_as_it_goes(
    fake: Cli, jfk: Path, model: Path
) -> None:
    cut = fake.directory / "cut.wav"
    cut.write_bytes(jfk.read_bytes()[:160_000])
    done = fake.here("transcribe", cut, "-m", model, "--beam-size", "1")
    assert done.code == 0
    assert "[00:00:04.000 --> 00:00:0" in done.out
    assert done.err.count("\n") == 1
    assert str(cut) in done.err
    assert "11.0 s" in done.err


@pytest.mark.parametrize("damage", ["text", "empty", "truncated", "missing"])
def test_a_file_that_is_no_model(fake: Cli, jfk: Path, model: Path, damage: str) -> None:
    bad = fake.directory / "ggml-bad.bin"
    if damage == "text":
        bad.write_text("not a model " * 100)
    elif damage == "empty":
        bad.touch()
    elif damage == "truncated":
        with model.open("rb") as file:
            bad.write_bytes(file.read(1_000_000))
    done = fake.here("transcribe", jfk, "-m", bad, "-f", "srt")
    assert_refused(done, fake, 1, str(bad))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("talks/*.wav",), '"talks/*.wav" does not match any file: check the pattern'),
        (("a.wav", "-m", "tinny"), 'unknown model "tinny": did you mean "tiny"?'),
        (("a.wav", "-b", "fakke"), 'unknown backend "fakke": did you mean "fake"?'),
    ],
)
def test_a_mistyped_name_is_a_misuse_of_whatever_it_is(
    fake: Cli, arguments: tuple[str, ...], named: str
) -> None:
    assert_refused(fake.here("transcribe", *arguments), fake, 2, named)


def test_an_output_directory_that_cannot_be_made(fake: Cli, jfk: Path, model: Path) -> None:
    (fake.directory / "file").touch()
    done = fake.here("transcribe", jfk, "-m", model, "-f", "srt", "-o", "file/within")
    assert_refused(done, fake, 1, '"file/within/jfk.srt"', '"file" is not a directory')


def test_an_output_that_is_a_directory(fake: Cli, jfk: Path, model: Path) -> None:
    (fake.directory / "jfk.json").mkdir()
    done = fake.here("transcribe", jfk, "-m", model, "-f", "json")
    assert_refused(done, fake, 1, '"jfk.json"', "is a directory")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("-b", "natve"), 'did you mean "native"?'),
        (("-b", "wasi/wasmtim"), 'did you mean "wasmtime"?'),
        (("-b", "wasi", "--runtime", "wasmr"), 'did you mean "wasmer"?'),
        (("--runtime", "slw"), 'did you mean "slow"?'),
        (("-b", "wasi/wasmer", "--runtime", "wasmtime"), "conflict"),
        (("--language", "gremlin"), '"gremlin"'),
        (("--language", "de"), "English-only"),
        (("--task", "translate"), "English-only"),
        (("--task", "sing"), 'task must be "transcribe" or "translate", not "sing"'),
        (("--threads", "0"), "threads"),
        (("--beam-size", "9"), "beam size"),
        (("--beam-size", "many"), 'beam size must be a whole number, not "many"'),
        (("--vad-threshold", "much"), 'vad threshold must be a number, not "much"'),
        (("--no-vad", "--vad-speech-pad-ms", "0"), "give --no-vad or numbers"),
        (("--no-vad", "--speaker-from-channels"), "give --no-vad or --speaker-from-channels"),
        (("--speaker-names", "A,B"), "need --speaker-from-channels"),
        (("--speaker-from-channels", "--speaker-names", "A,,B"), "must differ and not be empty"),
        (("--profile", "bbc"), "--profile needs --output-format: name the formats"),
        (("--skip-existing",), "--skip-existing needs --output-format: name the formats"),
        (("-0",), "--null needs --files-from: name the list"),
        (("--temperature", "1.5"), "temperature"),
        (("--entropy-threshold", "nan"), "entropy threshold"),
        (("--output-format", "srtt"), 'did you mean "srt"?'),
        (("--output-dir", "there"), "--output-format"),
        (("--output", "talk.docx"), '--output "talk.docx": unknown format "docx": choose from txt'),
        (("--output", "{stem}.{lang}"), "--output-format"),
        (("--no-such-option",), "--no-such-option"),
        (("--max-cps",), "requires an argument; see: whisperctl transcribe --help"),
    ],
)
def test_a_wrong_option_is_a_misuse(
    fake: Cli, jfk: Path, model: Path, arguments: tuple[str, ...], named: str
) -> None:
    assert_refused(fake.here("transcribe", jfk, "-m", model, *arguments), fake, 2, named)
    assert list(fake.directory.iterdir()) == []


@pytest.mark.slow
def test_a_missing_model_is_offered_at_a_terminal(fake: Cli, jfk: Path, tmp_path: Path) -> None:
    """Nothing is downloaded here: no answer is yes, and the registry cannot be reached."""
    env = fake.environment(
        {"WHISPERCTL_MODELS": str(tmp_path / "none"), "TERM": "xterm", "COLUMNS": "200"}
    )
    for answer, models in ((b"n\n", ()), (b"\x04", ("-m", "turbo"))):
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            fake.command("transcribe", jfk, *models),
            stdin=terminal, stdout=subprocess.PIPE, stderr=terminal,
            cwd=fake.directory, env=env, start_new_session=True,
        )  # fmt: skip
        os.close(terminal)
        shown = os.read(controller, 65536).decode()
        name, size = ("large-v3-turbo", "1.5 GiB") if models else ("base", "141 MiB")
        assert shown == (
            f'whisperctl: model "{name}" is not installed: download it now ({size})? [Y/n] '
        )
        os.write(controller, answer)
        assert process.wait(timeout=60) == 1
        shown = os.read(controller, 65536).decode()
        os.close(controller)
        assert "whisperctl models pull" in shown
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.read() == b""


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("lint a.srt", '"lint" is a command of subtitles: run whisperctl subtitles lint a.srt'),
        ("trancribe a.wav", 'unknown command "trancribe": did you mean "transcribe"?'),
        ("models remove x", 'unknown command "remove": choose from list, pull, import, '),
    ],
)
def test_a_command_that_does_not_exist_is_answered_with_what_does(
    fake: Cli, line: str, problem: str
) -> None:
    assert_refused(fake.here(*line.split()), fake, 2, problem)


def test_a_recording_in_place_of_a_command_is_answered_with_the_whole_line(fake: Cli) -> None:
    done = fake.here("my talk.MP3", "-f", "srt")
    line = "whisperctl transcribe 'my talk.MP3' -f srt"
    assert_refused(done, fake, 2, f'"my talk.MP3" is not a command: run {line}')
    done = fake.here("-m", "base", "talk.mp3")
    assert_refused(done, fake, 2, "run whisperctl transcribe -m base talk.mp3")
    done = fake.here("https://me:pa55word@host/talk?token=5ecret", "-f", "srt")
    assert_refused(done, fake, 2, '"https://host/talk" is not a command: run whisperctl tr')


@pytest.mark.parametrize("command", ["transcribe", "compare"])
def test_no_recording_says_what_to_name(fake: Cli, command: str) -> None:
    assert_refused(fake.here(command), fake, 2, 'or "-" for standard input', f"{command} --help")


def test_two_recordings_for_one_output(fake: Cli, jfk: Path, model: Path) -> None:
    other = fake.directory / "jfk.mp3"
    done = fake.here("transcribe", jfk, other, "-m", model, "-f", "srt")
    assert_refused(done, fake, 2, str(jfk), "jfk.mp3", "jfk.srt")


def test_standard_input_twice(fake: Cli, model: Path) -> None:
    assert_refused(fake.here("transcribe", "-", "-", "-m", model), fake, 2, "standard input")


def test_an_unexpected_failure_is_one_line_with_a_way_to_more(
    fake: Cli, jfk: Path, model: Path, plugin: MakePlugin
) -> None:
    # A plugin that breaks its promise in a way nobody foresaw, chosen on purpose.
    env = plugin("acme", "class Acme:\n    name, contract = 'acme', 1\n")
    arguments = ("transcribe", jfk, "-b", "acme", "-m", model)
    done = fake.here(*arguments, env=env)
    assert_refused(done, fake, 1, "AttributeError", "WHISPERCTL_DEBUG=1")
    more = fake.here(*arguments, env=env | {"WHISPERCTL_DEBUG": "1"})
    assert more.code == 1
    assert "Traceback" in more.err
    assert more.err.splitlines()[-1] == done.err.strip()
