"""Tables that are written into the documentation."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench import __main__ as bench
from bench import peers, subtitles
from tests.compare.conftest import HEARD, MISHEARD, SAID, made_up
from whisperctl import audio
from whisperctl.compare import matrix
from whisperctl.compare.result import CellInfo

ROOT = Path(__file__).resolve().parents[2]


def rows(lines: list[str]) -> list[dict[str, str]]:
    """The rows of Markdown tables."""
    table = [[v.strip() for v in line.strip("|").split("|")] for line in lines if line[:2] == "| "]
    return [dict(zip(table[0], values, strict=True)) for values in table[1:]]


def test_a_row_has_the_numbers_of_its_cell() -> None:
    labels = ("native", "wasi/wasmtime", "wasi/wasmer", "faster-whisper")
    four_engines = made_up(labels, (HEARD, HEARD, MISHEARD, None))
    lines = list(bench.performance(four_engines))
    native, wasmtime, _, failed = rows(lines)
    cell = four_engines.cells[1]
    assert wasmtime["engine"] == "wasi/wasmtime"
    assert wasmtime["encode"] == f"{cell.stats['encode_ms'].median:.0f}"
    assert wasmtime["total x"] == f"{cell.ratios['total_ms'].value:.2f}"
    assert wasmtime["MiB"] == f"{cell.stats['peak_memory_bytes'].median / 2**20:.0f}"
    assert native["format"] == "f16"
    assert failed["load"] == "failed" and failed["total x"] == "-"
    assert any(line.startswith("- faster-whisper f16 failed: killed") for line in lines)
    assert any(line.startswith("### jfk.wav (11.0 s), tiny.en, ") for line in lines)


def with_tokens(cell: CellInfo, n_tokens: int, decode_ms: list[float]) -> CellInfo:
    runs = tuple(
        replace(run, values={**run.values, "decode_ms": ms}, counts={**run.counts, "decode": n})
        for run, ms, n in zip(cell.runs, decode_ms, [n_tokens] * 3, strict=True)
    )
    return replace(cell, runs=runs)


def test_times_of_a_token_are_compared_within_each_repeat() -> None:
    """The machine gets slower from repeat to repeat, and the medians are of different repeats."""
    made = made_up(("native", "wasi/wasmtime"), (HEARD, MISHEARD))
    native = with_tokens(made.cells[0], 10, [10.0, 20.0, 100.0])
    wasi = with_tokens(made.cells[1], 5, [7.5, 40.0, 75.0])
    lines = list(bench.performance(replace(made, cells=(native, wasi))))
    first, second = rows(lines)
    assert (first["decode x"], second["decode x"]) == ("1.00", "1.50")
    assert second["total x"].endswith("*") and not first["total x"].endswith("*")


def test_the_measured_section_of_a_page_is_replaced_and_nothing_else() -> None:
    for name in ("performance", "experiment"):
        page = (ROOT / f"docs/{name}.md").read_text("utf-8")
        written = bench.page(page, "numbers")
        assert written.count("numbers\n<!-- /measured -->") == 1
        assert bench.page(written, "numbers") == written
        before, after = page.split("<!-- measured -->")[0], page.split("<!-- /measured -->")[1]
        assert written.startswith(before) and written.endswith(after)
    with pytest.raises(ValueError, match="no measured section"):
        bench.page("# A page", "numbers")


def test_the_experiment_is_compared_with_the_article() -> None:
    lines = list(bench.experiment(made_up(("native", "wasi/wasmtime"), (SAID, SAID))))
    assert "| the article | 17.2 s | 96.9 s | 5.6 |" in lines
    pattern = r"\| wasi/wasmtime, all of it \| [\d.]+ s \| [\d.]+ s \| [\d.]+ \[[\d.]+, [\d.]+\] \|"
    assert any(re.fullmatch(pattern, line) for line in lines)
    with pytest.raises(ValueError, match="wasi/wasmtime failed"):
        list(bench.experiment(made_up(("native", "wasi/wasmtime"), (SAID, None))))


def test_the_long_recording_repeats_the_sample(tmp_path: Path, jfk: Path) -> None:
    assert bench.main(["long", str(tmp_path / "made/long.wav")]) == 0
    once, long = audio.load(jfk), audio.load(tmp_path / "made/long.wav")
    assert long.duration_s == pytest.approx(6 * once.duration_s + 2.5)
    n = len(once.samples)
    assert (long.samples[:n] == once.samples).all() and (long.samples[-n:] == once.samples).all()
    assert not long.samples[n : n + 8000].any()


def test_the_plan_can_be_read_and_a_wrong_command_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    plan = matrix.read_plan_file(ROOT / "bench/plan.toml")
    assert plan.engine[0].label in plan.engines
    assert bench.main(["tables"]) == 2
    assert bench.main(["performance", str(tmp_path / "gone.json")]) == 1
    assert '"gone.json"' not in capsys.readouterr().out


def test_a_command_is_measured_and_its_text_compared(tmp_path: Path) -> None:
    speech = peers.Recording(tmp_path / "a.wav", "And so, my fellow Americans.", 1.0)
    write = "import sys; open(sys.argv[1] + '/a.txt', 'w').write('and so my yellow Americans')"
    program = peers.Program("mine", (sys.executable, "-c", write, "{out}"), ("--unused",))

    made = peers.run(program, "like for like", speech, tmp_path / "out", 0, 11)

    assert made.word_errors == pytest.approx(1 / 5)
    assert made.wall_s > 0 and made.cpu_s > 0 and made.memory_mib > 1
    broken = peers.Program("mine", (sys.executable, "-c", "raise SystemExit('no model')"), ())
    with pytest.raises(ValueError, match="exit code 1: no model"):
        peers.run(broken, "defaults", speech, tmp_path / "out", 0, 11)


def test_peers_are_compared_within_each_repeat() -> None:
    def made(program: str, walls_s: list[float]) -> list[peers.Run]:
        return [
            peers.Run(program, "defaults", 11, repeat, wall_s, 2.0, 100.0, 0.05)
            for repeat, wall_s in enumerate(walls_s)
        ]

    runs = made(peers.BASELINE, [10.0, 20.0, 100.0]) + made("mine", [5.0, 40.0, 50.0])
    first, second = rows(list(peers.table(runs)))

    assert (first[""], first["wall s"], first["wall x"]) == (peers.BASELINE, "20.00", "1.00")
    assert (second[""], second["wall s"], second["wall x"]) == ("mine", "40.00", "0.50")
    assert (second["MiB"], second["WER"], second["CPU x"]) == ("100", "5.0%", "1.00")


def test_subtitles_are_scored_by_where_they_break(tmp_path: Path) -> None:
    expected = tmp_path / "expected.srt"
    subtitles.reference(11, expected)
    good = subtitles.scores(expected, expected, tmp_path / "no suber")
    assert (good.suber, good.n_cues, good.ends_clause, good.netflix) == (None, 3, 1.0, 1.0)
    worse = tmp_path / "worse.srt"
    worse.write_text(
        "1\n00:00:00,000 --> 00:00:03,000\nThe end. He\n\n2\n00:00:03,000 --> 00:00:06,000\n"
        "went\nhome and then he wondered about it all day.\n\n"
    )
    bad = subtitles.scores(worse, expected, tmp_path / "no suber")
    assert (bad.begins_inside, bad.lone_words, bad.fits) == (0.5, 0.5, 0.5)
    # The last cue ends with the recording, which is no break: "went" and "He" are.
    assert (bad.ends_sentence, bad.ends_clause, bad.lines_end_clause) == (0.0, 0.0, 0.0)
    worse.write_text("1\n00:00:00,000 --> 00:00:03,000\nThe end.\n\n")
    assert subtitles.scores(worse, expected, tmp_path / "no suber").ends_sentence is None
    subtitles.reference(26, expected)
    assert expected.read_text("utf-8") == (ROOT / "samples/austen.srt").read_text("utf-8")
