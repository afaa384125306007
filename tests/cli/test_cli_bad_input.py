"""Bad input: one line that names it, a non-zero exit, and nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Cli, Finished, MakePlugin


def assert_refused(done: Finished, cli: Cli, code: int, *named: str) -> None:
    """One line on standard error with all of ``named``, and no other trace."""
    assert done.code == code
    assert done.out == ""
    assert done.err.startswith("whisperctl: error: ")
    assert done.err.count("\n") == 1
    for name in named:
        assert name in done.err
    assert not [file for file in cli.directory.rglob("*") if file.suffix in (".txt", ".srt")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty.wav", b""),
        ("text.wav", b"This is a text, whatever its name says.\n" * 100),
        ("header only.wav", b"RIFF\x24\x00\x00\x00WAVEfmt "),
        ("noise.mp3", bytes(range(256)) * 40),
    ],
)
def test_a_file_that_is_no_recording(cli: Cli, tiny_en: Path, name: str, data: bytes) -> None:
    bad = cli.directory / name
    bad.write_bytes(data)
    done = cli("transcribe", bad, "-m", tiny_en, "-f", "txt,srt")
    assert_refused(done, cli, 1, f'"{bad}"')


def test_a_file_that_is_not_there(cli: Cli, tiny_en: Path) -> None:
    done = cli("transcribe", "no such file.wav", "-m", tiny_en, "-f", "srt")
    assert_refused(done, cli, 1, '"no such file.wav"')


def test_a_directory_instead_of_a_recording(cli: Cli, tiny_en: Path) -> None:
    assert_refused(cli("transcribe", "..", "-m", tiny_en, "-f", "srt"), cli, 1, '".."')


def test_an_audio_track_that_is_not_there(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    done = cli("transcribe", jfk, "-m", tiny_en, "-f", "srt", "--audio-track", "de")
    assert_refused(done, cli, 1, f'"{jfk}"', 'no audio track "de"', "it has only 1")
    done = cli("compare", jfk, "-m", tiny_en, "--audio-track", "0")
    assert_refused(done, cli, 2, 'audio track "0"', "give a number from 1, or a language")


def test_a_last_clip_after_the_end(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    done = cli("transcribe", jfk, "-m", tiny_en, "-f", "srt", "--clip", "0-1,11.5-12")
    assert_refused(done, cli, 1, f'"{jfk}"', "clip from 11.5 s", "11.0 s long")


def test_empty_standard_input(cli: Cli, tiny_en: Path) -> None:
    assert_refused(cli("transcribe", "-", "-m", tiny_en), cli, 1, "standard input")


def test_a_wav_cut_short_is_transcribed_as_far_as_it_goes(
    cli: Cli, jfk: Path, tiny_en: Path
) -> None:
    cut = cli.directory / "cut.wav"
    cut.write_bytes(jfk.read_bytes()[:160_000])
    done = cli("transcribe", cut, "-m", tiny_en, "--beam-size", "1")
    assert done.code == 0
    assert "fellow" in done.out
    assert done.err.count("\n") == 1
    assert str(cut) in done.err
    assert "11.0 s" in done.err


@pytest.mark.parametrize("damage", ["text", "empty", "truncated", "missing"])
def test_a_file_that_is_no_model(cli: Cli, jfk: Path, tiny_en: Path, damage: str) -> None:
    model = cli.directory / "ggml-bad.bin"
    if damage == "text":
        model.write_text("not a model " * 100)
    elif damage == "empty":
        model.touch()
    elif damage == "truncated":
        with tiny_en.open("rb") as file:
            model.write_bytes(file.read(1_000_000))
    done = cli("transcribe", jfk, "-m", model, "-f", "srt")
    assert_refused(done, cli, 1, str(model))


def test_a_mistyped_model(cli: Cli, jfk: Path) -> None:
    assert_refused(cli("transcribe", jfk, "-m", "tinny"), cli, 1, '"tinny"', 'did you mean "tiny"?')


def test_an_output_directory_that_cannot_be_made(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    (cli.directory / "file").touch()
    done = cli("transcribe", jfk, "-m", tiny_en, "-f", "srt", "-o", "file/within")
    assert_refused(done, cli, 1, '"file/within/jfk.srt"', '"file" is not a directory')


def test_an_output_that_is_a_directory(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    (cli.directory / "jfk.json").mkdir()
    done = cli("transcribe", jfk, "-m", tiny_en, "-f", "json")
    assert_refused(done, cli, 1, '"jfk.json"', "is a directory")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("-b", "natve"), 'did you mean "native"?'),
        (("-b", "wasi/wasmtim"), 'did you mean "wasmtime"?'),
        (("-b", "wasi", "--runtime", "wasmr"), 'did you mean "wasmer"?'),
        (("--runtime", "wasmtme"), 'did you mean "wasmtime"?'),
        (("-b", "wasi/wasmer", "--runtime", "wasmtime"), "contradict"),
        (("--language", "gremlin"), '"gremlin"'),
        (("--language", "de"), "English only"),
        (("--task", "translate"), "English only"),
        (("--task", "sing"), "'sing'"),
        (("--threads", "0"), "threads"),
        (("--beam-size", "9"), "beam size"),
        (("--beam-size", "many"), "'--beam-size': Input should be a valid integer"),
        (("--temperature", "1.5"), "temperature"),
        (("--entropy-threshold", "nan"), "entropy threshold"),
        (("--output-format", "srtt"), 'did you mean "srt"?'),
        (("--output-dir", "there"), "--output-format"),
        (("--no-such-option",), "--no-such-option"),
    ],
)
def test_a_wrong_option_is_a_misuse(
    cli: Cli, jfk: Path, tiny_en: Path, arguments: tuple[str, ...], named: str
) -> None:
    assert_refused(cli("transcribe", jfk, "-m", tiny_en, *arguments), cli, 2, named)
    assert list(cli.directory.iterdir()) == []


@pytest.mark.parametrize("command", ["transcribe", "compare"])
def test_no_recording_says_what_to_name(cli: Cli, command: str) -> None:
    assert_refused(cli(command), cli, 2, 'or "-" for standard input', f"{command} --help")


def test_two_recordings_for_one_output(cli: Cli, jfk: Path, tiny_en: Path) -> None:
    other = cli.directory / "jfk.mp3"
    done = cli("transcribe", jfk, other, "-m", tiny_en, "-f", "srt")
    assert_refused(done, cli, 2, str(jfk), "jfk.mp3", "jfk.srt")


def test_standard_input_twice(cli: Cli, tiny_en: Path) -> None:
    assert_refused(cli("transcribe", "-", "-", "-m", tiny_en), cli, 2, "standard input")


def test_an_unknown_command(cli: Cli) -> None:
    assert_refused(cli("transcrib"), cli, 2, "'transcrib'")


def test_an_unexpected_failure_is_one_line_with_a_way_to_more(
    cli: Cli, jfk: Path, tiny_en: Path, plugin: MakePlugin
) -> None:
    # A plugin that breaks its promise in a way nobody foresaw, chosen on purpose.
    env = plugin("acme", "class Acme:\n    name = 'acme'\n")
    arguments = ("transcribe", jfk, "-b", "acme", "-m", tiny_en)
    done = cli(*arguments, env=env)
    assert_refused(done, cli, 1, "AttributeError", "WHISPERCTL_DEBUG=1")
    more = cli(*arguments, env=env | {"WHISPERCTL_DEBUG": "1"})
    assert more.code == 1
    assert "Traceback" in more.err
    assert more.err.splitlines()[-1] == done.err.strip()
