"""Comparisons to report on: real runs, and made-up ones for what seldom happens."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jiwer
import pytest

from whisperctl.compare import document
from whisperctl.compare.result import (
    SCHEMA,
    Agreement,
    CellInfo,
    Comparison,
    Difference,
    Divergence,
    EngineInfo,
    Errors,
    LeftOut,
    Machine,
    ModelFile,
    PhaseInfo,
    Ratio,
    RecordingInfo,
    Reference,
    Run,
    SegmentInfo,
    Stat,
    TimeDeltas,
    TokenAgreement,
    VariantInfo,
    WordInfo,
    WordSpan,
)
from whisperctl.compare.scoring import wer
from whisperctl.testing.fake import write_model

SAID = (
    "And so, my fellow Americans, ask not what your country can do for you, "
    "ask what you can do for your country."
)
SPOKEN = f" {SAID}".replace(",", "")
HEARD = SAID.replace("fellow Americans", "fellow American's")
MISHEARD = SAID.replace("so, my", "so my").replace(" for you,", "") + " Thank you."

Make = Callable[..., Comparison]


@pytest.fixture(scope="session")
def make() -> Make:
    """Makes up a comparison: see ``made_up``."""
    return made_up


@pytest.fixture(scope="session")
def four_engines() -> Comparison:
    """Four engines, of which one failed and two say the same, with a reference and three runs."""
    labels = ("native", "wasi/wasmtime", "wasi/wasmer", "faster-whisper")
    return made_up(labels, (HEARD, HEARD, MISHEARD, None), reference=SAID)


def made_up(
    labels: Sequence[str],
    texts: Sequence[str | None],
    *,
    recordings: Sequence[str] = ("jfk.wav",),
    reference: str | None = None,
    repeats: int = 3,
    error: str = "killed by signal 9 (SIGKILL)",
) -> Comparison:
    """A comparison with a variant for each label, the first of which is the baseline.

    A text of ``None`` is a cell that failed. Every number is another one.
    """
    cells = [
        _cell(recording, variant, text, texts[0], reference, repeats, error)
        for recording in range(len(recordings))
        for variant, text in enumerate(texts)
    ]
    return Comparison(
        schema=SCHEMA,
        whisperctl="0.1.0",
        date="2026-01-02T03:04:05+00:00",
        command=("compare", *recordings, "--repeat", str(repeats)),
        machine=Machine(
            "A processor @ 2.00GHz", ("avx2", "fma"), 4, 2, 8 << 30, "Linux-6.1", "3.11.7", (0.25,)
        ),
        packages={"whisperctl-asr": "0.1.0", "numpy": "2.3.4"},
        parameters={"language": "en", "beam_size": 5, "temperature_increment": 0.0},
        repeats=repeats,
        warm_up=True,
        baseline=labels[0],
        recordings=tuple(
            RecordingInfo(
                label=label,
                path=f"/talks/{label}",
                file_sha256="1f" * 32,
                samples_sha256=f"{n:02x}" * 32,
                n_samples=176_000,
                duration_s=11.0,
                reference=None if reference is None else Reference("jfk.txt", "2e" * 32, reference),
            )
            for n, label in enumerate(recordings)
        ),
        models=(ModelFile("tiny.en", "f16", Path("/m/ggml-tiny.en.bin"), 77_704_715, "3d" * 32),),
        engines=tuple(
            EngineInfo(
                label.split(",")[0],
                label.split("/")[0],
                label.partition("/")[2] or None,
                {"backend": "0.1.0", "engine": "whisper.cpp 1.8.2", "runtime": ""},
                {"whisper.wasm": "4c" * 32} if "wasi" in label else {},
                "AVX = 1 | FMA = 1",
            )
            for label in labels
        ),
        variants=tuple(VariantInfo(label, n, 0, 1) for n, label in enumerate(labels)),
        cells=tuple(cells),
        left_out=(LeftOut("acme", "it is not installed"),),
        elapsed_s=98.7654321,
    )


def _cell(
    recording: int,
    variant: int,
    text: str | None,
    baseline: str | None,
    reference: str | None,
    repeats: int,
    error: str,
) -> CellInfo:
    if text is None:
        return CellInfo(recording, variant, error=error)
    factor = (1 + 0.731 * variant) * (1 + 0.1 * recording)
    runs = tuple(_run(repeat, factor * (1 + 0.013 * repeat)) for repeat in range(1, repeats + 1))
    stats = {name: _stat([run.values[name] for run in runs]) for name in runs[0].values}
    ratio = Ratio(factor, factor * 0.97, factor * 1.04)
    if repeats == 1:
        ratio = Ratio(factor, None, None)
    own = {name: replace(ratio, value=factor + n / 1000) for n, name in enumerate(stats)}
    compared = baseline is not None
    return CellInfo(
        recording=recording,
        variant=variant,
        baseline=0 if compared else None,
        runs=runs,
        stats=stats,
        ratios={} if not compared else own,
        phases=tuple(
            PhaseInfo(
                name, stats[f"{name}_ms"].median, count, stats[f"{name}_ms"].median / max(1, count)
            )
            for name, count in runs[0].counts.items()
        ),
        language="en",
        language_probability=0.9876,
        text=text,
        text_group="ABCDEFGH"[hash_of(text)],
        segments=segments_of(text),
        token_ids=tuple(range(len(wer.split_words(text)))),
        agreement=None if variant == 0 or baseline is None else _agreement(baseline, text, variant),
        difference=None if reference is None else difference_of(reference, text),
    )


def hash_of(text: str) -> int:
    return (HEARD, MISHEARD).index(text) if text in (HEARD, MISHEARD) else 2 + len(text) % 6


def segments_of(text: str) -> tuple[SegmentInfo, ...]:
    """Seven words a segment, half a second a word."""
    words = [
        WordInfo(n / 2, n / 2 + 0.4, word, exact=True)
        for n, word in enumerate(wer.split_words(text))
    ]
    return tuple(
        SegmentInfo(
            words[n].start_s,
            words[n : n + 7][-1].end_s,
            "".join(f" {word.text}" for word in words[n : n + 7]),
            tuple(words[n : n + 7]),
        )
        for n in range(0, len(words), 7)
    )


def _run(repeat: int, factor: float) -> Run:
    numbers: Mapping[str, float] = {
        "start_ms": 412.3456,
        "audio_decode_ms": 7.654321,
        "module_compile_ms": 23.45678,
        "instantiate_ms": 3.21987,
        "load_ms": 98.7612,
        "mel_ms": 12.3987,
        "sample_ms": 31.4159,
        "encode_ms": 812.6543,
        "decode_ms": 2.71828,
        "batchd_ms": 145.9876,
        "prompt_ms": 9.12345,
        "total_ms": 1123.4567,
        "open_ms": 131.4142,
        "first_ms": 1302.5772,
        "cold_start_ms": 1846.337,
        "wall_ms": 1034.5678,
        "cpu_ms": 1029.8765,
        "real_time_factor": 0.0940516,
        "peak_memory_bytes": 268_435_456.0,
        "linear_memory_bytes": 201_326_592.0,
    }
    return Run(
        repeat,
        {name: number * factor for name, number in numbers.items()},
        {"mel": 1, "sample": 133, "encode": 1, "decode": 2, "batchd": 27, "prompt": 1},
    )


def _stat(numbers: Sequence[float]) -> Stat:
    ordered = sorted(numbers)
    median = ordered[len(ordered) // 2]
    if len(ordered) == 1:
        return Stat(median, None, None, median, median)
    mad = sorted(abs(number - median) for number in ordered)[len(ordered) // 2]
    return Stat(median, mad, mad * 1.9, ordered[0], ordered[-1])


def difference_of(reference: str, text: str) -> Difference:
    def normalize(words: str) -> str:
        return re.sub(r"[^\w\s]", "", words).lower() or "-"

    found = jiwer.process_words(reference or "-", text or "-")
    return Difference(
        identical=reference == text,
        wer=_errors(found),
        cer=_errors(jiwer.process_characters(reference or "-", text or "-")),
        normalized_wer=_errors(jiwer.process_words(normalize(reference), normalize(text))),
        normalized_cer=_errors(jiwer.process_characters(normalize(reference), normalize(text))),
        spans=tuple(
            WordSpan(
                c.type,  # type: ignore[arg-type]  # a plain string to jiwer
                c.ref_start_idx,
                c.ref_end_idx,
                c.hyp_start_idx,
                c.hyp_end_idx,
            )
            for c in found.alignments[0]
        ),
    )


def _errors(found: Any) -> Errors:
    return Errors(
        float(found.wer if hasattr(found, "wer") else found.cer),
        found.substitutions,
        found.deletions,
        found.insertions,
        found.hits + found.substitutions + found.deletions,
    )


def _agreement(baseline: str, text: str, variant: int) -> Agreement:
    difference = difference_of(baseline, text)
    n = max(len(wer.split_words(text)), len(baseline.split()))
    equal = n - difference.wer.substitutions - difference.wer.deletions
    return Agreement(
        difference,
        TokenAgreement(equal / n if n else 1.0, equal, n),
        None if text == baseline else Divergence(3, 1.2345, "so, my fellow", "so my fellow"),
        TimeDeltas(equal, 0.0123 * variant, 0.0456 * variant, 0.0789, 0.1234, -0.0045),
    )


@dataclass(frozen=True)
class RealRun:
    """What one run of ``whisperctl compare`` wrote, in every format."""

    comparison: Comparison
    document: Path
    json: dict[str, Any]
    model: Path
    html: Path
    markdown: str
    csv: str
    table: str
    errors: str


@pytest.fixture(scope="session")
def real_run(tmp_path_factory: pytest.TempPathFactory, jfk: Path) -> RealRun:
    """Two real engines, two runs each, with a reference that is not what they say.

    The text is right but for one word. The model says it by itself, which takes a small part of
    tiny.en's time; greedy and without a warm-up. Run once for all processes of the tests.
    """
    directory = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        directory = directory.parent
    directory /= "real-run"
    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "table.txt").exists():
            model = write_model(directory / "ggml-tiny.en.bin", says=(0.0, SPOKEN.encode(), 11.0))
            _compare(directory, jfk, model)
    return RealRun(
        comparison=document.read(directory / "run.json"),
        document=directory / "run.json",
        json=json.loads((directory / "run.json").read_text(encoding="ascii")),
        model=directory / "ggml-tiny.en.bin",
        html=directory / "run.html",
        markdown=(directory / "run.md").read_text(encoding="utf-8"),
        csv=(directory / "run.csv").read_text(encoding="utf-8"),
        table=(directory / "table.txt").read_text(encoding="utf-8"),
        errors=(directory / "errors.txt").read_text(encoding="utf-8"),
    )


def _compare(directory: Path, recording: Path, model: Path) -> None:
    reference = directory / "jfk.txt"
    reference.write_text(SAID.replace("country.", "nation."), encoding="utf-8")
    arguments = ["compare", recording, "--model", model, "-b", "native", "-b", "wasi/wasmtime"]
    arguments += ["--repeat", "2", "--no-warm-up", "--beam-size", "1", "--word-timestamps"]
    arguments += ["--language", "en", "--temperature-increment-on-fallback", "0"]
    arguments += ["--threads", "1", "--reference", reference, "--phases"]
    for extension in ("json", "html", "md", "csv"):
        arguments += ["--output", directory / f"run.{extension}"]
    done = subprocess.run(
        [sys.executable, "-m", "whisperctl", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        cwd=directory,
        env={**os.environ, "WHISPERCTL_CONFIG": os.devnull, "WHISPERCTL_STATE": str(directory)},
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (directory / "errors.txt").write_text(done.stderr, encoding="utf-8")
    (directory / "table.txt").write_text(done.stdout, encoding="utf-8")  # the last, as it is all
