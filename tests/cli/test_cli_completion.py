"""Completing command lines: the protocol of each shell, and real shells."""

from __future__ import annotations

import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whisperctl.formats import FORMATS
from whisperctl.models import catalog

if TYPE_CHECKING:
    from tests.conftest import Cli, MakePlugin


@pytest.fixture
def models(tmp_path: Path) -> dict[str, str]:
    """An environment in which two models are here."""
    directory = tmp_path / "models"
    directory.mkdir()
    for name in ("tiny.en", "my-own"):
        (directory / f"ggml-{name}.bin").touch()
    (directory / "ggml-hearing.bin").write_bytes(
        struct.pack("<II10s", 0x67676D6C, 10, b"silero-16k")
    )
    return {"WHISPERCTL_MODELS": str(directory)}


def completed(cli: Cli, line: str, env: dict[str, str] | None = None) -> list[str]:
    """What may stand where ``line`` ends."""
    words = line.split(" ")
    done = cli.here(
        env={
            "_WHISPERCTL_COMPLETE": "complete_bash",
            "COMP_WORDS": "\n".join(words),
            "COMP_CWORD": str(len(words) - 1),
            **(env or {}),
        }
    )
    assert done.err == ""
    return done.out.split()


def test_models_that_are_here_come_before_those_to_be_pulled(
    cli: Cli, models: dict[str, str]
) -> None:
    every = completed(cli, "whisperctl transcribe talk.wav --model ", models)
    assert every[:2] == ["tiny.en", "my-own"]
    assert set(every) == {*catalog.MODELS, "my-own"}
    vad = completed(cli, "whisperctl transcribe talk.wav --vad-model ", models)
    assert vad == ["hearing", *catalog.DETECTORS]
    assert completed(cli, "whisperctl transcribe -m m", models)[0] == "my-own"
    assert completed(cli, "whisperctl models rm ", models) == [*("tiny.en", "hearing", "my-own")]
    assert "large-v3" in completed(cli, "whisperctl models pull l", models)


def test_models_are_completed_where_their_folder_cannot_be_read(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    env = {"WHISPERCTL_MODELS": str(tmp_path / "file" / "within")}
    assert "base" in completed(cli, "whisperctl transcribe -m b", env)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("whisperctl tr", ["transcribe"]),
        ("whisperctl config ", ["path", "show"]),
        ("whisperctl transcribe --max-line-w", ["--max-line-width"]),
        ("whisperctl transcribe -b w", ["wasi"]),
        ("whisperctl transcribe -b wasi/w", ["wasi/wasmer", "wasi/wasmtime"]),
        ("whisperctl compare -b na", ["native"]),
        ("whisperctl transcribe --runtime wasmt", ["wasmtime"]),
        ("whisperctl transcribe -osrt -bs 1 -l ger", ["german"]),
        ("whisperctl transcribe --language d", ["de", "da"]),
        ("whisperctl transcribe --task tr", ["transcribe", "translate"]),
        ("whisperctl transcribe -f srt,s", []),
        ("whisperctl transcribe -f srt,vt", ["srt,vtt"]),
        ("whisperctl models quantize tiny.en q8", ["q8_0"]),
        ("whisperctl compare --quant f16,q8", ["f16,q8_0"]),
        ("whisperctl compare -b native,wasi/wasmt", ["native,wasi/wasmtime"]),
        ("whisperctl compare --fail-if wer", ["wer"]),
        ("whisperctl compare --format h", ["html"]),
        ("whisperctl compare --baseline na", ["native"]),
        ("whisperctl subtitles convert --to v", ["vtt"]),
        ("whisperctl subtitles lint --format j", ["json"]),
        ("whisperctl tune -b na", ["native"]),
        ("whisperctl completion z", ["zsh"]),
        ("whisperctl transcribe tal", []),  # the shell's own names of files
        ("whisperctl transcribe --no-such thing", []),
        ("whisperctl transcribe --fp16 True --mod", ["--model"]),
        ("whisperctl nonsense x", []),
        ('whisperctl transcribe "an open quote', []),
    ],
)
def test_what_may_come_next(cli: Cli, line: str, expected: list[str]) -> None:
    assert completed(cli, line) == expected


def test_formats_are_all_there(cli: Cli) -> None:
    assert set(completed(cli, "whisperctl transcribe -f ")) == {*FORMATS, "all"}


def test_decoders_are_completed(cli: Cli) -> None:
    assert completed(cli, "whisperctl transcribe --decoder s", {}) == ["sandbox", "soundfile"]
    assert completed(cli, "whisperctl probe --decoder a", {}) == ["auto"]


def test_a_broken_configuration_and_a_broken_plugin_do_not_show(
    cli: Cli, plugin: MakePlugin, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text("broken")
    env = plugin("acme", "raise OSError('libacme.so')\n")
    env["WHISPERCTL_CONFIG"] = str(tmp_path / "c.toml")
    assert completed(cli, "whisperctl transcribe -b a", env) == ["acme"]


def test_zsh_and_fish_are_answered_in_their_forms(cli: Cli, models: dict[str, str]) -> None:
    asked = {"_TYPER_COMPLETE_ARGS": "whisperctl transcribe --model my", **models}
    done = cli.here(env={"_WHISPERCTL_COMPLETE": "complete_zsh", **asked})
    assert (done.code, done.err) == (0, "")
    assert done.out == '_arguments \'*: :(("my-own":"installed"))\'\n'
    fish = {"_WHISPERCTL_COMPLETE": "complete_fish", **asked}
    done = cli.here(env={"_TYPER_COMPLETE_FISH_ACTION": "get-args", **fish})
    assert (done.code, done.out, done.err) == (0, "my-own\tinstalled\n", "")
    done = cli.here(env={"_TYPER_COMPLETE_FISH_ACTION": "is-args", **fish})
    assert (done.code, done.out, done.err) == (0, "", "")
    asked["_TYPER_COMPLETE_ARGS"] = "whisperctl transcribe talk"
    done = cli.here(env={"_TYPER_COMPLETE_FISH_ACTION": "is-args", **fish, **asked})
    assert (done.code, done.out, done.err) == (1, "", "")


@pytest.mark.parametrize("asked", ["nonsense", "complete_bash", "complete_tcsh", "complete_zsh"])
def test_a_question_that_makes_no_sense_is_not_answered_aloud(cli: Cli, asked: str) -> None:
    done = cli.here(env={"_WHISPERCTL_COMPLETE": asked})
    assert done.err == ""
    assert "Traceback" not in done.out


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(cli: Cli, shell: str) -> None:
    done = cli.here("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_WHISPERCTL_COMPLETE=complete_{shell}" in done.out


def test_another_shell_is_a_misuse(cli: Cli) -> None:
    done = cli.here("completion", "tcsh")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert 'shell must be "bash" or "zsh" or "fish", not "tcsh"' in done.err


@pytest.fixture
def shell(cli: Cli, models: dict[str, str]) -> dict[str, str]:
    """An environment for shells that find the command by its name."""
    program = cli.directory / "whisperctl"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m whisperctl "$@"\n')
    program.chmod(0o755)
    environment = cli.environment(models)
    environment["PATH"] = f"{cli.directory}{os.pathsep}{environment['PATH']}"
    return {**environment, "TERM": "dumb", "PS1": "$ "}


def said(environment: dict[str, str], *command: str) -> list[str]:
    """What a shell prints, line by line."""
    done = subprocess.run(
        command, capture_output=True, text=True, env=environment, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@pytest.mark.slow
@needs("bash")
def test_a_real_bash_completes(shell: dict[str, str]) -> None:
    script = """
        eval "$(whisperctl completion bash)"
        complete -p whisperctl
        ask() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            _whisperctl_completion whisperctl
            echo "${#COMPREPLY[@]} ${COMPREPLY[0]}"
        }
        ask whisperctl transcribe '"a talk.wav"' --model my
        ask whisperctl transcribe --model = my
        ask whisperctl transcribe --model =
        ask whisperctl transcribe -f srt,vt
        ask whisperctl transcribe tal
    """
    answers = said(shell, "bash", "--norc", "-c", script)
    assert answers[0] == "complete -o default -F _whisperctl_completion whisperctl"
    every = f"{len(catalog.MODELS) + 1} tiny.en"
    assert answers[1:] == ["1 my-own", "1 my-own", every, "1 srt,vtt", "0 "]


@pytest.mark.slow
@needs("fish")
def test_a_real_fish_completes(shell: dict[str, str]) -> None:
    script = """
        whisperctl completion fish | source
        complete -C "whisperctl transcribe --model=my"
        complete -C "whisperctl transcribe -f srt,vt"
    """
    assert said(shell, "fish", "--no-config", "-c", script) == [
        "--model=my-own\tinstalled",
        "srt,vtt\tformat",
    ]


@pytest.mark.slow
@needs("zsh")
def test_a_real_zsh_completes(cli: Cli, shell: dict[str, str]) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        ["zsh", "-f", "-i"],
        stdin=terminal, stdout=terminal, stderr=terminal,
        cwd=cli.directory, env=shell, start_new_session=True,
    )  # fmt: skip
    cli.started.append(process)
    os.close(terminal)
    load = "autoload -U compinit && compinit -u -D"
    teach = f"{load}; eval \"$(whisperctl completion zsh)\"; echo r''y"
    for typed, shown in (
        (f"{teach}\n", "\nry"),
        ("whisperctl transcribe --model=my\t", "--model=my-own "),
        ("-f srt,vt\t", "-f srt,vtt "),
    ):
        os.write(controller, typed.encode())
        seen = ""
        deadline = time.monotonic() + 30
        while shown not in seen:
            assert time.monotonic() < deadline, seen
            if select.select([controller], [], [], 0.1)[0]:
                seen += os.read(controller, 65536).decode(errors="replace")
    process.kill()
    process.wait()
    os.close(controller)


def test_completing_loads_nothing_heavy_and_is_quick(cli: Cli, models: dict[str, str]) -> None:
    heavy = ("numpy", "rich", "av", "huggingface_hub", "whisperctl_native", "whisperctl_wasi")
    script = (
        "import sys; from whisperctl.cli import main; sys.argv = ['whisperctl']; main(); "
        f"print(*(m for m in {heavy!r} if m in sys.modules), file=sys.stderr)"
    )
    asked = {
        "_WHISPERCTL_COMPLETE": "complete_bash",
        "COMP_WORDS": "whisperctl\ntranscribe\n-m\nt",
        "COMP_CWORD": "3",
    }
    before_s = os.times().children_user
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True, text=True, env=cli.environment({**models, **asked}), check=True,
    )  # fmt: skip
    assert "tiny.en" in done.stdout
    assert done.stderr.strip() == ""
    # Of processor time, as others may be using this machine.
    assert os.times().children_user - before_s < 1
