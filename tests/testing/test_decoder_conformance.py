"""Our decoders and the page's keep what decoders promise, and one that does not is found out."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.testing import page
from tests.testing.test_conformance import conformance
from whisperctl.testing import test_decoders

PAGE = page.PAGE.with_name("decoders.md")


def test_each_promise_of_the_page_is_a_class_of_the_suite() -> None:
    found = page.promises_of_classes(test_decoders)
    assert found == page.promises(PAGE, "What a decoder promises")


def test_a_whole_decoder_takes_less_than_a_hundred_lines() -> None:
    files = page.files(PAGE)
    assert sorted(files) == ["pyproject.toml", "whisperctl_wave/__init__.py"]
    assert sum(len(text.splitlines()) for text in files.values()) < 100
    assert max(len(line) for text in files.values() for line in text.splitlines()) <= 100


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sandbox", "soundfile", "ffmpeg"])
def test_our_decoders_keep_every_promise(name: str, tmp_path: Path) -> None:
    done = conformance(tmp_path, "whisperctl.testing", "--decoder", name)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.slow
def test_the_decoder_of_the_page_keeps_every_promise(tmp_path: Path) -> None:
    site = page.install(tmp_path, PAGE)
    done = conformance(tmp_path, "whisperctl.testing", "--decoder", "wave", site=site)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "not read, as it may" in done.stdout


BROKEN = {
    "block.astype(np.float32) / 32768": "block[:, :1].astype(np.float32)",
    "os.dup(source.descriptor)": "source.descriptor",
    "self.warnings.append(short)": "pass",
    'name = "wave"': 'name = "wav"',
}
CAUGHT_BY = (
    "TestDescription::test_it_says_what_it_is",
    "TestProbe::test_it_tells_of_the_tracks_what_is_then_decoded[wav]",
    "TestSamples::test_channels_are_kept_apart_and_in_time[wav]",
    "TestDamage::test_a_recording_cut_short_is_noticed[wav]",
    "TestClosing::test_the_source_stays_open_and_is_read_again[wav]",
)
STILL_KEPT = "TestOpening::test_what_is_no_recording_is_one_line[text]"


@pytest.mark.slow
def test_a_decoder_that_breaks_promises_is_found_out(tmp_path: Path) -> None:
    """It mixes channels at another scale, closes the source, warns of nothing, and is misnamed."""
    site = page.install(tmp_path, PAGE)
    page.break_promises(site / "whisperctl_wave" / "__init__.py", BROKEN)
    tests = [f"whisperctl.testing.test_decoders::{name}" for name in (*CAUGHT_BY, STILL_KEPT)]

    done = conformance(tmp_path, *tests, "--decoder", "wave", site=site)

    assert f"{len(CAUGHT_BY)} failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "Promise 4. Samples." in done.stdout
    assert "Promise 6. Closing." in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--decoder", "acme"), 'unknown decoder "acme": choose from ffmpeg, sandbox, soundfile'),
        (("--decoder", "ffmpeg", "--backend", "native"), "two plugins are named: give --backend"),
    ],
)
def test_a_wrong_name_on_the_command_line_is_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = conformance(tmp_path, "whisperctl.testing", *arguments)
    assert done.returncode == 4
    (line,) = [line for line in done.stderr.splitlines() if line]
    assert line.startswith(f"ERROR: {said}")
