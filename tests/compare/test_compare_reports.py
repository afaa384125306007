"""Tables, Markdown, CSV and the page's text: made of made-up comparisons."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from whisperctl.compare import document
from whisperctl.compare.reports import csv_report, figures, html, markdown, terminal
from whisperctl.compare.result import CellDrift, CellInfo, Comparison, Drift, Ratio, Workers
from whisperctl.compare.statistics import BY_NAME, shown
from whisperctl.transcript import PHASES

Make = Callable[..., Comparison]
A_TEXT = "And so, my fellow Americans, ask not."
ANOTHER = "And so my fellow American's ask not."
MANY = [f"wasi/wasmtime q8_0 {n}t" for n in range(1, 9)]


def lines(
    comparison: Comparison, width: int = 80, *, plain: bool = False, phases: bool = False
) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None, legacy_windows=False)
    with console.capture() as capture:
        for part in terminal.tables(comparison, width=width, plain=plain, phases=phases):
            console.print(part, highlight=False)
    return [line.rstrip() for line in capture.get().splitlines()]


def rows(comparison: Comparison) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_report.text(comparison), newline="")))


def page(comparison: Comparison) -> str:
    return html.page(comparison, [None] * len(comparison.recordings))


def figures_of(cell: CellInfo) -> Iterator[str]:
    """Every figure that is to be read of a cell, as it is written."""
    for name, stat in cell.stats.items():
        yield shown(stat.median, BY_NAME[name].unit)
    for name in ("wall_ms", "total_ms", "cpu_ms", "cold_start_ms"):
        if name in cell.stats and cell.stats[name].mad is not None:
            yield f"± {shown(cell.stats[name].mad or 0, 'ms')}"
    for phase in cell.phases:
        if phase.count > 1:
            yield f"({phase.count} x {shown(phase.per_run_ms, 'ms')})"
    if cell.baseline != cell.variant and "wall_ms" in cell.ratios:
        ratio = cell.ratios["wall_ms"]
        yield f"{shown(ratio.value, 'times')}x"
        if ratio.low is not None and ratio.high is not None:
            yield f"[{shown(ratio.low, 'times')}, {shown(ratio.high, 'times')}]"
    differences = [cell.difference, cell.agreement.difference if cell.agreement else None]
    for difference in differences:
        if difference is not None and not difference.identical:
            for errors in (difference.wer, difference.cer, difference.normalized_wer):
                yield shown(errors.rate, "share")
    if cell.agreement is not None and cell.agreement.tokens is not None:
        yield shown(cell.agreement.tokens.rate, "share")
    if cell.agreement is not None and cell.agreement.times is not None:
        yield f"p95 {shown(cell.agreement.times.start_p95_s, 's')} s"


@pytest.mark.slow
@pytest.mark.parametrize("width", [60, 80, 100, 132, 200])
@pytest.mark.parametrize("plain", [True, False])
def test_nothing_is_wider_than_the_terminal_or_cut_off(
    four_engines: Comparison, make: Make, width: int, plain: bool
) -> None:
    many = make(MANY, [A_TEXT] * 7 + [ANOTHER], recordings=("jfk.wav", "another talk.mp3"))
    for comparison in (four_engines, many):
        for phases in (False, True):
            found = lines(comparison, width, plain=plain, phases=phases)
            assert max(map(cell_len, found)) <= width
            text = " ".join(found)
            for variant in comparison.variants:
                assert all(word in text for word in variant.label.split())


def test_a_wide_terminal_has_phases_beside_each_other(four_engines: Comparison) -> None:
    found = lines(four_engines, 120)
    (encode,) = (line for line in found if re.match("encode +[0-9]+ ", line))
    shown_ones = [shown(cell.stats["encode_ms"].median, "ms") for cell in four_engines.cells[:3]]
    assert encode.split()[1:] == [*shown_ones, "-"]


def test_three_engines_have_their_phases_in_80_columns(make: Make) -> None:
    three = make(["native", "wasi/wasmer", "wasi/wasmtime"], [A_TEXT] * 3)
    assert any(line.startswith("module compile") for line in lines(three, 80))


def test_many_variants_have_a_line_each_and_phases_when_asked(make: Make) -> None:
    many = make(MANY, [A_TEXT] * 8)
    found = lines(many, 80)
    assert sum(line.startswith("wasi/wasmtime") for line in found if "MiB" in line) == 8
    assert not any(line.startswith("encode ") for line in found)
    assert any("All phases are shown with --phases" in line for line in found)
    with_phases = lines(many, 80, phases=True)
    encode = [line.split() for line in with_phases if line.startswith("encode ")]
    assert len(encode) > 1
    assert sum(len(words) - 1 for words in encode if words[1] != "ratio") == 8


def test_a_line_has_more_where_there_is_room(make: Make) -> None:
    many = make(MANY, [A_TEXT] * 8)
    (narrow,) = (line for line in lines(many, 80) if line.startswith("variant"))
    (wide,) = (line for line in lines(many, 140) if line.startswith("variant"))
    assert "cold start" not in narrow
    assert "cold start" in wide
    assert "CPU time" in wide


def test_in_a_file_it_is_ascii(four_engines: Comparison) -> None:
    assert "\n".join(lines(four_engines, 120, plain=True)).isascii()


def test_every_figure_is_the_documents(four_engines: Comparison) -> None:
    terminal = re.sub(r"\s+", " ", " ".join(lines(four_engines, 150)))
    marked = markdown.text(four_engines).replace("\\", "")
    whole = re.sub(r"\s+", " ", page(four_engines))
    for cell in four_engines.cells:
        for figure in figures_of(cell):
            assert figure in terminal
            assert figure in marked
            assert figure in whole


def test_no_figure_is_any_other_than_the_documents(four_engines: Comparison) -> None:
    known = {"-", "x"}
    for cell in four_engines.cells:
        for stat_name, stat in cell.stats.items():
            unit = BY_NAME[stat_name].unit
            for number in (stat.median, stat.mad):
                known.add("" if number is None else shown(number, unit).removesuffix(" MiB"))
        for phase in cell.phases:
            known |= {str(phase.count), shown(phase.per_run_ms, "ms")}
        for ratio in cell.ratios.values():
            known |= {
                shown(number, "times")
                for number in (ratio.value, ratio.low, ratio.high)
                if number is not None
            }
        if cell.difference is not None:
            known.add(shown(cell.difference.wer.rate, "share").removesuffix("%"))
    found = lines(four_engines, 150)
    start = next(i for i, line in enumerate(found) if line.startswith("process start"))
    end = next(i for i, line in enumerate(found) if line.startswith("text "))
    numbers = re.findall(r"\d+(?:\.\d+)?", " ".join(found[start:end]))
    assert len(numbers) > 100
    assert set(numbers) <= known


def test_a_failed_cell_says_so_and_why(four_engines: Comparison) -> None:
    why = "faster-whisper: killed by signal 9 (SIGKILL)"
    found = lines(four_engines, 80)
    assert why in found
    assert any(re.match(r"faster-whisper .*failed", line) for line in found)
    assert f"- {why}" in markdown.text(four_engines).splitlines()
    assert f"<li>{why}</li>" in page(four_engines)
    failed = [row for row in rows(four_engines) if row["error"]]
    assert [(row["engine"], row["row"], row["wall_ms"]) for row in failed] == [
        ("faster-whisper", "median", "")
    ]


def test_when_all_fail_there_is_still_a_report(make: Make) -> None:
    failed = make(["native", "wasi/wasmer"], [None, None], error="out of\nmemory <&|")
    assert "native: out of memory <&|" in lines(failed)
    assert "native: out of memory \\<&amp;\\|" in markdown.text(failed)
    assert "native: out of memory &lt;&amp;|" in page(failed)


def test_the_same_texts_are_said_in_a_line(make: Make) -> None:
    same = make(["native", "wasi/wasmer", "wasi/wasmtime"], [A_TEXT] * 3)
    assert "all 3 texts are identical" in lines(same)
    other = lines(make(["native", "wasi/wasmer", "wasi/wasmtime"], [A_TEXT, ANOTHER, A_TEXT]))
    assert sum("native; wasi/wasmtime" in line for line in other) == 1
    assert any("[-so,-]{+so+}" in line for line in other)


def test_silence_is_no_failure(make: Make) -> None:
    silent = make(["native", "wasi/wasmer"], ["", ""])
    assert "all 2 texts are identical, and empty: no speech found" in lines(silent)
    assert "no speech found" in page(silent)


def test_a_single_run_has_no_spread(make: Make) -> None:
    single = make(["native", "wasi/wasmer"], [A_TEXT, A_TEXT], repeats=1)
    body = [line for line in lines(single) if not line.startswith("Times are")]
    assert "±" not in "".join(body[:-8])
    assert not any("[" in line for line in body if "ratio" in line and "x" in line)
    assert {row["row"] for row in rows(single)} == {"run", "median", "low", "high", "ratio"}
    assert "whisker" not in re.sub(r"<style>.*?</style>", "", page(single), flags=re.DOTALL)


def test_every_report_begins_with_a_verdict(four_engines: Comparison, make: Make) -> None:
    said = (
        "wasi/wasmtime takes 1.75 times native's time and says the same.",
        "wasi/wasmer takes 2.48 times native's time and differs in 27.3% of the words.",
    )
    assert tuple(lines(four_engines, 120)[:2]) == said
    assert markdown.text(four_engines).splitlines()[2] == " ".join(said)
    assert 'class="verdict">' + " ".join(said).replace("'", "&#39;") in page(four_engines)

    alone = make(["native"], [A_TEXT])
    assert lines(alone)[0] == "native takes 0.096 times the length of the recording."
    many = " ".join(lines(make(MANY, [A_TEXT] * 7 + [ANOTHER]), 200)[:2])
    assert many == (
        "The fastest, wasi/wasmtime q8_0 2t takes 1.75 times wasi/wasmtime q8_0 1t's time; the "
        "slowest, wasi/wasmtime q8_0 8t takes 6.13 times wasi/wasmtime q8_0 1t's time. "
        "6 of 7 variants say the same as the one they are compared with."
    )
    failed = make(["native", "wasi/wasmer"], [None, None])
    assert lines(failed)[0] == "" and 'class="verdict"' not in page(failed)


def test_no_column_is_empty_and_nothing_that_is_not_there_is_explained(make: Make) -> None:
    alone = make(["native"], [A_TEXT], repeats=1)
    (header,) = (line for line in markdown.text(alone).splitlines() if "RTF |" in line)
    assert "wall ms" in header and "ratio" not in header and "differs" not in header
    body = page(alone)
    for text in (markdown.text(alone), "\n".join(lines(alone)), body):
        assert "bootstrap" not in text and "normalizer" not in text and "MAD" not in text
    assert "only here" not in body
    same = make(["native", "wasi/wasmer"], [A_TEXT, A_TEXT])
    (header,) = (line for line in markdown.text(same).splitlines() if "against |" in line)
    assert header == "|  | against | WER | tokens | starts | ends |"
    assert "starts, ends: mean" in markdown.text(same)


def test_words_of_the_reference_have_the_times_of_what_was_heard(four_engines: Comparison) -> None:
    articles = html.page(four_engines, [np.zeros(1600, np.float32)]).split("<article")[1:3]
    reference, text = (
        re.findall(r'class="w" data-start="([\d.]+)" data-end="[\d.]+">([^<]+)<', article)
        for article in articles
    )
    assert len(reference) == len(text) == 22
    assert [start for start, _ in reference] == [start for start, _ in text]
    assert reference[4][1] == "Americans," and text[4][1] == "American&#39;s,"


def test_every_report_warns_of_a_busy_machine_and_of_single_runs(make: Make) -> None:
    quiet = make(["native", "wasi/wasmtime"], [A_TEXT, A_TEXT])
    busy = replace(
        make(["native", "wasi/wasmtime"], [A_TEXT, A_TEXT], repeats=1),
        machine=replace(quiet.machine, load_average=(6.25, 5.0, 4.0)),
    )

    for report in (terminal.plain_text, markdown.text, page):
        assert "arning: " not in report(quiet)
        for warning in ("load average 6.2 on 2 processors", "cell ran once"):
            assert warning in report(busy)
        assert "cell ran twice" in report(make(["native"], [A_TEXT], repeats=2))


def test_markdown_keeps_its_columns_whatever_names_hold(make: Make) -> None:
    odd = make(["a|b", "c\\|d*_`<i>"], ["x | y", "x || [z](y)"], recordings=("a|b\nc.wav",))
    text = markdown.text(odd)
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 3
    for found in tables:
        bars = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in found.splitlines()}
        assert len(bars) == 1
    assert "](" not in text
    assert "<i>" not in text.replace("\\<i\\>", "")


def test_csv_has_every_number_in_full(four_engines: Comparison) -> None:
    found = rows(four_engines)
    assert tuple(found[0]) == csv_report.COLUMNS
    for cell in four_engines.cells:
        label = four_engines.variants[cell.variant].label
        own = [row for row in found if row["variant"] == label]
        runs = [row for row in own if row["row"] == "run"]
        assert [int(row["repeat"]) for row in runs] == [run.repeat for run in cell.runs]
        for row, run in zip(runs, cell.runs, strict=True):
            for name, number in run.values.items():
                assert float(row[name]) == number
            for name in PHASES:
                assert row[f"{name}_count"] == str(run.counts.get(name, ""))
        for name, stat in cell.stats.items():
            for kind in csv_report.STATS:
                (row,) = (row for row in own if row["row"] == kind)
                assert float(row[name]) == getattr(stat, kind)
        for name, ratio in cell.ratios.items():
            (row,) = (row for row in own if row["row"] == "ratio_low")
            assert float(row[name]) == ratio.low
        (median,) = (row for row in own if row["row"] == "median")
        if cell.difference is not None:
            assert float(median["reference_wer_rate"]) == cell.difference.wer.rate
            assert int(median["reference_cer_deletions"]) == cell.difference.cer.deletions
        if cell.agreement is not None and cell.agreement.times is not None:
            assert float(median["times_bias_s"]) == cell.agreement.times.bias_s


def test_the_documentation_names_every_value() -> None:
    text = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
    assert [name for name in BY_NAME if f"`{name}`" not in text] == []


def test_the_page_carries_the_document_and_nothing_gets_out_of_it(make: Make) -> None:
    nasty = '</script><script>alert(1)</script> <img src=x onerror=alert(2)> "quoted" &amp;'
    text = page(make([nasty, "b"], [nasty, "<b>bold</b>"], recordings=(nasty,)))
    assert len(re.findall("<script", text)) == 2
    assert "<img" not in text
    assert "<b>" not in text
    found = re.search(r'<script type="application/json" id="comparison">(.*?)</script>', text, re.S)
    assert found is not None
    assert json.loads(found[1])["cells"][0]["text"] == nasty


def test_what_the_page_carries_is_what_json_output_is(four_engines: Comparison) -> None:
    text = page(four_engines)
    found = re.search(r'id="comparison">(.*?)</script>', text, re.S)
    assert found is not None
    assert json.loads(found[1]) == json.loads(document.text(four_engines))


def test_names_that_are_no_text_can_be_written(make: Make) -> None:
    odd = make(["native"], [A_TEXT], recordings=("caf\udce9.wav", "bell\x07\x1b[31m.wav"))
    for text in (markdown.text(odd), csv_report.text(odd), page(odd)):
        text.encode()
    assert not any(c in "".join(lines(odd)) for c in "\x07\x1b")


def test_words_of_scripts_without_spaces_stay_together(make: Make) -> None:
    text = page(make(["native", "wasi/wasmer"], ["今日は晴れ。", "今日は雨。"]))
    words = re.sub(r"<[^>]+>", "", re.findall(r'<p dir="auto">(.*?)</p>', text, re.S)[0])
    assert "今日は晴れ。" in words.replace("00:00:00.000 ", "")


def test_more_than_an_hour_is_not_put_into_the_page(make: Make) -> None:
    silence = np.broadcast_to(np.float32(0), 16_000 * 1801)  # takes no memory
    two = make(["native"], [A_TEXT], recordings=("a.wav", "b.wav"))
    text = html.page(two, [silence, silence])
    assert "data:audio" not in text
    assert text.count("too long to be embedded in this page") == 2
    assert 'class="w"' not in text


def test_workers_are_counted_before_their_names() -> None:
    assert figures.describe_workers(Workers(("0",), 2)) == "1, with 2 threads: 0"
    assert figures.describe_workers(Workers(("0", "1"), 1, "b was not used")) == (
        "2, of the same kind, with 1 thread each: 0, 1; b was not used"
    )


def test_drift_is_in_every_report(four_engines: Comparison) -> None:
    ratio = Ratio(1.2345, 1.1234, 1.3456)
    drift = Drift(
        "2025-12-31T00:00:00+00:00",
        ("version of numpy: 1.26.0 then, 2.3.4 now",),
        (CellDrift(1, "different", four_engines.cells[2].difference, {"wall_ms": ratio}),),
    )
    again = replace(four_engines, drift=drift)
    terminal = " ".join(lines(again, 150))
    for text in (terminal, markdown.text(again).replace("\\", ""), page(again)):
        assert "version of numpy: 1.26.0 then, 2.3.4 now" in text
        assert "1.23x [1.12, 1.35]" in text
        assert "2025-12-31" in text
    (row,) = (row for row in rows(again) if row["row"] == "drift")
    assert float(row["wall_ms"]) == ratio.value
