"""Whole commands compared with whisperctl's peers: time, memory and word errors.

Every run is a separate command, from reading the model to writing the text. The commands of one
recording take turns, so that ratios are of runs that are close in time. Peers that were not
installed, and those that fail, are left out with a line.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from whisperctl import audio
from whisperctl.compare.conclude import describe_machine
from whisperctl.compare.reports import figures
from whisperctl.compare.reports.markdown import escaped
from whisperctl.compare.scoring import wer
from whisperctl.compare.statistics import paired_ratio
from whisperctl.models import store

ROOT = Path(__file__).resolve().parents[1]
MODEL = "tiny.en"
BASELINE = "whisper-ctranslate2, int8, batched"
LENGTHS_S = (11, 180, 600)
ENGINES = (
    "faster-whisper/int8",
    "faster-whisper/float32",
    "wasi/wasmer",
    "wasi/wasmtime",
    "native",
)
BATCHING = "faster-whisper/int8"
"""Engine that is measured with several windows at once as well."""

_REPEATS = {11: 3, 180: 3, 600: 1}
_PAUSE_S = 0.5
_SOUNDS = {"austen": ".flac", "jfk": ".wav"}
_TIMEOUT_S = 1800.0
_LIKE = "like for like"
SETTINGS = ("defaults", _LIKE)

# What torch loads: the names of the tensors are OpenAI's own in a ggml file.
_SAVE_CHECKPOINT = """
import sys, json, numpy, torch
arrays = numpy.load(sys.argv[1])
state = {name: torch.from_numpy(arrays[name]) for name in arrays.files}
torch.save({"dims": json.loads(sys.argv[3]), "model_state_dict": state}, sys.argv[2])
"""


@dataclass(frozen=True, slots=True)
class Recording:
    """Speech and what is said in it."""

    path: Path
    text: str
    length_s: float


@dataclass(frozen=True, slots=True)
class Program:
    """A command, without the recording.

    Attributes:
        name: what the table calls it.
        command: program and arguments; ``{audio}`` and ``{out}`` (a directory) are filled in.
        like: arguments for five beams, two threads and no fallback.
    """

    name: str
    command: tuple[str, ...]
    like: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What a command took: time in s, CPU time of all its processes, memory of the largest."""

    program: str
    setting: str
    length_s: int
    repeat: int
    wall_s: float
    cpu_s: float
    memory_mib: float
    word_errors: float


def recording(folder: Path, at_least_s: int) -> Recording:
    """A recording of real speech, at least so long: the samples again and again, with pauses."""
    samples = ROOT / "samples"
    path = folder / f"speech-{at_least_s}.wav"
    length_s = write_speech(path, at_least_s)
    texts = [(samples / f"{name}.txt").read_text("utf-8") for name, _ in pieces(at_least_s)]
    return Recording(path, " ".join(texts), length_s)


def pieces(at_least_s: float) -> list[tuple[str, float]]:
    """Names of the samples that speech of a length is made of, and the time until the next begins.

    The shortest is jfk.wav alone.
    """
    lengths_s = {name: len(_samples(name)) / audio.SAMPLE_RATE for name in _SOUNDS}
    names = sorted(lengths_s, reverse=at_least_s <= LENGTHS_S[0])
    found: list[tuple[str, float]] = []
    length_s = -_PAUSE_S
    while length_s < at_least_s - 1:
        name = names[len(found) % 2]
        found.append((name, lengths_s[name] + _PAUSE_S))
        length_s += found[-1][1]
    return found


def write_speech(path: Path, at_least_s: float) -> float:
    """Write the samples in turns, with pauses, to a WAV file; returns its length in s."""
    pause = np.zeros(round(_PAUSE_S * audio.SAMPLE_RATE), np.float32)
    parts: list[Any] = []
    for name, _ in pieces(at_least_s):
        parts += [_samples(name), pause]
    speech = np.concatenate(parts[:-1])
    soundfile.write(path, speech, audio.SAMPLE_RATE, subtype="PCM_16")
    return len(speech) / audio.SAMPLE_RATE


@cache
def _samples(name: str) -> Any:
    return audio.load(ROOT / "samples" / f"{name}{_SOUNDS[name]}").samples


def programs(folder: Path) -> list[Program]:
    """The commands that can be run here: the peers installed in ``folder``, and whisperctl's."""
    from whisperctl_faster_whisper import cache, convert

    model = store.resolve(MODEL)
    found: list[Program] = []
    command: tuple[str, ...]
    like: tuple[str, ...]
    program = folder / "ctranslate2/bin/whisper-ctranslate2"
    if is_there(program):
        common = (
            *(str(program), "{audio}", "--language", "en", "--compute_type", "int8"),
            *("--model_directory", str(cache.converted(model, convert.VERSION, convert.convert))),
            *("--output_format", "txt", "--output_dir", "{out}"),
        )
        like = ("--beam_size=5", "--threads=2", "--temperature_increment_on_fallback=None")
        found.append(Program(BASELINE, (*common, "--batched", "True"), like))
        found.append(Program(BASELINE.removesuffix(", batched"), common, like))
    program = folder / "openai/bin/whisper"
    if is_there(program):
        command = (
            *(str(program), "{audio}", "--language", "en", "--fp16", "False", "--device", "cpu"),
            *("--model", str(_checkpoint(folder, model))),
            *("--output_format", "txt", "--output_dir", "{out}"),
        )
        like = ("--beam_size=5", "--threads=2", "--temperature_increment_on_fallback=None")
        found.append(Program("openai-whisper, float32", command, like))
    program = folder / "whisper.cpp/build/bin/whisper-cli"
    if is_there(program):
        command = (
            *(str(program), "-m", str(model), "-l", "en", "-f", "{audio}"),
            *("--no-prints", "--output-txt", "--output-file", "{out}/text"),
        )
        like = ("--beam-size", "5", "--threads", "2", "--no-fallback")
        found.append(Program("whisper-cli, built for the machine", command, like))
    ours = {f"whisperctl, {engine}": (engine, Path(sys.executable)) for engine in ENGINES}
    tuned = ROOT / ".venv-native/bin/python"
    if is_there(tuned):
        ours["whisperctl, native (tuned)"] = ("native", tuned)
    for name, (engine, python) in ours.items():
        command = (
            *(str(python), "-m", "whisperctl", "transcribe", "{audio}", "--backend", engine),
            *("--model", str(model), "--language", "en", "--output-format", "txt"),
            *("--output-dir", "{out}"),
        )
        like = ("--beam-size=5", "--threads=2", "--temperature-increment-on-fallback=0")
        found.append(Program(name, command, like))
        if engine == BATCHING:
            found.append(Program(f"{name}, batched", (*command, "--batch-size=8"), like))
    return found


def is_there(program: Path) -> bool:
    """True if a program is installed; else a line says that it is left out."""
    if not program.is_file():
        print(f"bench: {program} is not installed; it is left out", file=sys.stderr)
        return False
    return True


def _checkpoint(folder: Path, model: Path) -> Path:
    """The model as openai-whisper reads it, written with that program's own torch."""
    from whisperctl.models.ggml.layout import tensors
    from whisperctl_faster_whisper.weights import GgmlWeights

    target = folder / f"{MODEL}.pt"
    if target.is_file():
        return target
    weights = GgmlWeights.open(model)
    arrays: dict[str, Any] = {}  # savez has arguments of other types, too
    for spec in tensors(weights.parameters):
        values = weights[spec.name].astype(np.float32)
        # ggml keeps the bias of a convolution as a column.
        arrays[spec.name] = values[:, 0] if values.shape[1:] == (1,) else values
    written = folder / f"{MODEL}.npz"
    np.savez(written, **arrays)
    facts = asdict(weights.parameters)
    facts.pop("ftype")
    python = str(folder / "openai/bin/python")
    command = [python, "-c", _SAVE_CHECKPOINT, str(written), str(target), json.dumps(facts)]
    subprocess.run(command, check=True)  # noqa: S603 - our own arguments
    written.unlink()
    return target


def run(
    program: Program, setting: str, speech: Recording, out: Path, repeat: int, asked_s: int
) -> Run:
    """Run a command, and compare what it wrote with what was said.

    Raises:
        ValueError: the command failed, or wrote no text.
    """
    arguments = (*program.command, *(program.like if setting == _LIKE else ()))
    filled = [text.format(audio=speech.path, out=out) for text in arguments]
    out.mkdir(parents=True, exist_ok=True)
    for old in out.iterdir():
        old.unlink()
    search = f"{Path(program.command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    with (out.parent / "output.log").open("w+b") as log:
        begun = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            ["timeout", str(_TIMEOUT_S), *filled],  # noqa: S607
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": search},
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = [path.read_text("utf-8") for path in out.glob("*.txt")]
        if process.returncode != 0 or not texts:
            log.seek(0)
            last = log.read().decode(errors="replace").strip().splitlines()[-1:]
            raise ValueError(f"exit code {process.returncode}: {' '.join(last)}")
    found = wer.difference(" ".join(speech.text.split()), " ".join(texts[0].split()), language="en")
    return Run(
        program=program.name,
        setting=setting,
        length_s=asked_s,
        repeat=repeat,
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        memory_mib=usage.ru_maxrss / 1024,
        word_errors=found.normalized_wer.rate,
    )


def measure(folder: Path, lengths_s: Sequence[int]) -> Iterator[str]:
    """Lines of tables, one for each recording and setting."""
    machine = describe_machine()
    folder.mkdir(parents=True, exist_ok=True)
    yield f"Measured on {time.strftime('%Y-%m-%d', time.gmtime())}:"
    yield ""
    yield f"- machine: {escaped(figures.machine_text(machine))}"
    yield f"- versions: {escaped(', '.join(versions(folder)))}"
    yield f"- model: {MODEL}, the same weights for all, converted where needed"
    yield ""
    yield (
        "Whole commands: wall and CPU time in s, MiB of the largest process. Medians; ratios (x) "
        f"are to {BASELINE}, and medians of the ratios within each repeat. WER is against what is "
        "said. Like for like: five beams, two threads, no fallback. A recording longer than 11 s "
        "is austen.flac and jfk.wav in turns."
    )
    found = programs(folder)
    runs: list[Run] = []
    for length_s in lengths_s:
        speech = recording(folder, length_s)
        repeats = _REPEATS.get(length_s, 1)
        for setting in SETTINGS:
            failed: dict[str, str] = {}
            for repeat in range(repeats):
                for program in found if repeat % 2 == 0 else found[::-1]:
                    if program.name in failed:
                        continue
                    try:
                        one = run(program, setting, speech, folder / "out", repeat, length_s)
                    except ValueError as error:
                        failed[program.name] = str(error)
                        continue
                    runs.append(one)
                    print(f"bench: {one}", file=sys.stderr, flush=True)
            raw = json.dumps([asdict(one) for one in runs], indent=1)
            (folder / "runs.json").write_text(raw, "utf-8")
            yield ""
            plural = "s" if repeats > 1 else ""
            yield f"### {speech.length_s:.0f} s of speech, {setting} ({repeats} run{plural} each)"
            yield ""
            here = [one for one in runs if (one.length_s, one.setting) == (length_s, setting)]
            yield from table(here)
            if failed:
                yield ""
                yield from (f"- {name} failed: {escaped(why)}" for name, why in failed.items())


def table(runs: Sequence[Run]) -> Iterator[str]:
    """Rows of the runs of one recording and setting, the fastest first."""
    yield "| | wall s | CPU s | MiB | WER | wall x | CPU x |"
    yield f"|---|{'---:|' * 6}"
    by_program: dict[str, list[Run]] = {}
    for one in runs:
        by_program.setdefault(one.program, []).append(one)
    rows = []
    for name, own in by_program.items():
        wall_s = statistics.median(one.wall_s for one in own)
        cpu_s = statistics.median(one.cpu_s for one in own)
        memory = statistics.median(one.memory_mib for one in own)
        errors = statistics.median(one.word_errors for one in own)
        base = by_program.get(BASELINE, [])
        ratios = [
            paired_ratio(_by_repeat(own, what), _by_repeat(base, what))
            for what in ("wall_s", "cpu_s")
        ]
        cells = [f"{wall_s:.2f}", f"{cpu_s:.2f}", f"{memory:.0f}", f"{errors:.1%}"]
        cells += [figures.NOTHING if ratio is None else f"{ratio.value:.2f}" for ratio in ratios]
        rows.append((wall_s, f"| {name} | {' | '.join(cells)} |"))
    yield from (row for _, row in sorted(rows))


def _by_repeat(runs: Sequence[Run], what: str) -> Mapping[int, float]:
    return {one.repeat: getattr(one, what) for one in runs}


def versions(folder: Path) -> Iterator[str]:
    """Versions of the peers and of what they stand on."""
    wanted = {
        "ctranslate2": ("whisper-ctranslate2", "faster-whisper", "ctranslate2"),
        "openai": ("openai-whisper", "torch"),
    }
    code = "import sys; from importlib.metadata import version\n"
    code += "for n in sys.argv[1:]: print(n, version(n))"
    for name, packages in wanted.items():
        python = folder / name / "bin/python"
        if python.is_file():
            command = [str(python), "-c", code, *packages]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            yield from done.stdout.splitlines()
    from whisperctl.engine import registry

    for backend in registry.probe():
        if backend.info is not None:
            yield f"{backend.name} {backend.info.version} ({backend.info.library})"
