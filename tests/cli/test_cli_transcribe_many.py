"""Many recordings in one command: here, or in processes of their own."""

from __future__ import annotations

import os
import pty
import select
import shutil
import signal
import subprocess
import time
import wave
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from tests.conftest import Cli

SLOW = ("-b", "fake/slow")
"""Half a minute for ``long_talk``."""


@pytest.fixture
def talks(fake: Cli, jfk: Path) -> Path:
    """Two seconds of speech in one folder, three others in one below."""
    with wave.open(str(jfk)) as sound:
        parameters, rate = sound.getparams(), sound.getframerate()
        frames = sound.readframes(sound.getnframes())
    for name, start_s, end_s in (("x.wav", 0.0, 2.2), ("deeper/x.wav", 7.9, 10.9)):
        path = fake.directory / "talks" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as out:
            out.setparams(parameters)
            out.writeframes(frames[int(start_s * rate) * 2 : int(end_s * rate) * 2])
    return fake.directory / "talks"


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
def test_jobs_change_nothing_but_the_time(fake: Cli, talks: Path, model: Path) -> None:
    (talks / "bad.wav").write_text("no recording")
    command = ("transcribe", "-r", "talks", "-m", model, "-f", "srt,vtt", "--decoder", "auto")
    alone = fake.here(*command, "-o", "alone")
    together = fake.here(*command, "-o", "together", "--jobs", "3")

    assert alone.code == together.code == 1
    assert (alone.out, alone.err) == (together.out, together.err.replace("together/", "alone/"))
    problem = (
        '"talks/bad.wav" is not a recording that the sandbox decodes: '
        "use --decoder ffmpeg or --decoder soundfile to decode it natively"
    )
    assert alone.err.splitlines() == [
        "==> talks/bad.wav <==",
        f"whisperctl: error: {problem}",
        "==> talks/x.wav <==",
        'whisperctl: wrote "alone/x.srt", "alone/x.vtt"',
        "==> talks/deeper/x.wav <==",
        'whisperctl: wrote "alone/deeper/x.srt", "alone/deeper/x.vtt"',
        "whisperctl: error: 1 of 3 recordings failed:",
        f"  {problem}",
    ]
    written = tree(fake.directory / "alone")
    assert list(written) == ["deeper/x.srt", "deeper/x.vtt", "x.srt", "x.vtt"]
    assert written["x.srt"] != written["deeper/x.srt"] != b""
    assert written == tree(fake.directory / "together")


@pytest.mark.slow
def test_chunks_of_one_recording_at_once_give_the_same_for_any_number_of_jobs(
    fake: Cli, long_talk: Path, model: Path
) -> None:
    (fake.directory / "temporary").mkdir()
    settings = {**fake.settings, "TMPDIR": str(fake.directory / "temporary")}
    cli = replace(fake, settings=settings)
    command = ("transcribe", long_talk, "-m", model, "-f", "srt", "--duration", "4:10")
    two = cli(*command, "-o", "two", "--jobs", "2")
    three = cli(*command, "-o", "three", "--jobs", "3")
    assert two.code == three.code == 0
    assert (two.out, two.err) == (three.out, three.err.replace("three/", "two/"))
    assert tree(fake.directory / "two") == tree(fake.directory / "three")
    assert two.out.rpartition("-->")[2].startswith(" 00:04:10")

    process = cli.start("transcribe", long_talk, "-m", model, *SLOW, "--jobs", "2")
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == b"whisperctl: interrupted\n"
    assert process.returncode == 130
    assert tree(fake.directory / "temporary") == {}


@pytest.mark.slow
def test_an_executor_is_chosen_by_name(fake: Cli, talks: Path, model: Path) -> None:
    command = ("transcribe", "-r", "talks", "-m", model, "-f", "srt", "--executor")
    here = fake.here(*command, "in-process", "-o", "here")
    there = fake.here(*command, "processes", "-o", "there")

    assert (here.code, here.out) == (there.code, there.out)
    assert here.err == there.err.replace("there/", "here/")
    assert tree(fake.directory / "here") == tree(fake.directory / "there") != {}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--executor", "proceses"), 2, 'did you mean "processes"?'),
        (("--executor", "in-process", "--jobs", "2"), 2, "leave out --jobs, or choose another"),
        (("--executor", "in-process", "--timeout", "9"), 2, "cannot stop a recording"),
    ],
)
def test_an_executor_that_cannot_do_it_is_refused_before_work(
    fake: Cli, talks: Path, model: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = fake.here("transcribe", "-r", "talks", "-m", model, *arguments)
    assert (done.code, done.out) == (code, "")
    assert said in done.err and done.err.count("\n") == 1


@pytest.mark.slow
def test_a_recording_that_takes_too_long_is_given_up(
    fake: Cli, talks: Path, long_talk: Path, model: Path
) -> None:
    command = ("transcribe", long_talk, "talks", "-m", model, "-b", "fake/hang", "-f", "txt")
    done = fake.here(*command, "--timeout", "3")

    assert done.code == 1
    assert f'  "{long_talk}": stopped because it took more than 3 s\n' in done.err
    assert tree(fake.directory).keys() == {"x.txt", "talks/x.wav", "talks/deeper/x.wav"}


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_a_recording_without_progress_fails(
    jobs: str, fake: Cli, talks: Path, long_talk: Path, jfk: Path, model: Path
) -> None:
    command = ("transcribe", long_talk, "talks", jfk, "-m", model, "-b", "fake/hang", "-f", "txt")
    done = fake.here(*command, "--jobs", jobs, "--threads", "1", "--stall-timeout", "0.5")

    said = "the engine made no progress for 0.5 s: try another model or backend"
    assert done.code == 1
    assert f'  "{long_talk}": {said}' in done.err
    assert f'  "{jfk}": {said}' in done.err
    assert "2 of 3 recordings failed" in done.err
    assert [path.name for path in fake.directory.glob("*.txt")] == ["x.txt"]


@pytest.mark.slow
def test_a_recording_that_takes_too_much_memory_is_given_up(
    fake: Cli, talks: Path, long_talk: Path, model: Path
) -> None:
    command = ("transcribe", long_talk, "talks", "-m", model, "-b", "fake/memory", "-f", "txt")
    done = fake.here(*command, "--max-memory", "400M")

    assert done.code == 1
    assert f'  "{long_talk}": stopped because it took more than 400 MiB of memory\n' in done.err
    assert "1 of 2 recordings failed" in done.err
    assert [path.name for path in fake.directory.glob("*.txt")] == ["x.txt"]


@pytest.mark.slow
def test_standard_input_reaches_a_process_of_its_own(fake: Cli, talks: Path, model: Path) -> None:
    done = fake(
        *("transcribe", "-", "-m", model, "--timeout", "300"),
        stdin=(talks / "deeper" / "x.wav").read_bytes(),
    )
    assert (done.code, done.err) == (0, "")
    assert "-->" in done.out


def workers(process: subprocess.Popen[bytes], n: int) -> list[psutil.Process]:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found: list[psutil.Process] = psutil.Process(process.pid).children()
        if len(found) == n:
            return found
        time.sleep(0.02)
    raise AssertionError(f"not {n} processes")


@pytest.mark.slow
def test_a_process_that_dies_fails_its_recording_alone(
    fake: Cli, talks: Path, long_talk: Path, model: Path
) -> None:
    command = ("transcribe", long_talk, "talks", "-m", model, "-b", "fake/crash", "-f", "txt")
    done = fake.here(*command, "--timeout", "600")

    assert done.code == 1
    assert f'  "{long_talk}": its process was killed by SIGSEGV' in done.err
    assert (fake.directory / "x.txt").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (signal.SIGINT, 130, "whisperctl: interrupted\n"),
        (signal.SIGTERM, 143, "whisperctl: terminated by SIGTERM\n"),
        (signal.SIGHUP, 129, "whisperctl: terminated by SIGHUP\n"),
    ],
)
def test_a_signal_ends_every_process_and_keeps_what_is_written(
    fake: Cli,
    talks: Path,
    long_talk: Path,
    model: Path,
    number: signal.Signals,
    code: int,
    said: str,
) -> None:
    process = fake.start(
        *("transcribe", talks / "x.wav", long_talk, "-m", model, *SLOW, "-f", "txt", "-j", "2"),
        "-q",
    )
    assert process.stdout is not None
    for _ in range(3):  # two of the first, and one of the other
        assert process.stdout.readline().startswith(b"[00:")
    family = workers(process, 2)
    if number == signal.SIGHUP:  # as from a terminal, to all
        for child in family:
            child.send_signal(number)
    process.send_signal(number)
    if number == signal.SIGHUP:  # and once more, as a shell does
        time.sleep(0.05)
        process.send_signal(number)
    _, errors = process.communicate(timeout=30)

    assert (process.returncode, errors.decode()) == (code, said)
    assert not [child for child in family if child.is_running()]
    assert [path.name for path in fake.directory.glob("*.txt")] == ["x.txt"]
    assert not list(fake.directory.glob(".whisperctl*"))


@pytest.mark.slow
def test_processes_end_when_the_command_is_killed(fake: Cli, long_talk: Path, model: Path) -> None:
    process = fake.start("transcribe", long_talk, "-m", model, *SLOW, "--timeout", "600")
    assert process.stdout is not None
    process.stdout.readline()
    family = workers(process, 1)
    process.kill()

    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive


@pytest.mark.slow
def test_a_reader_that_goes_away_ends_processes_too(
    fake: Cli, long_talk: Path, model: Path
) -> None:
    process = fake.start("transcribe", long_talk, "-m", model, *SLOW, "--timeout", "600")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.readline()
    process.stdout.close()

    assert process.wait(timeout=60) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.slow
def test_a_model_that_no_process_can_load_is_said_once(fake: Cli, talks: Path, model: Path) -> None:
    done = fake.here(
        *("transcribe", "-r", talks, "-m", model, "-b", "fake", "--runtime", "slw"),
        *("-j", "2", "-q"),
    )
    assert done.code == 2
    assert done.err.count("\n") == 1 and 'did you mean "slow"?' in done.err


def test_a_dry_run_says_what_would_be_done_and_does_nothing(
    fake: Cli, talks: Path, model: Path
) -> None:
    command = (
        *("transcribe", "-r", "talks", "-m", model, "-b", "native", "--beam-size", "1", "-t", "1"),
        *("-f", "srt,txt"),
        *("-o", "out", "--skip-existing", "--output", "{stem}.{lang}.{ext}"),
    )
    first = fake.here(*command, "--dry-run")
    assert (first.code, first.err) == (0, "")
    assert first.out.splitlines() == [
        f'model: "{model}"',
        "engine: native, 1 thread",
        "options: beam size 1, decoder soundfile",
        '"talks/x.wav" -> "out/x.en.srt", "out/x.en.txt"',
        '"talks/deeper/x.wav" -> "out/deeper/x.en.srt", "out/deeper/x.en.txt"',
    ]
    assert not (fake.directory / "out").exists()

    place = fake.directory / "out" / "deeper"
    place.mkdir(parents=True)
    for kind in ("srt", "txt"):
        (place / f"x.en.{kind}").touch()
    assert fake.here(*command, "--dry-run").out.splitlines()[4] == (
        '"talks/deeper/x.wav": skipped: its results exist'
    )

    lacking = fake.here(*command, "--dry-run", "no such file.wav")
    assert lacking.code == 1
    assert lacking.out.endswith('"no such file.wav": does not exist\n')
    assert lacking.err == ('whisperctl: error: "no such file.wav" does not exist: check the name\n')

    too_long = fake.here(*command, "--dry-run", "--output", "a" * 252 + "{stem}.{ext}")
    assert too_long.code == 1
    assert too_long.err.endswith("its name is too long for the file system; choose a shorter one\n")


def test_existing_results_are_left_alone(fake: Cli, talks: Path, model: Path) -> None:
    for name in ("x.srt", "y.srt", "y.txt"):
        (fake.directory / name).write_text("mine")
    shutil.copy(talks / "x.wav", talks / "y.wav")
    done = fake.here("transcribe", "talks", "-m", model, "-f", "srt,txt", "--skip-existing")

    assert done.code == 0
    assert done.err == (
        "whisperctl: 1 of 2 recordings are skipped: their outputs exist\n==> talks/x.wav <==\n"
        'whisperctl: wrote "x.txt"\n'
    )
    assert [(fake.directory / f"{n}").read_text() for n in ("x.srt", "y.srt", "y.txt")] == (
        ["mine"] * 3
    )
    assert len((fake.directory / "x.txt").read_text("utf-8").splitlines()) == 2


def test_one_format_goes_to_standard_output_instead_of_segments(
    fake: Cli, talks: Path, model: Path
) -> None:
    command = ("transcribe", "talks", "-m", model)
    done = fake.here(*command, "-f", "srt", "--output", "-")
    named = fake.here(*command, "--output", "sub/{name}.srt")

    assert done.out.startswith("1\n00:00:00,000 --> 00:00:02,")
    assert (fake.directory / "sub" / "x.wav.srt").read_text("utf-8").strip() == done.out.strip()
    assert named.out.startswith("[00:00:00.000 --> ")


@pytest.mark.parametrize(
    ("arguments", "code", "named"),
    [
        (("--output", "{title}.srt"), 2, "{stem}, {name}, {lang}, {ext}"),
        (("-f", "srt", "-o", "my talk.srt"), 2, "write --output 'my talk.srt' instead"),
        (("-f", "srt", "-o", "-"), 2, "write --output - instead"),
        (("--output", "talk"), 2, "--output needs --output-format"),
        (("-f", "srt,txt", "--output", "-"), 2, "one format"),
        (("-f", "srt,txt", "--output", "{stem}"), 2, "{ext}"),
        (("talks/deeper/x.wav", "--output", "same.srt"), 2, "would both be written"),
        (("--jobs", "0"), 2, "jobs must be 1 or more"),
        (("--timeout", "-1"), 2, "above 0 seconds"),
        (("--stall-timeout", "-1"), 2, "0 (no limit) or more seconds"),
        (("--max-memory", "much"), 2, "2G or 500M"),
        (("--files-from", "missing"), 1, '"missing" cannot be read'),
        (("nothing/*.mp3",), 2, '"nothing/*.mp3" does not match any file'),
        (("empty",), 1, '"empty" is a directory without recordings'),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is(
    fake: Cli, talks: Path, model: Path, arguments: tuple[str, ...], code: int, named: str
) -> None:
    (fake.directory / "empty").mkdir()
    before = tree(fake.directory)
    done = fake.here("transcribe", "talks", "-m", model, *arguments)

    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("whisperctl: error: ") and done.err.count("\n") == 1
    assert named in done.err
    assert tree(fake.directory) == before


def test_a_list_of_names_comes_from_another_command(fake: Cli, talks: Path, model: Path) -> None:
    done = fake.here(
        *("transcribe", "--files-from", "-", "-0", "-m", model, "--dry-run", "-f", "srt"),
        stdin=b"talks/x.wav\0talks/x.wav\0two words.wav\0",
    )
    assert done.out.splitlines()[3:] == [
        '"talks/x.wav" -> "x.srt"',
        '"two words.wav": does not exist',
    ]


@pytest.mark.slow
def test_bars_show_how_far_all_of_it_is(fake: Cli, talks: Path, model: Path) -> None:
    shutil.copy(talks / "x.wav", talks / "y.wav")
    command = fake.command("transcribe", "talks", "-m", model, *SLOW)
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=terminal,
        cwd=fake.directory,
        env=fake.environment({"TERM": "xterm", "COLUMNS": "100"}),
    )
    os.close(terminal)
    shown = read_terminal(controller, process)

    assert process.wait() == 0
    assert "0/2" in shown and "1/2" in shown and "x.wav" in shown
    assert "ETA 00:00:" in shown
    assert shown.count("[00:00:00.000 --> 00:00:02.000]") == 2


def read_terminal(controller: int, process: subprocess.Popen[bytes]) -> str:
    """All that is shown until the process ends."""
    shown = b""
    while True:
        ready, _, _ = select.select([controller], [], [], 0.1)
        if ready:
            try:
                shown += os.read(controller, 65536)
            except OSError:  # the other end is closed
                break
        elif process.poll() is not None:
            break
    os.close(controller)
    return shown.decode(errors="replace")
