"""Our backends keep what backends promise, and one that does not is found out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.testing.page import break_promises, install

TESTED = ("native", "wasi/wasmer", "faster-whisper")
OTHER_RUNTIME = "wasi/wasmtime"
DEPENDS_ON_RUNTIME = (
    "test_lifecycle::test_closing_releases_the_session_for_good",
    "test_lifecycle::test_a_session_left_open_does_not_spoil_the_end_of_the_process",
    "test_running::test_a_run_stops_within_a_second[_raised_on_progress]",
    "test_running::test_a_run_stops_within_a_second[_interrupted]",
    "test_running::test_a_run_that_was_stopped_leaves_no_thread_and_the_session_goes_on",
)
"""Promises that two runtimes of one program may keep differently.

Two sessions at once, memory and the host's measures are none of them: each session is a process of
its own under either.
"""


def conformance(
    directory: Path, *arguments: str, site: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the suite as a backend's author does, away from this project's own settings."""
    # The page's backend computes with OpenMP, whose threads would spin while other tests compute.
    environment = {"GOMP_SPINCOUNT": "1000", **os.environ}
    if site is not None:
        environment["PYTHONPATH"] = str(site)
    return subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs"),
            *("-p", "whisperctl.testing.plugin", "--pyargs", "--tb=short", *arguments),
        ],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("engine", TESTED)
def test_our_backends_keep_every_promise(engine: str, tmp_path: Path) -> None:
    done = conformance(tmp_path, "whisperctl.testing", "--backend", engine)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert "a model of one narrow layer is refused" not in done.stdout


@pytest.mark.slow
def test_its_other_runtime_keeps_what_a_runtime_has_a_part_in(tmp_path: Path) -> None:
    tests = [f"whisperctl.testing.{name}" for name in DEPENDS_ON_RUNTIME]
    done = conformance(tmp_path, *tests, "--backend", OTHER_RUNTIME)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which Python finds the backend of the page."""
    return install(tmp_path_factory.mktemp("plain"))


@pytest.mark.slow
def test_the_backend_of_the_page_keeps_every_promise(plain: Path, tmp_path: Path) -> None:
    """But for those of the library alone, which ``native`` keeps with the same one.

    Those are what is no speech, and two contexts at once. That a prompt has an effect is seen where
    no text before is to have one. It is stopped by Ctrl-C alone: its callbacks are called, and what
    they raise is passed on, by ``worker_thread.run``.
    """
    left_out = "recordings_without_speech or two_sessions or sets_the_style or raised_on"
    arguments = ("--backend", "plain", "-k", f"not ({left_out})")
    done = conformance(tmp_path, "whisperctl.testing", *arguments, site=plain)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "refused, as it may: plain has no word" in done.stdout
    assert "a model of one narrow layer is refused" not in done.stdout


BROKEN = {
    "emit(Segment(t0 / 100, t1 / 100, text))": (
        "s = Segment(t0 / 100, t1 / 100, text); emit(s); on_segment and on_segment(s)"
    ),
    "languages.resolve(options.language, many, options.task,": 'languages.resolve("en", True, "",',
    "self.model = None": "pass",
}
CAUGHT_BY = (
    "test_running.py::test_segments_are_streamed_as_they_are_returned[heard]",
    "test_running.py::test_callbacks_run_in_the_callers_thread[heard]",
    "test_options.py::test_a_language_that_nobody_knows_is_refused",
    "test_lifecycle.py::test_closing_releases_the_session_for_good",
)
STILL_KEPT = "test_text.py::test_it_hears_what_is_said"


@pytest.mark.slow
def test_a_backend_that_breaks_promises_is_found_out(plain: Path, tmp_path: Path) -> None:
    """It calls back from its own thread too, ignores an option, and does not close."""
    site = shutil.copytree(plain, tmp_path / "site")
    break_promises(site / "whisperctl_plain" / "session.py", BROKEN)
    tests = [name.replace(".py", "") for name in (*CAUGHT_BY, STILL_KEPT)]

    done = conformance(
        tmp_path, *(f"whisperctl.testing.{name}" for name in tests), "--backend", "plain", site=site
    )

    assert f"{len(CAUGHT_BY)} failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "Promise 7. Callbacks." in done.stdout
    assert "Promise 10. Options." in done.stdout
    assert "Promise 3. Closing." in done.stdout
