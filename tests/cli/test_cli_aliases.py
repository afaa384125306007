"""The spellings of OpenAI's whisper and of whisper-cli, in a table and on the command line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

from whisperctl.cli.app import app
from whisperctl.cli.support import help_text
from whisperctl.cli.support.aliases import ALIASES, REFUSED, Alias, rewrite
from whisperctl.cli.support.command import TranscribeCommand
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
        (
            "--temperature_increment_on_fallback None a.wav",
            "--temperature_increment_on_fallback 0 a.wav",
        ),
        (
            "--temperature-increment-on-fallback None",
            "--temperature-increment-on-fallback 0",
        ),
        (
            "--temperature_increment_on_fallback=None",
            "--temperature-increment-on-fallback=0",
        ),
        ("--temperature-increment-on-fallback=0.4", "--temperature-increment-on-fallback=0.4"),
        ("--temperature_increment_on_fallback 0.4", "--temperature_increment_on_fallback 0.4"),
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
        with pytest.raises(UsageError, match="pass recordings without -f"):
            rewritten(command, line + ".wav")
        return
    assert rewritten(command, line) == ours


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("--device cuda", "remove --device"),
        ("--fp16 True", "the model's file"),
        ("-p 4", "--threads"),
        ("-d 5s", "whole milliseconds"),
        ("-f talk.wav", "pass recordings without -f"),
        ("--suppress_tokens 50,51", "--suppress-regex"),
        ("-bs", "-bs requires an argument"),
        ("-osrt=1", "does not take a value"),
        ("--vad=perhaps", 'True or False, not "perhaps"'),
        ("--model_dir /models", "WHISPERCTL_MODELS"),
        ("--compute_type int8", "use a quantized --model such as base-q8_0"),
        ("--batched True", "use --batch-size"),
        ("--hotwords Ahab", "use --initial-prompt"),
    ],
)
def test_what_cannot_be_taken_over_is_one_clear_line(fake: Cli, line: str, named: str) -> None:
    done = fake.here("transcribe", *line.split())
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("whisperctl: error: ")
    assert done.err.count("\n") == 1
    assert named in done.err


def test_a_line_of_whisper_cli_and_one_of_whisper_do_the_same(
    fake: Cli, jfk: Path, model: Path
) -> None:
    plan = ("--dry-run",)
    ours = fake.here("transcribe", jfk, "-m", model, "-f", "srt", "-o", "there", *plan)
    theirs = fake.here("transcribe", "-m", model, "-bs", "5", "-osrt", "-o", "there", jfk, *plan)
    openai = fake.here(
        *("transcribe", jfk, "--model", model, "--beam_size", "5", "--fp16", "False"),
        *("--word_timestamps", "False", "--output_format", "srt", "--output_dir", "there", *plan),
    )
    assert ours.code == 0
    assert "there/jfk.srt" in ours.out
    assert ours == theirs == openai


def test_the_page_on_options_has_every_option_and_every_alias(command: TranscribeCommand) -> None:
    page = (ROOT / "docs" / "options.md").read_text("utf-8")
    rows = [line.split("|")[1:-1] for line in page.splitlines() if line.startswith("| ")]
    mapped = {row[0].strip(" `"): row[1:3] for row in rows if len(row) == 4}
    refused = [row[0] for row in rows if len(row) == 2]
    assert {f"--{help_text.long_name(option)}" for option in command.options()} <= set(mapped)
    spelled = {name.split(" ")[0] for cells in mapped.values() for name in spellings(*cells)}
    assert {name for alias in ALIASES for name in alias.names} <= {
        name.replace("_", "-") for name in spelled
    }
    assert {name for name in spellings(*refused) if name.startswith("-")} == set(REFUSED)
    for ours, cells in mapped.items():
        for spelling in spellings(*cells):
            assert_means(command, spelling, ours)


def spellings(*cells: str) -> list[str]:
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


def assert_means(command: TranscribeCommand, spelling: str, ours: str) -> None:
    """A spelling in the table is taken, and comes to the option it stands beside."""
    own = command.own()
    typed = spelling.split(" ")
    name = typed[0].replace("_", "-")
    alias = next((one for one in ALIASES if name in one.names), None)
    if alias is None:
        option = next(o for o in command.options() if name in (*o.opts, *o.secondary_opts))
        assert ours in option.opts
        return
    if alias.takes_value and len(typed) == 1:
        typed.append(sample(alias))
    result = rewrite(typed, own)
    if ours == "always so":
        assert result == []
    elif ours == "FILE":
        assert result == typed[1:]
    else:
        option = next(o for o in command.options() if ours in o.opts)
        assert result[0] in (*option.opts, *option.secondary_opts)
