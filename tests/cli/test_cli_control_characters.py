"""Names and texts that attack a terminal, through every command, format and report."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from tests.cli.test_cli_streams import read_terminal
from whisperctl import cli as cli_package
from whisperctl.engine import registry
from whisperctl.testing.fake import write_model

if TYPE_CHECKING:
    from tests.conftest import Cli, Finished, MakePlugin

LINK = "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\"
NAMES = (
    "new\nline.wav",
    "carriage\rreturn\ttab.wav",
    "colour\x1b[31m.wav",
    f"link{LINK.replace('/', '_')}.wav",
    "title\x1b]0;owned\x07.wav",
    "c1\x9b31m\x85\x7f.wav",
    "separators\u2028\u2029.wav",
    "turned\u202egpj\u2066\u200e\u200b\ufeff\U000e0041.wav",
    "[red]markup[bold]:smile:[_].wav",
    "{stem} %s %(x)d {0} $(id) `id`.wav",
    "-dash.wav",
    "*?[a].wav",
    os.fsdecode(b"caf\xe9 \xff.wav"),
)
TEXT = f" It\x00 said\x1b[31m [red]{LINK}\x07\x9b2J \u202eold\u202c =1+1 \x7f and\r\u2028went.\x85"

# Somebody else's backend, whose texts are as bad as they can be.
ACME = f"""
import json, logging, os
from whisperctl.engine.protocol import BackendInfo, Closing, RuntimeInfo, SessionResult
from whisperctl.errors import BackendError
from whisperctl.transcript import Segment, Token
from whisperctl.engine.toolkit.words import Utf8Joiner

TEXT = {TEXT!r}
LINK = {LINK!r}

class Session(Closing):
    def close(self):
        pass

    def transcribe(self, audio, options, *, on_segment=None, **callbacks):
        logging.getLogger("whisperctl.engine").debug("%s", LINK + "\\n2026-01-01 fake")
        if os.environ.get("ACME") == "error":
            raise BackendError(f"it said{{LINK}}\\n\\x9b2J")
        if os.environ.get("ACME") == "crash":
            raise RuntimeError(f"it said{{LINK}}\\n\\x9b2J")
        parts = [f" {{word}}" for word in TEXT.split(" ")[1:]]
        tokens = tuple(
            Token(i, part.encode(), 0.5, i / 50, (i + 1) / 50) for i, part in enumerate(parts)
        )
        # A character that the engine cut in two.
        cut = Token(99, b" caf\\xc3", 0.5, 0.3, 0.4), Token(99, b"\\xa9", 0.5, 0.4, 0.5)
        segments = (
            Segment(0.0, 0.3, TEXT, tokens),
            Segment(0.3, 0.4, " caf\\ufffd", cut[:1]),
            Segment(0.4, 0.5, "\\ufffd", cut[1:]),
        )
        segments = tuple(map(Utf8Joiner().add, segments))
        for segment in segments:
            if on_segment is not None:
                on_segment(segment)
        return SessionResult(segments, "en\\x1b", system_info=f"CPU{{LINK}}")

class Acme:
    name, contract, preference = "acme", 1, 0

    def describe(self):
        return BackendInfo("acme", f"9{{LINK}}", LINK, (RuntimeInfo("acme", "1\\x07"),))

    def system_info(self):
        return LINK

    def open(self, model, options):
        return Session()
"""
CSI = re.compile("\x1b\\[[0-9;?]*[A-Za-z]")
"""What steers a terminal's cursor and colours: all that bars and tables need."""


def harmful(text: str, *, prose: bool = False) -> list[str]:
    """The characters of a text that may not get to a terminal or into a file."""
    return [
        f"{c!r} in {text[max(0, i - 30) : i + 30]!r}"
        for i, c in enumerate(text.replace("\r\n", "\n"))
        if c not in "\n\t"
        and (
            unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")
            or c in "\u202d\u202e"
            or (not prose and unicodedata.category(c) == "Cf")
        )
    ]


def assert_harmless(written: Mapping[str, str]) -> None:
    for name, text in written.items():
        assert harmful(text, prose=True) == [], name


@dataclass(frozen=True)
class Scene:
    """A folder of recordings with bad names, and what finds the bad backend."""

    cli: Cli
    env: dict[str, str]
    model: Path

    def run(
        self,
        *arguments: str | Path,
        env: dict[str, str] | None = None,
        stdin: bytes = b"",
        separately: bool = False,
    ) -> Finished:
        run = self.cli if separately else self.cli.here
        done = run(*arguments, env=self.env | (env or {}), stdin=stdin)
        assert harmful(done.err) == []
        assert harmful(done.out, prose=True) == []
        assert "Traceback" not in done.err
        return done

    def terminal(self, *arguments: str | Path) -> str:
        """What is shown where standard output and standard error are a terminal."""
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            self.cli.command(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            cwd=self.cli.directory,
            env=self.cli.environment(
                {"TERM": "xterm-256color", "COLUMNS": "200", "LINES": "50", **self.env}
            ),
        )
        self.cli.started.append(process)
        os.close(terminal)
        shown = read_terminal(controller, process)
        assert process.wait() == 0, shown
        return shown

    def files(self) -> dict[str, str]:
        """Everything that was written, by the path below the test's folder."""
        top = self.cli.directory.parent
        return {
            str(path.relative_to(top)): path.read_bytes().decode()
            for path in top.rglob("*")
            if path.is_file() and path.suffix not in (".wav", ".py", ".pyc")
        }


@pytest.fixture
def scene(cli: Cli, plugin: MakePlugin, model: Path) -> Scene:
    for name in NAMES:
        soundfile.write(cli.directory / "x.wav", np.zeros(8_000, np.float32), 16_000)
        (cli.directory / "x.wav").rename(cli.directory / name)
    return Scene(cli, plugin("acme", ACME), model)


@pytest.mark.slow
def test_transcribe_shows_and_writes_no_control_character(scene: Scene) -> None:
    arguments = ("transcribe", ".", "-m", scene.model, "-b", "acme", "--no-speech-check")
    every = (*arguments, "-f", "all", "-o", "out")
    done = scene.run(*every, "--word-timestamps", "-v", "--log-file", "log.txt")

    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert len(lines) == 3 * len(NAMES)
    assert lines[0].endswith(
        r"   It\x00 said\x1b[31m [red]\x1b]8;;https://evil.example\x1b\click\x1b]8;;\x1b\\x07"
        "\\u009b2J \\u202eold\u202c =1+1 \\x7f and  went."
    )
    assert [line.rpartition("]")[2] for line in lines[1:3]] == ["   caf", "  é"]
    written = scene.files()
    assert len([name for name in written if name.startswith("here/out/")]) == 9 * len(NAMES)
    assert_harmless(written)
    for name, text in written.items():
        if name.endswith("json"):
            text.encode("utf-8")
            json.loads(text)
    assert r"link\x1b]8;;" in written["here/log.txt"]

    assert "\n2026-01-01 fake" not in done.err + written["here/log.txt"]
    assert "2026-01-01 fake" in done.err and "2026-01-01 fake" in written["here/log.txt"]

    bare = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    planned = scene.run(*every, "--dry-run", "--prompt", "a\nb\x1b", env=bare, separately=True)
    assert len(planned.out.splitlines()) == 3 + len(NAMES)
    assert r"a\nb\x1b" in planned.out
    assert r'"caf\xe9 \xff.wav" -> "out/caf\xe9 \xff.txt"' in planned.out
    again = scene.run(*every, "--word-timestamps", "--resume")
    assert (
        again.err
        == f"whisperctl: {len(NAMES)} of {len(NAMES)} recordings were finished by an earlier run\n"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "jobs"), [("error", "1"), ("crash", "2")])
def test_what_an_engine_says_in_an_error_is_one_clean_line(
    scene: Scene, kind: str, jobs: str
) -> None:
    done = scene.run(
        *("transcribe", "-m", scene.model, "-b", "acme", "--no-speech-check", "-q", "-j", jobs),
        *NAMES[:4],
        env={"ACME": kind},
    )
    assert done.code == 1
    said = [line for line in done.err.splitlines() if r"it said\x1b]8;;" in line]
    assert len(said) == 2 * 4
    assert all(r"\x1b\ \u009b2J" in line for line in said)
    assert len(done.err.splitlines()) == 2 * 4 + 1


@pytest.mark.slow
def test_compare_shows_and_writes_no_control_character(scene: Scene) -> None:
    (scene.cli.directory / "said.tsv").write_bytes(
        b"audio\ttext\n-dash.wav\tIt said\x1b[31m \xe2\x80\xaeold\x07\n"
    )
    names = (NAMES[3], NAMES[8], NAMES[-3], NAMES[-1])
    measured = ("-m", scene.model, "-b", "acme", "--no-warm-up", "--word-timestamps")
    done = scene.run(
        *("compare", *measured, "--reference", "said.tsv", "-o", "r.json", "--", *names)
    )
    assert done.code == 0, done.err
    assert "café" in done.out
    assert done.out.count(NAMES[8]) > 1
    repeated = scene.run("compare", "--from", "r.json")
    assert (repeated.code, repeated.err.count("\n")) == (0, len(names))  # a line a run
    document = scene.cli.directory / "r.json"
    # A document may come from anywhere: what it holds is no cleaner than the names.
    raw = json.loads(document.read_text())
    for recording in raw["recordings"]:
        recording["label"] += f"{LINK}\u202e"
    for variant in raw["variants"]:
        variant["label"] += f"{LINK}\u202e"
    for cell in raw["cells"]:
        # At its first word: spans of words that are not those of the texts are refused.
        cell["text"] = "".join(TEXT.split()) + cell["text"].lstrip()
        cell["segments"][0]["text"] = TEXT
    document.with_name("bad.json").write_text(json.dumps(raw))
    reports = [part for ending in ("md", "csv", "html") for part in ("-o", f"r.{ending}")]
    shown = scene.run("compare", "--show", "bad.json", "-f", "table", *reports)
    assert shown.code == 0, shown.err
    written = scene.files()
    del written["here/said.tsv"]
    for text in (shown.out, *(written[f"here/r.{ending}"] for ending in ("md", "csv", "html"))):
        assert r"\x1b]8;;" in text.replace(r"\\", "\\")
    assert_harmless(written)


@pytest.mark.slow
def test_a_terminal_gets_nothing_but_colours_and_the_cursor(scene: Scene) -> None:
    engine = ("-m", scene.model, "-b", "acme")
    transcribed = scene.terminal("transcribe", ".", *engine, "--no-speech-check", "--print-colors")
    compared = scene.terminal("compare", *engine, "--no-warm-up", "--", *NAMES[:2])
    for shown in (transcribed, compared):
        assert harmful(CSI.sub("", shown).replace("\r", ""), prose=True) == []
        assert "\x1b[2J" not in shown
        assert r"\x1b]8;;" in shown
        assert "[red]" in CSI.sub("", shown)
    assert "\x1b[38;5;" in transcribed


def test_subtitles_show_and_write_no_control_character(scene: Scene) -> None:
    cue = f"1\n00:00:01,000 --> 00:00:01,000\n{TEXT}\n\n"
    name = f"{NAMES[2]}.srt"
    (scene.cli.directory / name).write_bytes(cue.replace("\0", "").encode())
    for form in ("text", "json"):
        linted = scene.run("subtitles", "lint", "--format", form, "--", name)
        assert linted.code == 1
        assert harmful(linted.out) == []
    assert json.loads(linted.out)[0]["file"] == name
    for ending in ("csv", "full.json"):
        done = scene.run("subtitles", "convert", "--", name, f"{NAMES[0]}.{ending}")
        assert (done.code, done.err) == (0, "")
    printed = scene.run("subtitles", "convert", "--to", "vtt", "--", name, "-")
    assert r"said\x1b[31m" in printed.out
    written = scene.files()
    del written[f"here/{name}"]
    assert_harmless(written)


def test_names_of_files_in_errors_are_visible(scene: Scene) -> None:
    names = [f"no{name}" for name in NAMES]
    transcribed = scene.run(
        *("transcribe", "-m", scene.model, "-b", "acme", "-q", "--files-from", "-", "-0"),
        stdin=os.fsencode("\0".join(names)),
    )
    assert transcribed.code == 1
    assert len(transcribed.err.splitlines()) == 2 * len(names) + 1
    linted = scene.run("subtitles", "lint", "--from", "srt", *names)
    assert linted.code == 1
    assert len(linted.err.splitlines()) == len(names)
    for model in (names[3], names[-1]):
        done = scene.run("transcribe", "-m", model, "-b", "acme", "-dash.wav")
        assert done.code in (1, 2)
        assert len(done.err.splitlines()) == 1


def test_nothing_prints_but_what_makes_control_characters_visible() -> None:
    folder = Path(cli_package.__file__).parents[1]
    printing = {
        str(path.relative_to(folder))
        for path in folder.rglob("*.py")
        if re.search(r"(?<![\w.])print\(|std(?:out|err)\.write\(", path.read_text())
        and "testing" not in path.parts
    }
    # Besides the console: the program's end, the version, and answers to a shell.
    assert printing == {
        *("cli/support/console.py", "cli/__init__.py", "cli/app.py", "cli/completion.py")
    }


@pytest.mark.slow
def test_what_is_known_of_backends_and_models_is_visible(scene: Scene, tmp_path: Path) -> None:
    folder = tmp_path / NAMES[3].replace(".wav", "")
    folder.mkdir()
    (folder / "ggml-mine.bin").symlink_to(scene.model)
    (folder / "ggml-[red]\x1b[31m.bin").symlink_to(scene.model)
    env = {"WHISPERCTL_MODELS": str(folder), "WHISPERCTL_CONFIG": str(folder / "none\n.toml")}
    for command in (
        ("backends",),
        ("doctor",),
        ("config", "show"),
        ("models", "list"),
    ):
        scene.run(*command, env=env)
    exact = scene.cli("models", "path", "mine", env=env)
    assert exact.out == f"{folder / 'ggml-mine.bin'}\n"


@pytest.mark.slow
def test_a_model_whose_name_is_not_utf8_opens_in_every_engine(
    tiny_en: Path, silero: Path, tmp_path: Path, engine: str
) -> None:
    links = [tmp_path / os.fsdecode(name) for name in (b"mod\xe8le\xff.bin", b"sil\xe8ro.bin")]
    for link, model in zip(links, (tiny_en, silero), strict=True):
        link.symlink_to(model)
    chosen = registry.parse(engine)
    registry.open_session(chosen, links[0], threads=1, word_timestamps=True).close()
    registry.open_detector(chosen, links[1]).close()


@pytest.mark.slow
def test_a_vocabulary_with_escape_sequences_shows_them(cli: Cli, jfk: Path) -> None:
    model = cli.directory / os.fsdecode(b"\xe9vil.bin")
    write_model(model, says=(0.0, b" fellow \x1b[31m\xc2\x9b", 4.0))
    done = cli(
        *("transcribe", jfk, "-m", model, "-b", "wasi", "--beam-size", "1", "--duration", "4"),
        *("-f", "json-full,srt", "-v"),
    )
    assert done.code == 0, done.err
    full = (cli.directory / "jfk.full.json").read_bytes().decode()
    for text in (done.out, (cli.directory / "jfk.srt").read_text(), full):
        assert r"\x1b[31m\u009b" in text.replace(r"\\", "\\")
        assert harmful(text) == []
    assert harmful(done.err) == []
    assert json.loads(full)["params"]["model"].endswith(r"\xe9vil.bin")
