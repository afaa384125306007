"""Subtitles scored against those of whisperctl's peers, from the same weights and recordings.

SubER is the share of words, line breaks and ends of cues to edit, to make a subtitle file the
reference; its own program counts it. The other columns look at a file alone.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench import peers
from whisperctl.compare.conclude import describe_machine
from whisperctl.compare.reports import figures
from whisperctl.compare.reports.markdown import escaped
from whisperctl.formats import srt
from whisperctl.formats.reading import read
from whisperctl.models import store
from whisperctl.options import PROFILES
from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import sentence_begins
from whisperctl.subtitles.lint import ReadingLimits, lint
from whisperctl.transcript import Segment, Transcript

ENGINES = ("faster-whisper/int8", "native")
LENGTHS_S = (11, 26, 600)
"""jfk.wav, austen.flac, and ten minutes of both in turns."""

_WIDTH, _LINES = 42, 2
_CLAUSE = re.compile("[.!?\u2026,;:\u2013\u2014][\"'\u201d\u2019)]*$")
_HEADINGS = (
    *("", "SubER", "cues", "end a sentence", "end a clause", "lines end a clause"),
    *("begin inside", "lone words", "42 x 2", "20 cps", "netflix"),
)


@dataclass(frozen=True, slots=True)
class Scores:
    """What a subtitle file is like; all but ``suber`` and ``n_cues`` are shares.

    Where cues and lines end counts for all but the last: that one ends with the recording, wherever
    the others do. A file of one has no such share.
    ``begins_inside`` are cues with the begin of a sentence whose end is in the next.
    ``lone_words`` are cues of two lines, of which one is a word.
    """

    suber: float | None
    n_cues: int
    ends_sentence: float | None
    ends_clause: float | None
    lines_end_clause: float | None
    begins_inside: float
    lone_words: float
    fits: float
    readable: float
    netflix: float


def programs(folder: Path) -> list[peers.Program]:
    """The commands that can be run here; ``like`` holds the options of subtitles."""
    from whisperctl_faster_whisper import cache, convert

    model = store.resolve(peers.MODEL)
    found: list[peers.Program] = []
    common: tuple[str, ...]
    program = folder / "ctranslate2/bin/whisper-ctranslate2"
    layout = ("--max_line_width=42", "--max_line_count=2", "--word_timestamps=True")
    if peers.is_there(program):
        common = (
            *(str(program), "{audio}", "--language", "en", "--compute_type", "int8"),
            *("--model_directory", str(cache.converted(model, convert.VERSION, convert.convert))),
            *("--output_format", "srt", "--output_dir", "{out}"),
        )
        found.append(peers.Program("whisper-ctranslate2, 42 x 2", common, layout))
        found.append(peers.Program("whisper-ctranslate2, as it is", common, ()))
    program = folder / "whisper.cpp/build/bin/whisper-cli"
    if peers.is_there(program):
        common = (
            *(str(program), "-m", str(model), "-l", "en", "-f", "{audio}", "--no-prints"),
            *("--output-srt", "--output-file", "{out}/text"),
        )
        found.append(peers.Program("whisper-cli, 42", common, ("-ml", "42", "-sow")))
        found.append(peers.Program("whisper-cli, as it is", common, ()))
    for engine in ENGINES:
        common = (
            *(sys.executable, "-m", "whisperctl", "transcribe", "{audio}", "--backend", engine),
            *("--model", str(model), "--language", "en", "--output-format", "srt"),
            *("--output-dir", "{out}"),
        )
        same = ("--max-line-width=42", "--max-line-count=2")
        found.append(peers.Program(f"whisperctl, {engine}, 42 x 2", common, same))
        found.append(
            peers.Program(f"whisperctl, {engine}, netflix", common, ("--profile=netflix",))
        )
    return found


def reference(length_s: int, target: Path) -> None:
    """Write the reference for a recording: those of the samples, as often as they are in it."""
    parts = {name: read(peers.ROOT / f"samples/{name}.srt", None) for name in ("austen", "jfk")}
    segments: list[Segment] = []
    at_s = 0.0
    for name, piece_s in peers.pieces(length_s):
        segments += [segment.shifted(at_s) for segment in parts[name].segments]
        at_s += piece_s
    with target.open("w", encoding="utf-8", newline="\n") as out:
        srt.write_srt(Transcript(tuple(segments), "en", at_s), out)


def run(program: peers.Program, audio: Path, out: Path) -> Path:
    """Run a command, and return the file that it wrote.

    Raises:
        ValueError: the command failed, or wrote no file.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    filled = [text.format(audio=audio, out=out) for text in (*program.command, *program.like)]
    search = f"{Path(program.command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: S603 - our own arguments
        filled,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=1800,
        env={**os.environ, "PATH": search},
    )
    written = sorted(out.glob("*.srt"))
    if done.returncode != 0 or not written:
        last = done.stderr.strip().splitlines()[-1:]
        raise ValueError(f"exit code {done.returncode}: {' '.join(last)}")
    return written[0]


def scores(path: Path, expected: Path, suber: Path) -> Scores:
    """Score a subtitle file."""
    segments = read(path, "srt").segments
    texts = [markup.unstyled(segment.text) for segment in segments]
    cues = [[line.strip() for line in text.split(markup.BREAK)] for text in texts]
    lines = [line for cue in cues for line in cue]
    n = len(cues)
    ends = [
        sentence_begins(cue[-1], cues[index + 1][0] if index < n - 1 else "A")
        for index, cue in enumerate(cues)
    ]
    clauses = [bool(_CLAUSE.search(cue[-1])) for cue in cues]
    limits = ReadingLimits.of(PROFILES["netflix"])
    fits = ReadingLimits(max_line_width=_WIDTH, max_line_count=_LINES)
    return Scores(
        suber=_suber(path, expected, suber),
        n_cues=n,
        ends_sentence=_share(ends[:-1]),
        ends_clause=_share(clauses[:-1]),
        lines_end_clause=_share([bool(_CLAUSE.search(line)) for line in lines[:-1]]),
        begins_inside=statistics.fmean(
            not end and _begins_inside(" ".join(cue)) for end, cue in zip(ends, cues, strict=True)
        ),
        lone_words=statistics.fmean(
            len(cue) > 1 and any(" " not in line for line in cue) for cue in cues
        ),
        fits=_kept(segments, fits),
        readable=_kept(segments, ReadingLimits(max_cps=limits.max_cps)),
        netflix=_kept(segments, limits),
    )


def _share(found: Sequence[bool]) -> float | None:
    return statistics.fmean(found) if found else None


def _begins_inside(text: str) -> bool:
    words = text.split()
    return any(sentence_begins(a, b) for a, b in pairwise(words))


def _kept(segments: Sequence[Segment], limits: ReadingLimits) -> float:
    wrong = {finding.cue for finding in lint(segments, limits)}
    return 1 - len(wrong) / len(segments)


def _suber(path: Path, expected: Path, program: Path) -> float | None:
    if not program.is_file():
        return None
    command = [str(program), "-H", str(path), "-R", str(expected), "-m", "SubER"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603
    found: Mapping[str, float] = json.loads(done.stdout)
    return found["SubER"]


def measure(folder: Path, lengths_s: Sequence[int] = LENGTHS_S) -> Iterator[str]:
    """Lines of tables, one for each recording."""
    folder.mkdir(parents=True, exist_ok=True)
    suber = folder / "suber/bin/suber"
    yield f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}:"
    yield ""
    yield f"- machine: {escaped(figures.machine_text(describe_machine()))}"
    yield f"- versions: {escaped(', '.join(peers.versions(folder)))}"
    yield f"- model: {peers.MODEL}, the same weights for all, converted where needed"
    for length_s in lengths_s:
        audio = folder / f"subtitles-{length_s}.wav"
        seconds = peers.write_speech(audio, length_s)
        expected = folder / f"subtitles-{length_s}.srt"
        reference(length_s, expected)
        yield ""
        yield f"### {seconds:.0f} s of speech"
        yield ""
        yield f"| {' | '.join(_HEADINGS)} |"
        yield f"|---{'|---:' * (len(_HEADINGS) - 1)}|"
        failed: dict[str, str] = {}
        for program in programs(folder):
            try:
                found = scores(run(program, audio, folder / "out"), expected, suber)
            except (ValueError, subprocess.SubprocessError) as error:
                failed[program.name] = str(error)
                continue
            print(f"bench: {program.name}: {found}", file=sys.stderr, flush=True)
            yield f"| {program.name} | {' | '.join(_cells(found))} |"
        row = _cells(scores(expected, expected, suber))
        yield f"| the reference | {' | '.join(row)} |"
        yield from (f"\n{name} failed: {escaped(why)}" for name, why in failed.items())


def _cells(found: Scores) -> Iterator[str]:
    yield figures.NOTHING if found.suber is None else f"{found.suber:.1f}"
    yield str(found.n_cues)
    for share in (
        *(found.ends_sentence, found.ends_clause, found.lines_end_clause, found.begins_inside),
        *(found.lone_words, found.fits, found.readable, found.netflix),
    ):
        yield figures.NOTHING if share is None else f"{share:.0%}"
