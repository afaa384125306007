"""From ggml files to what faster-whisper reads, and back."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import ctranslate2
import numpy as np
import pytest
from tokenizers import Tokenizer

from whisperctl.engine import registry
from whisperctl.errors import BackendError, ModelError
from whisperctl.models import convert as from_ct2
from whisperctl.models import store
from whisperctl.models.ggml.layout import FTYPE_OF_QUANTIZATION, TYPE_OF_FTYPE
from whisperctl.models.quantize import quantize
from whisperctl_faster_whisper import cache, convert, vocabulary, weights


@pytest.fixture(scope="module")
def tiny_en() -> Path:
    return store.resolve("tiny.en").absolute()


@pytest.fixture(scope="module")
def converted(tiny_en: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("tiny.en")
    convert.convert(tiny_en, directory)
    return directory


@pytest.fixture
def cache_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("WHISPERCTL_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "faster-whisper"


@pytest.mark.slow
def test_converting_there_and_back_gives_the_very_file(tiny_en: Path, converted: Path) -> None:
    back = io.BytesIO()
    from_ct2.convert(converted, back)

    assert back.getvalue() == tiny_en.read_bytes()


@pytest.mark.slow
def test_integers_are_those_that_are_made_when_it_is_loaded(
    tiny_en: Path, converted: Path, tmp_path: Path
) -> None:
    convert.convert_int8(tiny_en, tmp_path)

    sound = np.random.default_rng(1).normal(0, 0.5, (1, 80, 600)).astype(np.float32)
    states = []
    for directory in (converted, tmp_path):
        model = ctranslate2.models.Whisper(str(directory), compute_type="int8")
        encoded = model.encode(ctranslate2.StorageView.from_array(sound))
        said = model.generate(encoded, [[50257]], max_length=16)
        states.append((np.asarray(encoded).tolist(), said[0].sequences_ids))
    assert states[0] == states[1]
    sizes = [(directory / "model.bin").stat().st_size for directory in (converted, tmp_path)]
    assert sizes[1] < 0.6 * sizes[0]


def test_the_configuration_is_that_of_the_published_conversion(converted: Path) -> None:
    config = json.loads((converted / "config.json").read_text("utf-8"))

    assert config["alignment_heads"] == [
        *([1, 0], [2, 0], [2, 5]),
        *([3, 0], [3, 1], [3, 2], [3, 3], [3, 4]),
    ]
    assert config["suppress_ids_begin"] == [220, 50256]
    # 82 that are no speech, from "#" on, and the six that mark what a text is.
    assert len(config["suppress_ids"]) == 90
    assert config["suppress_ids"][:4] == [1, 2, 7, 8]
    assert config["suppress_ids"][-6:] == [50257, 50357, 50358, 50359, 50360, 50361]
    assert config["lang_ids"] == list(range(50258, 50357))
    words = json.loads((converted / "vocabulary.json").read_text("utf-8"))
    assert len(words) == 51864
    assert words[50256:50259] == ["<|endoftext|>", "<|startoftranscript|>", "<|en|>"]
    assert words[50362:50364] == ["<|notimestamps|>", "<|0.00|>"]
    assert words[-1] == "<|30.00|>"


@pytest.mark.parametrize(
    "text",
    [
        " And so, my fellow Americans: it's 1961!",
        "Grüße aus Köln, wie schön. ß",
        "こんにちは世界。日本語のテスト",
        "👩‍👩‍👧 says 😀\t and\n\n  leaves ",
        "a" * 300,
    ],
)
def test_the_tokenizer_gives_back_what_it_took(converted: Path, text: str) -> None:
    tokenizer = Tokenizer.from_file(str(converted / "tokenizer.json"))

    ids = tokenizer.encode(text, add_special_tokens=False).ids

    assert tokenizer.decode(ids) == text
    assert max(ids) < 50256


def test_the_tokenizer_merges_as_gpt_2_does(converted: Path) -> None:
    made = json.loads((converted / "tokenizer.json").read_text("utf-8"))["model"]

    # As in GPT-2's published merges, first and last.
    assert len(made["merges"]) == 50000
    assert made["merges"][:4] == [["Ġ", "t"], ["Ġ", "a"], ["h", "e"], ["i", "n"]]
    assert made["merges"][-2:] == [["Ġinform", "ants"], ["Ġg", "azed"]]


@pytest.mark.parametrize(
    ("n_vocab", "first_timestamp", "last_language"),
    [(51865, 50364, "<|su|>"), (51866, 50365, "<|yue|>")],
)
def test_special_tokens_are_in_whispers_order(
    n_vocab: int, first_timestamp: int, last_language: str
) -> None:
    text = tuple(f"{i}".encode() for i in range(50257))

    words = vocabulary.complete(text, n_vocab)

    assert len(words.strings) == n_vocab
    assert words.strings[50257:50260] == ("<|endoftext|>", "<|startoftranscript|>", "<|en|>")
    assert words.strings[first_timestamp] == "<|0.00|>"
    assert words.strings[words.language_ids[-1]] == last_language
    assert words.strings[words.language_ids[-1] + 1] == "<|translate|>"


def test_a_vocabulary_of_somebody_elses_is_refused() -> None:
    with pytest.raises(ModelError, match="not that of a published Whisper model"):
        vocabulary.complete([f"{i}".encode() for i in range(50257)], 52_000)


@pytest.mark.parametrize("type_name", FTYPE_OF_QUANTIZATION)
def test_blocks_are_turned_into_the_numbers_they_stand_for(type_name: str) -> None:
    kind = TYPE_OF_FTYPE[FTYPE_OF_QUANTIZATION[type_name]]
    values = np.random.default_rng(3).normal(0, 0.1, (40, 64)).astype(np.float32)
    with registry.open_quantizer(registry.Engine("native")) as quantizer:
        blocks = quantizer.quantize(values, type_name)

    found = weights._dequantized(np.frombuffer(blocks, np.uint8), kind).reshape(values.shape)

    # Half a step of the block, which has as many of them as the type has numbers for a value.
    by_block = values.reshape(-1, 32)
    bits = int(type_name[1])
    spread = np.abs(by_block).max(axis=1) * 2
    if type_name.endswith("_1"):
        spread = np.ptp(by_block, axis=1)
    step = spread / (2**bits - 1 if type_name != "q8_0" else 254)
    # Types without an offset have one number less on one side.
    error = np.abs(found.astype(np.float32).reshape(-1, 32) - by_block).max(axis=1)
    assert (error <= step * 1.1 + 1e-3).all()
    assert error.mean() < step.mean() * 0.6


@pytest.mark.slow
def test_a_type_that_is_not_known_here_is_refused(
    tiny_en: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / tiny_en.name).symlink_to(tiny_en)
    made = quantize("tiny.en", "q8_0", registry.open_quantizer, store=store.Store(tmp_path))
    monkeypatch.setattr(weights, "_DEQUANTIZE", {})

    with pytest.raises(ModelError, match=r"q8_0 weights.*use a model of one of the types f16"):
        weights.GgmlWeights.open(made.path)


def test_a_model_is_converted_once(tiny_en: Path, cache_here: Path) -> None:
    made: list[Path] = []

    def make(model: Path, out: Path) -> None:
        made.append(out)
        time.sleep(0.1)
        (out / "model.bin").write_bytes(b"weights")

    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(cache.converted(tiny_en, 1, make)))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(made) == 1
    assert set(found) == {cache.converted(tiny_en, 1, make)}
    assert found[0].name.startswith(
        "921e4cf8686fdd993dcd081a5da5b6c365bfde1162e72b08d75ac75289920b1f"
    )
    assert (found[0] / "model.bin").read_bytes() == b"weights"
    # Another way to write is another directory.
    assert cache.converted(tiny_en, 2, make) != found[0]
    assert len(made) == 2


def test_another_file_of_the_same_name_is_another_model(tmp_path: Path, cache_here: Path) -> None:
    model = tmp_path / "model.bin"

    def make(model: Path, out: Path) -> None:
        (out / "copy").write_bytes(model.read_bytes())

    model.write_bytes(b"first")
    first = cache.converted(model, 1, make)
    model.write_bytes(b"second")
    second = cache.converted(model, 1, make)

    assert ((first / "copy").read_bytes(), (second / "copy").read_bytes()) == (b"first", b"second")


@pytest.mark.parametrize("sha256", ["../../elsewhere", "", 1, None, [[]]])
def test_a_note_that_is_no_hash_leads_nowhere(
    sha256: object, tmp_path: Path, cache_here: Path
) -> None:
    model = tmp_path / "model"
    model.write_bytes(b"a model")
    first = cache.converted(model, 1, lambda _, out: (out / "made").touch())
    (note,) = cache_here.glob("*.json")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"sha256": sha256}))

    assert cache.converted(model, 1, lambda _, out: (out / "made").touch()) == first


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ModelError("no"), MemoryError()])
def test_nothing_is_left_of_a_conversion_that_ends_early(
    tmp_path: Path, cache_here: Path, error: BaseException
) -> None:
    def fail(model: Path, out: Path) -> None:
        (out / "model.bin").write_bytes(b"half")
        raise error

    model = tmp_path / "model.bin"
    model.write_bytes(b"weights")
    with pytest.raises(type(error)):
        cache.converted(model, 1, fail)

    assert [path.name for path in cache_here.iterdir() if path.is_dir()] == []


def test_what_a_killed_run_left_is_removed(tmp_path: Path, cache_here: Path) -> None:
    model = tmp_path / "model.bin"
    model.write_bytes(b"weights")

    def make(model: Path, out: Path) -> None:
        (out / "model.bin").write_bytes(b"whole")

    target = cache.converted(model, 1, make)
    target.rename(target.with_name(f".{target.name}.0123.part"))

    assert cache.converted(model, 1, make) == target
    assert [path for path in cache_here.iterdir() if path.is_dir()] == [target]


FULL = """
import resource, sys
from pathlib import Path
from whisperctl.errors import ModelError
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl_faster_whisper import FasterWhisperBackend
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    FasterWhisperBackend().open(Model.inspect(Path(sys.argv[1])), OpenOptions(1))
except ModelError as error:
    print(error)
"""


@pytest.mark.slow
def test_a_full_disk_is_one_clear_line(tiny_en: Path, cache_here: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FULL, tiny_en],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert "the disk is full" in done.stdout
    assert "WHISPERCTL_CACHE" in done.stdout
    assert [path.name for path in cache_here.iterdir() if path.is_dir()] == []


def test_a_cache_that_cannot_be_made_is_an_error(
    tiny_en: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("WHISPERCTL_CACHE", str(tmp_path / "file"))

    with pytest.raises(BackendError, match=r"cannot make the cache directory.*WHISPERCTL_CACHE"):
        cache.converted(tiny_en, 1, lambda model, out: None)
