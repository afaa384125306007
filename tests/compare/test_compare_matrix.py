"""From what was typed to the variants that are compared."""

from __future__ import annotations

from pathlib import Path

import pytest

from whisperctl.compare import matrix
from whisperctl.compare.plan import Variant, baseline_name, baselines
from whisperctl.compare.result import ModelFile
from whisperctl.engine.registry import Engine
from whisperctl.errors import BackendError, ModelError, UsageError

NATIVE = Engine("native", "native")
WASMER, WASMTIME = Engine("wasi", "wasmer"), Engine("wasi", "wasmtime")
F16 = ModelFile("tiny.en", "f16", Path("/m/ggml-tiny.en.bin"))
Q8 = ModelFile("tiny.en", "q8_0", Path("/m/ggml-tiny.en-q8_0.bin"))


def never(model: str, quant: str) -> Path:
    raise AssertionError(f"{model} in {quant} is here already")


def test_commas_part_values_and_each_counts_once() -> None:
    assert matrix.split(["1,2", "2", " 4 , 1", ","]) == ["1", "2", "4"]


def test_a_file_with_a_comma_in_its_name_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "one, two.bin").touch()
    monkeypatch.chdir(tmp_path)
    assert matrix.split(["one, two.bin,base"]) == ["one", "two.bin", "base"]
    assert matrix.split(["one, two.bin"]) == ["one, two.bin"]


def test_a_backend_stands_for_its_first_runtime() -> None:
    assert matrix.choose_engines(["native", "wasi", "native"], []) == ([NATIVE, WASMER], [])


@pytest.mark.slow
def test_runtimes_limit_the_backends_that_have_several() -> None:
    chosen, _ = matrix.choose_engines(["native", "wasi"], ["wasmtime"])
    assert chosen == [NATIVE, WASMTIME]
    chosen, _ = matrix.choose_engines(["wasi"], ["wasmtime", "wasmer"])
    assert chosen == [WASMTIME, WASMER]
    chosen, _ = matrix.choose_engines([], ["wasmer"])
    assert chosen == [NATIVE, WASMER]


def test_without_backends_both_runtimes_of_the_sandbox_are_compared() -> None:
    chosen, _ = matrix.choose_engines([], [])
    assert chosen[:3] == [NATIVE, WASMER, WASMTIME]
    assert len({engine.backend for engine in chosen[3:]}) == len(chosen[3:])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backends", "runtimes", "message"),
    [
        (["natve"], [], 'unknown backend "natve": did you mean "native"?'),
        (["native"], ["wasmtime"], 'unknown runtime "wasmtime"'),
        ([], ["wasmtim"], 'did you mean "wasmtime"?'),
    ],
)
def test_unknown_engines_are_refused(
    backends: list[str], runtimes: list[str], message: str
) -> None:
    with pytest.raises((UsageError, BackendError)) as error:
        matrix.choose_engines(backends, runtimes)
    assert message in str(error.value)


def test_a_model_is_taken_in_the_quantizations_asked_for(tiny_en: Path) -> None:
    (only,) = matrix.choose_models(["tiny.en"], [], never)
    assert (only.name, only.quant, only.path) == ("tiny.en", "f16", tiny_en)
    assert matrix.choose_models(["tiny.en"], ["f16"], never) == [only]
    assert matrix.choose_models([str(tiny_en), "tiny.en"], ["f16"], never) == [only]


@pytest.mark.slow
def test_what_is_not_here_is_quantized_once(
    tiny_en: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from whisperctl.cli import compare

    (tmp_path / tiny_en.name).symlink_to(tiny_en)
    monkeypatch.setenv("WHISPERCTL_MODELS", str(tmp_path))
    found = matrix.choose_models(["tiny.en"], ["f16", "q5_1"], compare.quantize)
    assert [(one.name, one.quant) for one in found] == [("tiny.en", "f16"), ("tiny.en", "q5_1")]
    assert found[1].path == tmp_path / "ggml-tiny.en-q5_1.bin"
    assert matrix.choose_models(["tiny.en"], ["f16", "q5_1"], never) == found
    assert matrix.choose_models(["tiny.en-q5_1"], ["f16"], never) == found[:1]
    with pytest.raises(UsageError, match="is q5_1 and cannot be converted to q8_0"):
        matrix.choose_models(["tiny.en-q5_1"], ["q8_0"], never)


def test_models_and_quantizations_that_cannot_be_had_are_refused(tiny_en: Path) -> None:
    with pytest.raises(UsageError, match='unknown quantization "q9": choose from f16'):
        matrix.choose_models(["tiny.en"], ["q9"], never)
    with pytest.raises(ModelError, match='"tinny"'):
        matrix.choose_models(["tinny"], [], never)
    with pytest.raises(UsageError, match="cannot be converted to f32"):
        matrix.choose_models([str(tiny_en)], ["f32"], never)


@pytest.mark.parametrize("text", ["0", "two", "-1", "1.5"])
def test_threads_are_whole_numbers_from_one(text: str) -> None:
    assert matrix.choose_threads(["2", "1", "2"]) == [2, 1]
    with pytest.raises(UsageError, match="1 or more"):
        matrix.choose_threads([text])


class TestBaselines:
    among = matrix.variants([WASMTIME, NATIVE], [F16, Q8], [1, 2])

    def against(self, name: str) -> dict[Variant, Variant | None]:
        return baselines(name, self.among)

    def test_native_is_the_baseline_unless_another_is_named(self) -> None:
        assert baseline_name(None, self.among) == "native"
        assert baseline_name(None, self.among[:1]) == "wasi/wasmtime"
        assert baseline_name("f16", self.among) == "f16"

    def test_an_engine_is_compared_with_its_like(self) -> None:
        for variant, other in self.against("native").items():
            assert other == Variant(NATIVE, variant.model, variant.threads)

    def test_a_quantization_and_a_number_of_threads_can_be_the_baseline(self) -> None:
        for variant, other in self.against("f16, 1 thread").items():
            assert other == Variant(variant.engine, F16, 1)

    def test_a_single_variant_can_be_the_baseline_of_all(self) -> None:
        assert set(self.against("wasi,tiny.en-q8_0,2").values()) == {Variant(WASMTIME, Q8, 2)}

    def test_what_is_not_compared_is_refused(self) -> None:
        with pytest.raises(UsageError, match='unknown baseline "wasmer"'):
            self.against("wasmer")
        with pytest.raises(UsageError, match='"4"'):
            self.against("native,4")

    def test_a_hole_has_no_baseline(self) -> None:
        among = [*self.among[:1], Variant(NATIVE, Q8, 2)]
        assert baselines("native", among)[among[0]] is None
