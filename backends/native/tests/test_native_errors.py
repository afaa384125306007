"""What the native backend says when something is wrong, and that it says nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from whisperctl.audio import Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.options import DecodeOptions
from whisperctl_native import NativeBackend
from whisperctl_native.backend import advice_for
from whisperctl_native.session import NativeSession

GREEDY = DecodeOptions(language="en", beam_size=1)


def test_is_found_by_its_entry_point() -> None:
    found = registry.load("native")

    assert isinstance(found, NativeBackend)
    assert found.name == "native"


def test_describes_itself() -> None:
    info = NativeBackend().describe()

    assert info.available
    assert info.version == "0.1.0"
    assert info.library == "whisper.cpp 1.8.5 via pywhispercpp 1.5.1"
    assert [(r.name, r.version) for r in info.runtimes] == [("native", "1.5.1")]
    assert "CPU : " in NativeBackend().system_info()


STOCK = "WHISPER : COREML = 0 | CPU : AVX = 1 | AVX2 = 1 | F16C = 1 | OPENMP = 1 |"


@pytest.mark.parametrize(
    ("cpu_flags", "has", "lacks", "left_out"),
    [
        ("avx avx2 avx512f amx_tile avx512_fp16", "", "LLAMAFILE and AVX512", "-mno-avx512fp16"),
        ("avx avx2", "", "LLAMAFILE", ""),
        ("avx avx2 avx512f", " LLAMAFILE = 1 |", "AVX512", ""),
        ("avx avx2 avx512f", " AVX512 = 1 | LLAMAFILE = 1 |", "", ""),
        ("sse2", "", "", ""),
    ],
)
def test_tells_how_to_compile_it_for_the_machine_where_that_is_faster(
    cpu_flags: str, has: str, lacks: str, left_out: str
) -> None:
    advice = advice_for("1.5.1", STOCK + has, cpu_flags.split())

    assert advice.startswith(f"compiled without {lacks}, which") if lacks else advice == ""
    assert ("--no-binary pywhispercpp pywhispercpp==1.5.1" in advice) == bool(lacks)
    assert ("CMAKE_C_FLAGS" in advice) == bool(left_out)
    assert left_out in advice


def test_describes_itself_without_its_bindings(
    monkeypatch: pytest.MonkeyPatch, tiny_en: Path
) -> None:
    monkeypatch.setitem(sys.modules, "_pywhispercpp", None)  # as if not installed

    info = NativeBackend().describe()

    assert not info.available
    assert info.runtimes[0].problem is not None
    assert "pip install whisperctl-native" in info.runtimes[0].problem
    with pytest.raises(BackendError, match="pip install whisperctl-native"):
        NativeBackend().open(Model.inspect(tiny_en), OpenOptions(1))


def test_describes_bindings_that_do_not_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "_pywhispercpp.py").write_text("raise OSError('libgomp.so.1: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "_pywhispercpp", raising=False)

    problem = NativeBackend().describe().runtimes[0].problem

    assert problem is not None
    assert "libgomp.so.1: cannot open" in problem


def test_importing_it_loads_no_engine() -> None:
    code = (
        "import sys, whisperctl_native\n"
        "heavy = {'_pywhispercpp', 'numpy', 'whisperctl_native.session'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def damaged(path: Path, whole: Path) -> Model:
    """A file that became what it is after it was inspected."""
    return Model(path, Model.inspect(whole).info)


def test_a_model_cut_short_is_refused(tmp_path: Path, tiny_en: Path) -> None:
    path = tmp_path / "half.bin"
    size = tiny_en.stat().st_size
    with tiny_en.open("rb") as whole:
        path.write_bytes(whole.read(size // 2))
    with pytest.raises(ModelError, match=r"half\.bin.*not all tensors"):
        NativeBackend().open(damaged(path, tiny_en), OpenOptions(1))

    # Up to and including the vocabulary: whisper.cpp takes it, and would hear nothing.
    with tiny_en.open("rb") as whole:
        path.write_bytes(whole.read(550_000))
    with pytest.raises(ModelError, match=r"half\.bin.*(no weights|not all tensors)"):
        NativeBackend().open(damaged(path, tiny_en), OpenOptions(1))


def test_a_model_that_vanishes_is_an_error_and_comes_back(
    tmp_path: Path, reciting: Path, jfk: Audio
) -> None:
    beam = DecodeOptions(language="en", beam_size=2)
    path = tmp_path / "here.bin"
    path.symlink_to(reciting)
    with NativeBackend().open(Model.inspect(path), OpenOptions(1)) as session:
        expected = session.transcribe(jfk, beam).segments
        path.unlink()
        with pytest.raises(ModelError, match="failed to open"):
            session.transcribe(jfk, beam)
        path.symlink_to(reciting)
        assert session.transcribe(jfk, beam).segments == expected


@pytest.mark.skipif(sys.platform != "linux", reason="such names exist on Linux")
def test_a_path_that_is_not_text_is_opened(tmp_path: Path, tiny_en: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.bin"))
    path.symlink_to(tiny_en)
    NativeBackend().open(Model.inspect(path), OpenOptions(1)).close()
    path.unlink()

    with pytest.raises(ModelError, match=r"\\xff.bin"):
        NativeBackend().open(damaged(path, tiny_en), OpenOptions(1))


@pytest.mark.parametrize("threads", [-1, 0, 513])
def test_a_thread_count_out_of_range_is_an_error(tiny_en: Path, threads: int) -> None:
    with pytest.raises(UsageError, match="threads must be from 1 to 512"):
        NativeBackend().open(Model.inspect(tiny_en), OpenOptions(threads))


def test_languages_are_checked_against_the_model(
    session: NativeSession, shared_base: NativeSession, jfk: Audio
) -> None:
    with pytest.raises(UsageError, match=r'unknown language "germn": did you mean "de"'):
        session.transcribe(jfk, DecodeOptions(language="germn"))
    with pytest.raises(UsageError, match="is English-only, not German"):
        session.transcribe(jfk, DecodeOptions(language="de"))
    with pytest.raises(UsageError, match="cannot translate"):
        session.transcribe(jfk, DecodeOptions(language="en", task="translate"))
    with pytest.raises(UsageError, match="does not support Cantonese"):
        shared_base.transcribe(jfk, DecodeOptions(language="yue"))


def test_a_prompt_that_is_not_text_is_an_error(session: NativeSession, jfk: Audio) -> None:
    with pytest.raises(UsageError, match="prompt"):
        session.transcribe(jfk, DecodeOptions(language="en", initial_prompt="\udcff"))


def test_a_failing_engine_is_an_error(reciting: Path, jfk: Audio) -> None:
    # More decoders than whisper.cpp has, which the options themselves do not allow.
    options = DecodeOptions(language="en", beam_size=1)
    object.__setattr__(options, "best_of", 9)

    with NativeBackend().open(Model.inspect(reciting), OpenOptions(1)) as session:
        with pytest.raises(BackendError, match="too many decoders requested"):
            session.transcribe(jfk, options)
        assert session.transcribe(jfk, GREEDY).segments


ABORTS = """
import sys
from pathlib import Path
import numpy as np
from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.options import DecodeOptions
from whisperctl_native import NativeBackend

model = Model(Path(sys.argv[1]), Model.inspect(Path(sys.argv[2])).info)
with NativeBackend().open(model, OpenOptions(1)) as session:
    session.transcribe(Audio(np.zeros(16_000, np.float32), "silence"), DecodeOptions())
"""


@pytest.mark.slow
def test_an_abort_of_the_engine_is_one_line(tiny_en: Path, tmp_path: Path) -> None:
    path = tmp_path / "heads.bin"
    with tiny_en.open("rb") as whole:
        data = bytearray(whole.read())
    data[16:20] = (5).to_bytes(4, "little")  # heads that do not divide the state
    path.write_bytes(data)

    run = subprocess.run(
        [sys.executable, "-c", ABORTS, path, tiny_en],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (run.returncode, run.stdout) == (1, "")
    assert re.fullmatch(
        r"whisperctl: error: whisper\.cpp gave up \(\S+\.c(pp)?:\d+: .*\): the model may be "
        r"damaged; check it with .*\n",
        run.stderr,
    )


LEFT_OPEN = """
import sys
from pathlib import Path
import numpy as np
from whisperctl.audio import Audio
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.options import DecodeOptions
from whisperctl_native import NativeBackend

session = NativeBackend().open(Model.inspect(Path(sys.argv[1])), OpenOptions(1))
audio = Audio(np.zeros(32_000, np.float32), "silence")
options = DecodeOptions(beam_size=2, temperature_increment=0.0)
session.transcribe(audio, options, on_progress=lambda _: None)
print("done")
"""


@pytest.mark.slow
def test_the_engine_writes_nothing_itself_and_ends_with_the_process(reciting: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", LEFT_OPEN, reciting],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (run.returncode, run.stdout, run.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(
    ("set_by_user", "expected"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_threads_spin_briefly_at_barriers_unless_told_otherwise(
    set_by_user: dict[str, str], expected: str
) -> None:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    environment = {**inherited, **set_by_user, "OMP_DISPLAY_ENV": "verbose"}
    code = (
        "import os; from whisperctl_native import NativeBackend; NativeBackend().describe(); "
        "print(os.environ.get('GOMP_SPINCOUNT'))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("this build does not use GNU's OpenMP")
    assert f"GOMP_SPINCOUNT = '{expected}'" in done.stderr
    assert done.stdout.strip() == str(set_by_user.get("GOMP_SPINCOUNT"))
