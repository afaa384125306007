"""Our executors and the page's keep what executors promise, and one that does not is found out."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.testing import page
from tests.testing.test_conformance import conformance
from whisperctl.testing import test_executors

PAGE = page.PAGE.with_name("executors.md")


@pytest.fixture(autouse=True)
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's executor reaches this machine, and this Python on it."""
    monkeypatch.setenv("FAR", "env")
    folders = [str(Path(sys.executable).parent), os.environ["PATH"]]
    monkeypatch.setenv("PATH", os.pathsep.join(folders))


def test_each_promise_of_the_page_is_a_class_of_the_suite() -> None:
    found = page.promises_of_classes(test_executors)
    assert found == page.promises(PAGE, "What an executor promises")


def test_a_whole_executor_takes_less_than_a_hundred_lines() -> None:
    files = page.files(PAGE)
    assert sorted(files) == ["pyproject.toml", "whisperctl_far/__init__.py"]
    assert sum(len(text.splitlines()) for text in files.values()) < 100
    assert max(len(line) for text in files.values() for line in text.splitlines()) <= 100


@pytest.mark.slow
@pytest.mark.parametrize("name", ["in-process", "processes"])
def test_our_executors_keep_every_promise(name: str, tmp_path: Path) -> None:
    done = conformance(tmp_path, "whisperctl.testing", "--executor", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.slow
def test_the_executor_of_the_page_keeps_every_promise(tmp_path: Path) -> None:
    site = page.install(tmp_path, PAGE)
    done = conformance(tmp_path, "whisperctl.testing", "--executor", "far", site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 12 passed" in f" {done.stdout.splitlines()[-1]}"


BROKEN = {
    "            worker.task = None\n": "            worker.task = None\n"
    "            on_event(worker.index, answer)\n",
    "                worker.reason = reason\n": "",
    'name = "far"': 'name = "near"',
    "            self.workers.pop().end()": "            self.workers.pop()",
}
CAUGHT_BY = (
    "TestDescription::test_it_is_described_at_once",
    "TestTasks::test_a_hundred_recordings_are_transcribed_once_each",
    "TestCancelling::test_a_task_that_hangs_is_cancelled_alone",
    "TestClosing::test_what_a_callback_raises_propagates_and_closing_ends_all",
)
STILL_KEPT = "TestEvents::test_polling_without_work_returns_in_time"


@pytest.mark.slow
def test_an_executor_that_breaks_promises_is_found_out(tmp_path: Path) -> None:
    """It reports ends twice, is misnamed, forgets the reason of a cancel, and leaves workers."""
    site = page.install(tmp_path, PAGE)
    page.break_promises(site / "whisperctl_far" / "__init__.py", BROKEN)
    tests = [f"whisperctl.testing.test_executors::{name}" for name in (*CAUGHT_BY, STILL_KEPT)]

    done = conformance(tmp_path, *tests, "--executor", "far", site=site)

    assert f"{len(CAUGHT_BY)} failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "Promise 2. Tasks." in done.stdout
    assert "Promise 8. Closing." in done.stdout


@pytest.mark.slow
def test_a_wrong_name_on_the_command_line_is_one_line(tmp_path: Path) -> None:
    done = conformance(tmp_path, "whisperctl.testing", "--executor", "acme")
    assert done.returncode == 4
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert line.startswith(
        'ERROR: unknown executor "acme": choose from dask, in-process, processes'
    )
