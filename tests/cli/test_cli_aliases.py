"""The spellings of OpenAI's whisper and of whisper-cli, in a table and on the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

from whisperctl.cli import helping
from whisperctl.cli.aliases import ALIASES, REFUSED, Alias, rewrite
from whisperctl.cli.app import app
from whisperctl.cli.command import TranscribeCommand
from whisperctl.errors import UsageError

if TYPE_CHECKING:
    from tests.conftest import Cli

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def command() -> TranscribeCommand:
    found = typer.main.get_group(app).commands["transcribe"]
    assert isinstance(found, TranscribeCommand)
    return found


def rewritten(command: TranscribeCommand, line: str) -> str:
    return " ".join(rewrite(line.split(), command.own()))


def sample(alias: Alias) -> str:
    """A value that the alias takes."""
    special = {
        "--device": "CPU",
        "--fp16": "False",
        "--suppress-tokens": "-1",
        "--clip-timestamps": "0,10",
    }
    return special.get(alias.names[0], "1")


@pytest.mark.parametrize(
    ("alias", "name"), [(a, n) for a in ALIASES for n in a.names], ids=lambda x: str(x)[:20]
)
def test_every_alias_comes_to_options_of_ours(
    command: TranscribeCommand, alias: Alias, name: str
) -> None:
    line = [name, sample(alias)] if alias.takes_value else [name]
    result = rewrite([*line, "talk.wav"], command.own())
    own = {opt for option in command.options() for opt in (*option.opts, *option.secondary_opts)}
    assert name not in own
    assert name not in result
    assert result[-1] == "talk.wav"
    for argument in result:
        if argument.startswith("--"):
            assert argument in own
    with command.make_context("transcribe", result, resilient_parsing=True) as context:
        assert "talk.wav" in context.params["files"]


def test_no_name_stands_for_two_things(command: TranscribeCommand) -> None:
    names = [name for alias in ALIASES for name in alias.names] + list(REFUSED)
    assert len(names) == len(set(names))
    own = {opt for option in command.options() for opt in (*option.opts, *option.secondary_opts)}
    assert own.isdisjoint(names)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_ours_says_what_to_do(command: TranscribeCommand, name: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"{name} is not an option")):
        rewrite([name, "talk.wav"], command.own())
    own = {opt for option in command.options() for opt in (*option.opts, *option.secondary_opts)}
    hinted = re.findall(r"--[a-z-]+[a-z]", REFUSED[name])
    assert {hint for hint in hinted if hint not in own} <= {name}


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("-bs 3 -osrt -ovtt a.wav", "--beam-size 3 --output-format srt --output-format vtt a.wav"),
        ("-ot 1500 -d 60000", "--offset 1.500 --duration 60.000"),
        ("-ot 0 -d 0 -mc -1 -ml 0", ""),
        ("-ml 42 -sow", "--max-line-width 42 --max-line-count 1"),
        ("-tr -nf", "--task translate --temperature-increment-on-fallback 0"),
        ("--offset-t=250", "--offset 0.250"),
        ("--output_file=a{b}c", "--output a{{b}}c.{ext}"),
        ("--clip_timestamps 0,10.5,20", "--clip 0-10.5,20-"),
        ("--clip_timestamps 0", ""),
        ("--fp16 False --device cpu --verbose False", ""),
        ("--word_timestamps True a.wav", "--word-timestamps a.wav"),
        ("--word_timestamps=False a.wav", "--no-word-timestamps a.wav"),
        ("--condition_on_previous_text False", "--no-condition-on-previous-text"),
        ("--no-vad False", "--vad"),
        ("--highlight_words a.wav", "--highlight-words a.wav"),
        ("--vad_filter True", "--vad"),
        ("--vad_filter False", ""),
        ("--prompt -osrt -osrt", "--initial-prompt -osrt --output-format srt"),
        ("--initial_prompt -osrt", "--initial_prompt -osrt"),
        ("--model=-bs", "--model=-bs"),
        ("--file -x.wav --file -", "./-x.wav -"),
        ("-- -osrt --fp16", "-- -osrt --fp16"),
        ("-q True -q a.wav", "-q -q a.wav"),
        ("-f srt,vtt -f all -f ../x", "-f srt,vtt -f all -f ../x"),
        ("--nonsense -t4", "--nonsense -t4"),
    ],
)
def test_lines_of_other_tools(command: TranscribeCommand, line: str, ours: str) -> None:
    if line.endswith("../x"):
        with pytest.raises(UsageError, match="name recordings without -f"):
            rewritten(command, line + ".wav")
        return
    assert rewritten(command, line) == ours


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--device cuda", "leave --device out"),
        ("--fp16 True", "the model's file"),
        ("-p 4", "--threads"),
        ("-d 5s", "whole milliseconds"),
        ("-f talk.wav", "name recordings without -f"),
        ("--suppress_tokens 50,51", "--suppress-regex"),
        ("-bs", "-bs requires an argument"),
        ("-osrt=1", "does not take a value"),
        ("--vad=perhaps", '"perhaps" is neither'),
        ("--model_dir /models", "WHISPERCTL_MODELS"),
    ],
)
def test_what_cannot_be_taken_over_is_one_clear_line(cli: Cli, line: str, named: str) -> None:
    done = cli("transcribe", *line.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("whisperctl: error: ")
    assert done.err.count("\n") == 1
    assert named in done.err


def test_a_line_of_whisper_cli_and_one_of_whisper_do_the_same(
    cli: Cli, jfk: Path, tiny_en: Path
) -> None:
    ours = cli("transcribe", jfk, "-m", tiny_en, "--beam-size", "1", "-f", "srt", "-o", "ours")
    theirs = cli("transcribe", "-m", tiny_en, "-bs", "1", "-osrt", "--output_dir", "theirs", jfk)
    openai = cli(
        *("transcribe", jfk, "--model", tiny_en, "--beam_size", "1", "--fp16", "False"),
        *("--word_timestamps", "False", "--output_format", "srt", "--output_dir", "openai"),
    )
    assert ours.code == 0
    assert ours == theirs == openai
    texts = {(cli.directory / d / "jfk.srt").read_text() for d in ("ours", "theirs", "openai")}
    assert len(texts) == 1


def test_the_page_on_options_has_every_option_and_every_alias(command: TranscribeCommand) -> None:
    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    mapped = {row[1].strip(" `").split("`")[0].split(" ")[0]: row for row in rows if len(row) == 5}
    missing = {f"--{helping.long_name(o)}" for o in command.options()} - set(mapped)
    assert not missing
    spelled = {
        name.split(" ")[0].replace("_", "-")
        for row in mapped.values()
        for cell in row[2:4]
        for name in re.findall(r"`([^`]+)`", cell)
    }
    assert {name for alias in ALIASES for name in alias.names} <= spelled
    refused = {
        name.split(" ")[0].replace("_", "-")
        for row in rows
        if len(row) == 4
        for name in re.findall(r"`(-[^`]+)`", row[1])
    }
    assert refused == set(REFUSED)
    for name, row in mapped.items():
        for cell in row[2:4]:
            for spelling in re.findall(r"`([^`]+)`", cell):
                assert_means(command, spelling, name)


def assert_means(command: TranscribeCommand, spelling: str, ours: str) -> None:
    """A spelling in the table is taken, and comes to the option it stands beside."""
    typed = spelling.split(" ")
    own = command.own()
    alias = next((a for a in ALIASES if typed[0].replace("_", "-") in a.names), None)
    if alias is not None:
        result = rewrite(typed if len(typed) > 1 else [*typed, sample(alias)], own)
        assert ours in result or not alias.ours or ours == "FILE"
        return
    name = typed[0].replace("_", "-")
    option = next(o for o in command.options() if name in (*o.opts, *o.secondary_opts))
    assert ours in option.opts
