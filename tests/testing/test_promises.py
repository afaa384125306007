"""The page about backends, the suite that tests them, and pytest's options for it agree."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import wave
from pathlib import Path

import pytest

import whisperctl.testing
from tests.testing import page
from whisperctl.testing.plugin import DOORS
from whisperctl.testing.subject import BEGINNING, reference_text, sample

SUITE = Path(whisperctl.testing.__file__).parent


def promises_of_the_page() -> list[str]:
    return page.promises(page.PAGE, "What a backend promises")


def promises_of_the_suite() -> dict[int, str]:
    found = {}
    others = {f"test_{kind}s" for kind in DOORS}
    for path in SUITE.glob("test_*.py"):
        if path.stem in others:
            continue
        text = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        for promise in re.split(r"^Promise ", text, flags=re.MULTILINE)[1:]:
            number, _, words = promise.partition(". ")
            assert int(number) not in found
            found[int(number)] = " ".join(words.split())
    return found


def test_the_suite_has_each_promise_of_the_page() -> None:
    suite = promises_of_the_suite()
    assert [suite[number] for number in sorted(suite)] == promises_of_the_page()
    assert sorted(suite) == list(range(1, len(suite) + 1))


def test_a_whole_backend_takes_less_than_a_hundred_lines() -> None:
    files = page.files()
    assert sorted(files) == [
        "pyproject.toml",
        "whisperctl_plain/__init__.py",
        "whisperctl_plain/session.py",
    ]
    assert sum(len(text.splitlines()) for text in files.values()) < 100
    assert max(len(line) for text in files.values() for line in text.splitlines()) <= 100


def test_the_speech_and_its_words_are_here() -> None:
    with wave.open(str(sample("jfk.wav"))) as file:
        assert file.getnframes() == 11 * 16_000
    assert "ask not" in reference_text()
    assert reference_text().startswith(BEGINNING)


def run_pytest(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), r"no backend is named: add --backend NAME \(installed: .*native.*wasi\)"),
        (
            ("--backend", "acme"),
            'unknown backend "acme": choose from faster-whisper, native, wasi',
        ),
        (("--backend", "wasi", "--runtime", "v8"), 'unknown runtime "v8" of backend "wasi"'),
        (
            ("--backend", "native", "--model", "medium"),
            'model "medium" is not installed: run "whisperctl models pull medium"',
        ),
    ],
)
def test_what_is_missing_on_the_command_line_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = run_pytest(
        tmp_path, "-p", "whisperctl.testing.plugin", "--pyargs", "whisperctl.testing", *arguments
    )
    assert done.returncode == 4
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert re.match(f"ERROR: {said}", line)


def test_pytest_runs_of_other_projects_load_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "test_imports.py").write_text(
        "import sys\n"
        "def test_imports():\n"
        "    assert [name for name in sys.modules if name.startswith('whisperctl')] == []\n"
    )
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_suite_without_its_plugin_shows_the_command_that_loads_it(tmp_path: Path) -> None:
    done = run_pytest(tmp_path, "--pyargs", "whisperctl.testing.test_lifecycle")
    assert done.returncode != 0
    assert "pytest -p whisperctl.testing.plugin --pyargs whisperctl.testing" in done.stdout
