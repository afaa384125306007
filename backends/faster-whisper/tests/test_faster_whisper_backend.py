"""The faster-whisper backend: what it says of itself, and what it does not take."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from whisperctl.engine import resources
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.engine.registry import Engine, parse
from whisperctl.errors import BackendError, UsageError
from whisperctl.models import store
from whisperctl_faster_whisper import FasterWhisperBackend, backend, loaded_model


@pytest.fixture(scope="module")
def tiny_en() -> Path:
    return store.resolve("tiny.en").absolute()


def test_it_is_found_by_its_entry_point() -> None:
    assert parse("faster-whisper/int8") == Engine("faster-whisper", "int8")


def test_says_what_it_computes_with() -> None:
    info = FasterWhisperBackend().describe()

    assert info.available
    assert [runtime.name for runtime in info.runtimes][:2] == ["float32", "int8"]
    assert "faster-whisper 1." in info.library
    assert "CTranslate2 4." in info.library


def test_a_runtime_that_is_not_there_is_an_error(tiny_en: Path) -> None:
    with pytest.raises(BackendError, match='no runtime "int9"; it has float32, int8'):
        FasterWhisperBackend().open(Model.inspect(tiny_en), OpenOptions(1, "int9"))


@pytest.mark.parametrize("threads", [0, 513])
def test_threads_must_be_a_number_that_makes_sense(tiny_en: Path, threads: int) -> None:
    with pytest.raises(UsageError, match="threads must be from 1 to 512"):
        FasterWhisperBackend().open(Model.inspect(tiny_en), OpenOptions(threads))


@pytest.mark.parametrize("package", ["ctranslate2", "faster_whisper"])
def test_a_missing_package_is_a_problem_with_its_cure(
    tiny_en: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    if package == "ctranslate2":
        monkeypatch.setitem(sys.modules, package, None)
    else:
        version = backend._version
        monkeypatch.setattr(
            backend, "_version", lambda name: "" if name == "faster-whisper" else version(name)
        )

    info = FasterWhisperBackend().describe()

    assert not info.available
    problems = {runtime.problem for runtime in info.runtimes}
    assert len(problems) == 1
    assert "is not installed; try: pip install whisperctl-faster-whisper" in str(problems)
    with pytest.raises(BackendError, match="cannot be used here"):
        FasterWhisperBackend().open(Model.inspect(tiny_en), OpenOptions(1))


@pytest.mark.parametrize(
    ("features", "chosen", "expected"),
    [
        (["avx512f", "avx512_vbmi2"], None, "AVX512"),
        (["avx512f"], None, None),
        (["avx512f", "avx512_vbmi2"], "AVX2", "AVX2"),
    ],
)
def test_ctranslate2_gets_wide_vectors_where_they_pay_and_nobody_has_chosen(
    monkeypatch: pytest.MonkeyPatch, features: list[str], chosen: str | None, expected: str | None
) -> None:
    monkeypatch.setattr(resources, "cpu_facts", lambda field: features)
    if chosen is None:
        monkeypatch.delenv("CT2_FORCE_CPU_ISA", raising=False)
    else:
        monkeypatch.setenv("CT2_FORCE_CPU_ISA", chosen)

    with loaded_model._wide_vectors():
        assert os.environ.get("CT2_FORCE_CPU_ISA") == expected
    assert os.environ.get("CT2_FORCE_CPU_ISA") == chosen


COMPUTED = """
import hashlib, sys
from pathlib import Path
import ctranslate2, numpy as np
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl_faster_whisper import FasterWhisperBackend
session = FasterWhisperBackend().open(Model.inspect(Path(sys.argv[1])), OpenOptions(1, "int8"))
sound = np.random.default_rng(1).normal(0, 0.5, (1, 80, 600)).astype(np.float32)
states = session._loaded.model.encode(ctranslate2.StorageView.from_array(sound))
print(hashlib.sha256(np.asarray(states).tobytes()).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.skipif(
    "avx512_vbmi2" not in resources.cpu_facts("flags"), reason="wide vectors are slow here"
)
def test_wide_vectors_are_used_with_int8_weights_too(tiny_en: Path) -> None:
    environment = {name: os.environ[name] for name in os.environ if name != "CT2_FORCE_CPU_ISA"}

    by_itself, told = (
        subprocess.run(
            [sys.executable, "-c", COMPUTED, str(tiny_en)],
            capture_output=True,
            text=True,
            check=True,
            env={**environment, **chosen},
        ).stdout
        for chosen in ({}, {"CT2_FORCE_CPU_ISA": "AVX512"})
    )

    assert by_itself == told


def test_importing_it_imports_no_engine() -> None:
    code = (
        "import sys, whisperctl_faster_whisper; "
        "print(*{'numpy', 'ctranslate2', 'faster_whisper', 'tokenizers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == "\n"
