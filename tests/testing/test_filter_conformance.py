"""Our filters and the page's keep what filters promise, and one that does not is found out."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.testing import page
from tests.testing.test_conformance import conformance
from whisperctl.audio.filters import registry
from whisperctl.testing import test_filters

PAGE = page.PAGE.with_name("filters.md")


def test_each_promise_of_the_page_is_a_class_of_the_suite() -> None:
    found = page.promises_of_classes(test_filters)
    assert found == page.promises(PAGE, "What a filter promises")


def test_a_whole_filter_takes_at_most_thirty_lines() -> None:
    files = page.files(PAGE)
    assert sorted(files) == ["pyproject.toml", "whisperctl_squelch.py"]
    assert sum(len(text.splitlines()) for text in files.values()) <= 30
    assert max(len(line) for text in files.values() for line in text.splitlines()) <= 100


def test_the_page_has_every_filter_of_ours_and_its_parameters() -> None:
    text = PAGE.read_text("utf-8")
    for found in registry.probe():
        assert found.info is not None
        (row,) = [line for line in text.splitlines() if line.startswith(f"| `{found.name}` |")]
        for parameter in found.info.parameters:
            assert f"`{parameter.name}`" in row
            shown = registry.shown_value(parameter.default)
            assert shown in row or parameter.default in (0, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gain:db=-6", "highpass", "denoise", "normalize", "trim"])
def test_our_filters_keep_every_promise(name: str, tmp_path: Path) -> None:
    done = conformance(tmp_path, "whisperctl.testing", "--filter", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.fixture(scope="module")
def squelch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which Python finds the filter of the page."""
    return page.install(tmp_path_factory.mktemp("squelch"), PAGE)


@pytest.mark.slow
def test_the_filter_of_the_page_keeps_every_promise(squelch: Path, tmp_path: Path) -> None:
    done = conformance(
        tmp_path, "whisperctl.testing", "--filter", "squelch:threshold=-45", site=squelch
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


SQUELCH = "return np.where(np.abs(block) < self.level, np.float32(0), block)"
DECAY = """

class Decay(SquelchProcessor):
    def process(self, block):
        self.level *= 0.999
        return block * np.float32(self.level)
"""
BROKEN: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "it is misnamed, explains nothing, starts a thread and keeps everything": (
        {
            '"squelch", 1': '"squelcher", 1',
            '"Level to pass."': '""',
            "self.level = level": (
                "import threading; self.level, self.kept, self.end = level, [], threading.Event();"
                " threading.Thread(target=self.end.wait, args=(9,), daemon=True).start()"
            ),
            SQUELCH: "self.kept.append(block + 1); return block",
        },
        (
            "test_it_says_what_it_is",
            "test_its_parameters_are_declared_in_full",
            "test_closing_releases_everything_at_any_time",
            "test_memory_is_bounded",
        ),
    ),
    "its processors are one, which depends on blocks": (
        {
            "return SquelchProcessor(10": (
                "self.one = getattr(self, 'one', None) or Decay(1); return self.one; (10"
            )
        },
        ("test_a_second_recording_comes_out_like_the_first", "test_blocks_may_be_cut_anywhere"),
    ),
    "it is later than it says": (
        {
            "self.level = level": "self.old = np.zeros((900, 1), np.float32)",
            SQUELCH: (
                "joined = np.concatenate([self.old, block]);"
                " self.old = joined[-900:].copy(); return joined[: len(block)]"
            ),
        },
        ("test_times_do_not_shift",),
    ),
    "it loses samples": ({SQUELCH: "return block[1:]"}, ("test_short_recordings_come_out_whole",)),
    "it divides by the peak": (
        {SQUELCH: "return block / block.max()"},
        ("test_any_recording_comes_out_finite",),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("flaw", BROKEN)
def test_a_filter_that_breaks_promises_is_found_out(
    flaw: str, squelch: Path, tmp_path: Path
) -> None:
    site = shutil.copytree(squelch, tmp_path / "site")
    module = site / "whisperctl_squelch.py"
    replaced, caught_by = BROKEN[flaw]
    page.break_promises(module, replaced)
    with module.open("a", encoding="utf-8") as file:
        file.write(DECAY)

    done = conformance(
        *(tmp_path, "whisperctl.testing", "--filter", "squelch", "-k", " or ".join(caught_by)),
        site=site,
    )

    assert done.returncode == 1, done.stdout + done.stderr
    for name in caught_by:
        assert re.search(rf"^_+ Test\w+\.{name}", done.stdout, re.MULTILINE), done.stdout
    assert "Promise " in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--filter", "acme"), 'unknown filter "acme": choose from '),
        (("--filter", "gain", "--backend", "native"), "two plugins are named: give --backend"),
    ],
)
def test_a_wrong_name_on_the_command_line_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = conformance(tmp_path, "whisperctl.testing", *arguments)
    assert done.returncode == 4
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert line.startswith(f"ERROR: {said}")
