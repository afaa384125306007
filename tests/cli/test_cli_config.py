"""The configuration file, the variables, and what comes before what."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

from whisperctl.cli.app import app
from whisperctl.cli.support import configuration
from whisperctl.cli.support.command import configured, keys
from whisperctl.errors import ModelError, UsageError
from whisperctl.models import store

if TYPE_CHECKING:
    from tests.conftest import Cli

KEYS = keys(typer.main.get_group(app))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "my config.toml"
    monkeypatch.setenv("WHISPERCTL_CONFIG", str(path))
    return path


def values(command: str) -> dict[str, object]:
    return {
        name: setting.value
        for name, setting in configuration.load(lambda: KEYS).get(command, {}).items()
    }


def test_keys_are_read_for_the_commands_that_have_them(file: Path) -> None:
    file.write_text(
        '\ufeffmodel = "base"\nbeam_size = 2\ntemperature = 1\nvad = false\r\noffset = "1:30"\n'
        'backend = "wasi"\n'
        '[transcribe]\nbeam-size = 3\noutput-format = "srt"\nlog-file = "~/log"\n'
        'clip = ["1-2", "3-4"]\ntask = "translate"\n'
        '[compare]\nbackend = ["native", "wasi/wasmer"]\njson = true\n',
        encoding="utf-8",
    )
    assert values("transcribe") == {
        **{"model": "base", "beam_size": 3, "temperature": 1.0, "vad": False, "offset": "1:30"},
        **{"backend": "wasi", "output_format": ["srt"], "clip": ["1-2", "3-4"]},
        **{"log_file": str(Path.home() / "log"), "task": "translate"},
    }
    assert values("compare") == {
        **{"model": ["base"], "beam_size": 2, "temperature": 1.0},
        **{"backend": ["native", "wasi/wasmer"], "as_json": True},
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('\nlangage = "de"', r', line 2: unknown option "langage": did you mean "language"\?'),
        ("xyzzy = 1", r'line 1: unknown option "xyzzy": "whisperctl config show"'),
        ('threads = "2"', 'line 1: "threads" must be a whole number'),
        ("threads = true", "must be a whole number"),
        ("beam-size = 2.5", "must be a whole number"),
        ('temperature = "hot"', "must be a number"),
        ("vad = 1", "must be true or false"),
        ("model = 5", "must be a string in quotes"),
        ('task = "sing"', 'must be "transcribe" or "translate"'),
        ("output-format = [1.5]", "or a list of them"),
        (
            'model = "a"\n\n[transcribe]\nmodle = "b"',
            r'line 4: unknown option "modle": did you mean "model"',
        ),
        ('[transcribe]\n"offset" = 3', "line 2: .*must be a string in quotes"),
        ("[transcrib]\nvad = true", r"line 1: unknown table .transcrib.: did you mean"),
        ("json = true", r'line 1: "json" belongs under \[compare\]'),
        ("transcribe = 3", r'"transcribe" must be a table: write \[transcribe\]'),
        ("[[transcribe]]\nvad = true", r"must be a table"),
        ("threads =", r"not valid TOML: .*line 1"),
        ("vad = true\nvad = false", r"not valid TOML: .*line 2"),
        (f"a = {'[' * 20000}", 'my config.toml" is nested too deeply'),
        ("# no end\n" * 10000, 'my config.toml" is larger than 64 KiB'),
        (f"temperature = {'9' * 400}", r'line 1: "temperature" must be a number'),
        (f"temperature = {'9' * 5000}", "has a number that is too long"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(UsageError, match=message) as caught:
        configuration.load(lambda: KEYS)
    assert str(caught.value).startswith(f'"{file}"')


def test_the_home_of_nobody_is_a_name_like_any_other(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text('output-dir = "~nobody-has-this-name/x"')
    assert values("transcribe")["output_dir"] == "~nobody-has-this-name/x"
    with pytest.raises(ModelError, match=r'"~nobody-has-this-name/x\.bin" does not exist'):
        store.resolve("~nobody-has-this-name/x.bin")
    monkeypatch.setenv("WHISPERCTL_CONFIG", "~nobody-has-this-name/config.toml")
    with pytest.raises(UsageError, match="which does not exist"):
        configuration.load(lambda: KEYS)


def test_files_that_cannot_be_read(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"WHISPERCTL_CONFIG names .* which does not exist"):
        configuration.load(lambda: KEYS)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not UTF-8 text"):
        configuration.load(lambda: KEYS)
    monkeypatch.setenv("WHISPERCTL_CONFIG", str(file.parent))
    with pytest.raises(UsageError, match="Is a directory"):
        configuration.load(lambda: KEYS)
    monkeypatch.delenv("WHISPERCTL_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(file.parent / "none"))
    assert values("transcribe") == {}  # none in the usual place is no mistake


def test_a_plugins_table_sets_its_variables_unless_they_are_set(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WASI_LIMITS", "FASTER_WHISPER_X", "FFMPEG_Y", "WASI_VARIANT"):
        monkeypatch.setenv(f"WHISPERCTL_{name}", "typed")
    for name in ("WASI_LIMITS", "FASTER_WHISPER_X", "FFMPEG_Y"):
        monkeypatch.delenv(f"WHISPERCTL_{name}")
    file.write_text(
        '[wasi]\nlimits = "idle=1"\nvariant = "a"\n[faster-whisper]\nx = "b"\n[ffmpeg]\ny = "c"'
    )
    configuration.load(lambda: KEYS)
    assert os.environ["WHISPERCTL_WASI_LIMITS"] == "idle=1"
    assert os.environ["WHISPERCTL_FASTER_WHISPER_X"] == "b"
    assert os.environ["WHISPERCTL_FFMPEG_Y"] == "c"
    assert os.environ["WHISPERCTL_WASI_VARIANT"] == "typed"
    file.write_text("[wasi]\n\nlimits = 5")
    with pytest.raises(UsageError, match='line 3: "limits" must be a string in quotes'):
        configuration.load(lambda: KEYS)


def test_no_option_has_the_name_of_another_variable() -> None:
    variables = {key.variable for command in KEYS.values() for key in command.values()}
    assert variables.isdisjoint(configuration.OTHER_VARIABLES)
    for command in configured(typer.main.get_group(app)).values():
        assert {option.name for option in command.options()} == {
            key.parameter for key in command.keys.values()
        }


def shown(fake: Cli, **env: str) -> dict[str, str]:
    """Lines of ``config show`` by their keys."""
    done = fake.here("config", "show", env=env)
    assert (done.code, done.err) == (0, "")
    lines = [line.removeprefix("# ") for line in done.out.splitlines() if " = " in line]
    return {line.partition(" = ")[0]: line.partition(" = ")[2] for line in lines}


def test_the_command_line_comes_before_the_environment_before_the_file(
    fake: Cli, jfk: Path, model: Path
) -> None:
    file = fake.directory / "c.toml"
    file.write_text('language = "gremlin"\nthreads = 0\n')
    env = {"WHISPERCTL_CONFIG": str(file), "WHISPERCTL_MODEL": str(model)}
    done = fake.here("transcribe", jfk, env=env)
    assert done.code == 2
    assert done.err == (
        f'whisperctl: error: threads must be 1 or more, not 0 (threads is set in "{file}")\n'
    )
    env["WHISPERCTL_THREADS"] = "-1"
    done = fake.here("transcribe", jfk, env=env)
    assert "not -1 (set by the environment variable WHISPERCTL_THREADS)" in done.err
    done = fake.here("transcribe", jfk, "--threads", "-2", env=env)
    assert done.err == "whisperctl: error: threads must be 1 or more, not -2\n"
    done = fake.here("transcribe", jfk, "--threads", "1", env=env)
    assert '"gremlin"' in done.err and f'(language is set in "{file}")' in done.err
    env["WHISPERCTL_LANGUAGE"] = ""  # no variable at all
    assert fake.here("transcribe", jfk, "--threads", "1", env=env) == done


def test_a_run_is_done_as_configured(fake: Cli, jfk: Path, model: Path) -> None:
    (fake.directory / "c.toml").write_text(
        '[transcribe]\noutput-format = ["srt"]\noutput-dir = "~/from file"\nbeam-size = 1\n'
    )
    env = {"WHISPERCTL_CONFIG": "c.toml", "WHISPERCTL_OUTPUT_FORMAT": "txt vtt"}
    done = fake.here("transcribe", jfk, "-m", model, "--dry-run", env=env)
    assert done.code == 0
    assert f"{Path.home()}/from file/jfk.txt" in done.out
    assert f"{Path.home()}/from file/jfk.vtt" in done.out
    assert "srt" not in done.out


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("BEAM_SIZE", "many", "beam size must be a whole number"),
        ("VAD", "perhaps", "vad must be true or false"),
        ("TASK", "sing", 'task must be "transcribe" or "translate"'),
    ],
)
def test_a_wrong_variable_is_named(fake: Cli, name: str, value: str, wanted: str) -> None:
    done = fake.here("transcribe", "a.wav", env={f"WHISPERCTL_{name}": value})
    assert (done.code, done.err) == (
        2,
        f'whisperctl: error: {wanted}, not "{value}" (set by the environment variable '
        f"WHISPERCTL_{name})\n",
    )


@pytest.mark.parametrize(
    ("value", "said"), [("1", True), ("YES", True), ("on", True), ("0", False), ("false", False)]
)
def test_a_variable_says_yes_or_no(fake: Cli, value: str, said: bool) -> None:
    done = fake.here("config", "show", env={"WHISPERCTL_RECURSIVE": value})
    assert f"recursive = {str(said).lower()}  # environment" in done.out


def test_show_says_where_each_value_is_from(fake: Cli) -> None:
    (fake.directory / "c.toml").write_text(
        'threads = 2\nmodel = "a \\"b\\" \\\\ \\u0001"\n[compare]\nbackend = "native"\n'
    )
    lines = shown(fake, WHISPERCTL_CONFIG="c.toml", WHISPERCTL_VAD="1", WHISPERCTL_THREADS="3")
    assert lines["threads"] == "3  # environment: WHISPERCTL_THREADS"
    assert lines["vad"] == "true  # environment: WHISPERCTL_VAD"
    assert lines["model"] == '"a \\"b\\" \\\\ \\u0001"  # file: line 2'
    assert lines["beam-size"] == "5  # default"
    assert lines["clip"] == "...  # default"
    assert lines["backend"] == '["native"]  # file: line 4'
    assert set(lines) == set(KEYS["transcribe"])


def test_what_is_shown_is_a_configuration(fake: Cli) -> None:
    first = fake.here(
        "config", "show", env={"WHISPERCTL_CLIP": "1-2 3-4", "WHISPERCTL_MAX_CPS": "17"}
    )
    assert tomllib.loads(first.out)["clip"] == ["1-2", "3-4"]
    (fake.directory / "c.toml").write_text(first.out)
    lines = shown(fake, WHISPERCTL_CONFIG="c.toml")
    assert lines["clip"].startswith('["1-2", "3-4"]  # file: line ')
    assert lines["max-cps"].startswith("17.0  # file: line ")


def test_a_mistyped_variable_is_pointed_out(fake: Cli) -> None:
    done = fake.here("config", "show", env={"WHISPERCTL_MODLE": "base", "WHISPERCTL_DEBUG": "1"})
    assert done.err == (
        'whisperctl: warning: unknown environment variable "WHISPERCTL_MODLE": '
        'did you mean "WHISPERCTL_MODEL"?\n'
    )


def test_help_and_path_work_whatever_the_file_says(fake: Cli) -> None:
    (fake.directory / "c.toml").write_text("broken")
    env = {"WHISPERCTL_CONFIG": "c.toml"}
    assert fake.here("config", "path", env=env).out == "c.toml\n"
    assert fake.here("transcribe", "--help", env=env).code == 0
    done = fake.here("transcribe", "a.wav", env=env)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert '"c.toml" is not valid TOML' in done.err


def test_what_is_typed_comes_before_a_configured_opposite(
    fake: Cli, jfk: Path, model: Path
) -> None:
    (fake.directory / "c.toml").write_text(
        'verbose = true\nclip = "1-2"\ninitial-prompt-file = "none.txt"\n'
    )
    env = {"WHISPERCTL_CONFIG": "c.toml"}
    arguments = ("transcribe", jfk, "-m", model, "--dry-run", "--initial-prompt", "Names")
    typed = fake.here(*arguments, "-q", "--offset", "3", env=env)
    assert (typed.code, typed.err) == (0, "")
    both = fake.here(*arguments, "-q", "--offset", "3", "--clip", "4-5", env=env)
    assert (both.code, both.err.count("\n")) == (2, 1)
    assert "not both" in both.err
    variable = fake.here(*arguments, env={**env, "WHISPERCTL_OFFSET": "3", "WHISPERCTL_QUIET": "1"})
    assert (variable.code, variable.err) == (0, "")
    numbers = fake.here(*arguments, "--no-vad", env={"WHISPERCTL_VAD_SPEECH_PAD_MS": "0"})
    assert (numbers.code, numbers.err) == (0, "")


def test_what_is_configured_may_have_no_effect(fake: Cli, jfk: Path, model: Path) -> None:
    env = {"WHISPERCTL_SKIP_EXISTING": "1", "WHISPERCTL_NULL": "1"}
    done = fake.here("transcribe", jfk, "-m", model, "--dry-run", env=env)
    assert (done.code, done.err) == (0, "")
