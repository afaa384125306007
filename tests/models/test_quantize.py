"""Quantized models: the published files come out, on every engine, and nothing else gets in."""

from __future__ import annotations

import dataclasses
import math
import os
import resource
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from whisperctl.engine import registry
from whisperctl.engine.protocol import Quantizer
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.models import catalog, ggml, store
from whisperctl.models.ggml.files import hex_digest
from whisperctl.models.ggml.layout import FTYPE_OF_QUANTIZATION
from whisperctl.models.pull import verify
from whisperctl.models.quantize import quantize

if TYPE_CHECKING:
    from tests.conftest import Cli

BLOCK_BYTES = {"q8_0": 34, "q5_1": 24, "q5_0": 22, "q4_1": 20, "q4_0": 18}
TYPE_IDS = {"q8_0": 8, "q5_1": 7, "q5_0": 6, "q4_1": 3, "q4_0": 2}
KEPT = (
    "encoder.conv1.bias",
    "encoder.conv2.bias",
    "encoder.positional_embedding",
    "decoder.positional_embedding",
)
"""Matrices that whisper.cpp's tool passes over by their names."""


class Tensor(NamedTuple):
    dims: tuple[int, ...]
    type_id: int
    data: bytes


def start(name: str = "wasi") -> Quantizer:
    return registry.open_quantizer(registry.parse(name))


def never() -> Quantizer:
    raise AssertionError("no engine is needed to refuse this")


def visible(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir() if not p.name.endswith(".lock"))


def tensors(data: bytes) -> Iterator[tuple[str, Tensor]]:
    """Read a file's tensors, without the project's own readers."""
    at = 48
    n_mels, n_fft = struct.unpack_from("<2i", data, at)
    at += 8 + 4 * n_mels * n_fft
    (n_tokens,) = struct.unpack_from("<i", data, at)
    at += 4
    for _ in range(n_tokens):
        at += 4 + struct.unpack_from("<i", data, at)[0]
    block_bytes = {TYPE_IDS[name]: n for name, n in BLOCK_BYTES.items()}
    while at < len(data):
        n_dims, name_length, type_id = struct.unpack_from("<3i", data, at)
        dims = struct.unpack_from(f"<{n_dims}i", data, at + 12)
        at += 12 + 4 * n_dims
        name = data[at : at + name_length].decode()
        at += name_length
        n = math.prod(dims)
        size = {0: 4 * n, 1: 2 * n}.get(type_id) or n // 32 * block_bytes[type_id]
        yield name, Tensor(dims, type_id, data[at : at + size])
        at += size


def in_float32(data: bytes) -> bytes:
    """The same model with all its weights in float32, as a conversion without --use-f16 has it."""
    rest = sum(12 + 4 * len(t.dims) + len(name.encode()) + len(t.data) for name, t in tensors(data))
    out = bytearray(data[:-rest])
    struct.pack_into("<i", out, 44, 0)
    for name, t in tensors(data):
        values = t.data if t.type_id == 0 else np.frombuffer(t.data, "<f2").astype("<f4").tobytes()
        out += struct.pack("<3i", len(t.dims), len(name), 0)
        out += struct.pack(f"<{len(t.dims)}i", *t.dims) + name.encode() + values
    return bytes(out)


@pytest.fixture
def tiny_en_here(tiny_en: Path, store_directory: Path) -> Path:
    """tiny.en, alone in a store of its own."""
    store_directory.mkdir()
    path = store_directory / "ggml-tiny.en.bin"
    path.symlink_to(tiny_en)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("type_name", "engine"), [("q8_0", "native"), ("q5_1", "wasi/wasmtime")])
def test_the_published_file_comes_out_whatever_engine_makes_it(
    type_name: str, engine: str, tiny_en_here: Path
) -> None:
    """All engines give the same bytes, which is tested by itself."""
    result = quantize("tiny.en", type_name, lambda: start(engine))
    published = catalog.find(f"tiny.en-{type_name}")
    assert (result.name, result.published_as) == (published.name, published.name)
    assert result.path.stat().st_size == published.size_bytes
    assert hex_digest(result.path, "sha1") == published.sha1
    assert [verdict.status for verdict in verify([result.name])] == ["ok"]


@pytest.mark.slow
def test_base_becomes_the_published_file_too(base: Path, store_directory: Path) -> None:
    result = quantize(str(base), "q5_1", start)
    assert (result.name, result.published_as) == ("base-q5_1",) * 2


@pytest.mark.slow
@pytest.mark.parametrize("type_name", FTYPE_OF_QUANTIZATION)
def test_matrices_are_quantized_and_all_else_is_kept(
    type_name: str, small_model: Path, store_directory: Path
) -> None:
    result = quantize(str(small_model), type_name, start)
    before = dict(tensors(small_model.read_bytes()))
    data = result.path.read_bytes()
    after = dict(tensors(data))
    assert list(after) == list(before)
    for name, tensor in before.items():
        if len(tensor.dims) == 2 and name not in KEPT:
            assert after[name].type_id == TYPE_IDS[type_name], name
            assert after[name].dims == tensor.dims
        else:
            assert after[name] == tensor, name
    assert sum(t.type_id == TYPE_IDS[type_name] for t in after.values()) == 1 + 6 + 10
    assert ggml.inspect(result.path).ftype == type_name
    # GGML_QNT_VERSION is 2; it is 1 in the published files that are as old as q5_1's.
    assert struct.unpack_from("<i", data, 44)[0] == 2000 + FTYPE_OF_QUANTIZATION[type_name]


@pytest.mark.slow
@pytest.mark.parametrize("type_name", FTYPE_OF_QUANTIZATION)
def test_all_engines_give_the_same_bytes(type_name: str, tiny_en_here: Path) -> None:
    real = dict(tensors(tiny_en_here.read_bytes()))
    names = ("decoder.token_embedding.weight", "encoder.blocks.0.mlp.2.weight")
    parts = [
        np.frombuffer(real[name].data, "<f2")
        .astype(np.float32)
        .reshape(real[name].dims[::-1])[:999]
        for name in names
    ]
    made = []
    for name in ("native", "wasi/wasmer", "wasi/wasmtime"):
        with start(name) as quantizer:
            made.append([quantizer.quantize(part, type_name) for part in parts])
    assert made[0] == made[1] == made[2]
    for part, blocks in zip(parts, made[0], strict=True):
        assert len(blocks) == part.size // 32 * BLOCK_BYTES[type_name]


@pytest.mark.slow
def test_float32_gives_what_float16_gives(
    small_model: Path, store_directory: Path, tmp_path: Path
) -> None:
    large = tmp_path / "ggml-large.bin"
    large.write_bytes(in_float32(small_model.read_bytes()))
    assert ggml.inspect(large).ftype == "f32"
    made = [quantize(str(model), "q8_0", start).path for model in (small_model, large)]
    assert made[0] != made[1]
    assert made[0].read_bytes() == made[1].read_bytes()


@pytest.mark.slow
def test_a_quantized_model_transcribes_by_its_name(tiny_en_here: Path, jfk: Path, cli: Cli) -> None:
    here = {"WHISPERCTL_MODELS": str(tiny_en_here.parent)}
    name = "tiny.en-q5_1"
    made = cli.here("models", "quantize", "tiny.en", "Q5_1", env=here)
    assert (made.code, made.err.splitlines()[0]) == (0, "quantizing to q5_1")
    path = tiny_en_here.parent / f"ggml-{name}.bin"
    assert made.out == f"{name}: installed, {path} (identical to the published {name})\n"
    done = cli("transcribe", jfk, "-m", name, "-b", "wasi", "--beam-size", "1", env=here)
    text = " ".join(line.partition("]")[2].strip() for line in done.out.splitlines())
    assert "ask not what your country can do for you" in text.lower().replace(",", "")
    assert cli.here("models", "path", name, env=here).out == f"{path}\n"
    assert cli.here("models", "rm", name, env=here).code == 0
    assert visible(tiny_en_here.parent) == ["ggml-tiny.en.bin"]


@pytest.mark.slow
def test_an_own_model_gets_its_name_and_the_type(small_model: Path, store_directory: Path) -> None:
    steps: list[tuple[str, int, int | None]] = []
    result = quantize(
        str(small_model), "q4_0", start, on_progress=lambda *report: steps.append(report)
    )
    assert (result.name, result.published_as) == ("small-model-q4_0", None)
    assert visible(store_directory) == ["ggml-small-model-q4_0.bin"]
    assert {step for step, _, _ in steps} == {"quantizing to q4_0"}
    assert steps[0][1] == 0
    assert steps[-1][1] == steps[-1][2]
    info = ggml.inspect(result.path)
    differ: dict[str, Any] = {"ftype": "", "size_bytes": 0, "description": None}
    assert dataclasses.replace(info, **differ) == dataclasses.replace(
        ggml.inspect(small_model), **differ
    )


@pytest.mark.slow
def test_an_own_model_never_gets_a_published_name(small_ggml: bytes, tmp_path: Path) -> None:
    models = store.Store(tmp_path / "models")
    own = tmp_path / "ggml-base.bin"
    own.write_bytes(small_ggml)
    assert quantize(str(own), "q8_0", start, store=models).name == "base-q8_0-custom"
    with pytest.raises(ModelError, match='differs from the published model "base-q8_0"'):
        quantize(str(own), "q8_0", start, name="base-q8_0", store=models)
    assert visible(models.directory) == ["ggml-base-q8_0-custom.bin"]


@pytest.mark.slow
def test_a_model_that_is_there_is_replaced_only_when_asked_to(
    small_model: Path, store_directory: Path
) -> None:
    path = quantize(str(small_model), "q8_0", start, name="mine").path
    first = path.read_bytes()
    with pytest.raises(ModelError, match=r"ggml-mine\.bin\" exists already: use --force"):
        quantize(str(small_model), "q4_1", never, name="mine")
    assert path.read_bytes() == first
    quantize(str(small_model), "q4_1", start, name="mine", force=True)
    assert ggml.inspect(path).ftype == "q4_1"
    with pytest.raises(ModelError, match="is q4_1 already: quantize a float16 or float32 model"):
        quantize("mine", "q8_0", never)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("tiny.en", "q9_9"), 2, 'unknown quantization "q9_9": choose from q8_0, q5_1'),
        (("tiny.en", "f16"), 2, "choose from q8_0"),
        (("small", "q8_0"), 1, 'run "whisperctl models pull small"'),
        (("tinny.en", "q8_0"), 2, 'did you mean "tiny.en"?'),
        (("no such.bin", "q8_0"), 1, '"no such.bin" does not exist'),
        (("small.bin", "q8_0", "--name", "a/b"), 1, "invalid model name"),
        (("small.bin", "q8_0", "--backend", "nativ"), 2, 'did you mean "native"?'),
        (("small.bin", "q8_0", "--backend", "wasi/wasmtim"), 2, 'did you mean "wasmtime"?'),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(
    arguments: tuple[str, ...], code: int, said: str, small_ggml: bytes, cli: Cli
) -> None:
    (cli.directory / "small.bin").write_bytes(small_ggml)
    models = cli.directory / "models"
    done = cli.here("models", "quantize", *arguments, env={"WHISPERCTL_MODELS": str(models)})
    assert (done.code, done.out, done.err.count("\n")) == (code, "", 1)
    assert said in done.err
    assert not models.exists() or visible(models) == []


def test_weights_that_are_not_finite_are_refused(
    small_ggml: bytes, tmp_path: Path, store_directory: Path
) -> None:
    embedding = dict(tensors(small_ggml))["decoder.token_embedding.weight"].data
    at = small_ggml.index(embedding) + 2 * 1_000_000
    bad = tmp_path / "bad.bin"
    bad.write_bytes(small_ggml[:at] + struct.pack("<e", math.inf) + small_ggml[at + 2 :])
    with pytest.raises(
        ModelError, match=r'bad\.bin" is damaged: tensor "decoder\.\S+" .* not finite'
    ):
        quantize(str(bad), "q8_0", start)
    assert not store_directory.exists()


@pytest.mark.parametrize("name", ["native", "wasi/wasmer", "wasi/wasmtime"])
def test_ctrl_c_leaves_nothing(name: str, small_model: Path, store_directory: Path) -> None:
    def interrupt(step: str, done_bytes: int, total_bytes: int | None) -> None:
        if done_bytes:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quantize(str(small_model), "q8_0", lambda: start(name), on_progress=interrupt)
    assert visible(store_directory) == []


@pytest.mark.slow
def test_a_full_disk_is_said_and_leaves_nothing(
    cli: Cli, small_ggml: bytes, store_directory: Path
) -> None:
    (cli.directory / "small.bin").write_bytes(small_ggml)

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    done = subprocess.run(
        [sys.executable, "-m", "whisperctl", "models", "quantize", "small.bin", "q8_0"],
        cwd=cli.directory,
        env=os.environ | {"WHISPERCTL_MODELS": str(store_directory)},
        capture_output=True,
        text=True,
        preexec_fn=limit,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("whisperctl: error: the disk is full")
    assert done.stderr.count("\n") == 1
    assert visible(store_directory) == []


def test_a_backend_that_cannot_quantize_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Transcriber:
        name = "native"

    monkeypatch.setattr(registry, "load", lambda name: Transcriber())
    with pytest.raises(BackendError, match='backend "native" cannot quantize'):
        registry.open_quantizer(registry.Engine("native"))
    with pytest.raises(BackendError, match=r"no backend can quantize here \(.*\)"):
        registry.open_quantizer()


def test_the_sandbox_is_what_quantizes_unless_told_otherwise() -> None:
    with registry.open_quantizer() as quantizer:
        assert type(quantizer).__module__ == "whisperctl_wasi.quantizer"


def test_an_unknown_type_is_a_mistake_of_usage(small_model: Path, store_directory: Path) -> None:
    with pytest.raises(UsageError):
        quantize(str(small_model), "q2_k", never)
