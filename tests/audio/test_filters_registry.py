"""Filters as people write them: what is read, and one clear line for what is wrong."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from whisperctl.audio.filters import FilterInfo, Parameter, chain, registry
from whisperctl.audio.filters.builtin import Trim
from whisperctl.errors import PluginError, UsageError
from whisperctl.options import TranscriptionOptions
from whisperctl.plugins import Door

FIRST_PARTY = ["gain", "highpass", "lowpass", "normalize", "trim"]


def test_first_party_filters_are_found_by_entry_point() -> None:
    found = {one.name: one for one in registry.probe()}
    assert [name for name in FIRST_PARTY if name not in found] == []
    assert all(found[name].info for name in FIRST_PARTY)


def test_a_filter_is_read_with_its_values_and_defaults() -> None:
    spec = registry.parse(" normalize : target=-16 ")

    assert spec.values == (("target", -16.0), ("peak", -1.0))
    assert spec.text == "normalize:target=-16"
    assert registry.parse("highpass").text == "highpass"


def test_a_key_is_the_same_however_a_value_is_written() -> None:
    written = ["trim:start=6", "trim:start=+6.0", "trim:start=0.6e1", " trim:start = 6"]
    assert {registry.parse(text).key for text in written} == {"trim:start=6,end= version 1"}
    assert registry.parse("gain").key == registry.parse("gain:db=-0").key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'filter "" has no name: write NAME or NAME:key=value'),
        (":db=6", 'filter ":db=6" has no name: write NAME or NAME:key=value'),
        ("highpas", 'unknown filter "highpas": did you mean "highpass"?'),
        ("reverb", 'unknown filter "reverb": choose from '),
        ("re\x1b[31m\nverb", r'unknown filter "re\x1b[31m\nverb": choose from '),
        ("x" * 9_999, 'unknown filter "xxxx'),
        ("gain:", 'filter "gain": a parameter has no name: write key=value'),
        ("gain:db=1,", 'filter "gain": a parameter has no name: write key=value'),
        ("gain:=1", 'filter "gain": a parameter has no name: write key=value'),
        ("gain:db", 'filter "gain": db has no value: write db=VALUE'),
        ("gain:db=", 'filter "gain": db has no value: write db=VALUE'),
        ("gain:db=1,db=2", 'filter "gain": db is given twice: give it once'),
        (
            "highpass:freqency=8",
            'unknown parameter "freqency" of filter "highpass": did you mean "f',
        ),
        ("gain:6", 'filter "gain:6" has a value without its name: write gain:db=6'),
        ("gain=6.5", 'filter "gain=6.5" has a value without its name: write gain:db=6.5'),
        ("gain=", 'filter "gain=" has a value without its name: write gain:db=VALUE'),
        ("gain=db=6", 'filter "gain=db=6" has a value without its name: write gain:db=6'),
        ("gain:db=61", 'filter "gain": db must be from -120 to 60 dB, not "61"'),
        ("gain:db=loud", 'filter "gain": db must be from -120 to 60 dB, not "loud"'),
        ("gain:db=6dB", 'filter "gain": db must be from -120 to 60 dB, not "6dB"'),
        ("gain:db=6=7", 'filter "gain": db must be from -120 to 60 dB, not "6=7"'),
        ("trim:start=5,end=5", 'filter "trim": end (5 s) must be greater than start (5 s)'),
    ],
)
def test_what_is_wrong_is_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        chain.check([text])
    assert str(raised.value).startswith(said)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    "text",
    ["./a.acme", "a.acme:x=1", "/b/a.acme:", "C:\\a.acme", "c:/a.acme:x=1", "../a", ".", "a b/c"],
)
def test_files_that_no_package_runs_are_one_line(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = text.replace(":x=1", "").rstrip(":")
    monkeypatch.setattr(registry, "FILES", Door("kind of file", "whisperctl.tests.none", 1))
    with pytest.raises(UsageError) as raised:
        registry.parse(text)
    assert str(raised.value) == (
        f'filter "{path}" is not a file that an installed package runs: '
        "try: pip install whisperctl-asr[all]"
    )


@pytest.mark.parametrize(
    "value", ["nan", "-nan", "inf", "-inf", "1e999", "-1e999", "1_0", "٣", "0x1", "9" * 5_000, "1e"]
)
def test_only_finite_decimal_numbers_are_numbers(value: str) -> None:
    with pytest.raises(UsageError, match="db must be from -120 to 60 dB, not"):
        registry.parse(f"gain:db={value}")


def test_a_chain_has_a_maximum_length() -> None:
    assert len(registry.parse_all(["gain"] * 100)) == 100
    with pytest.raises(UsageError, match=r"^3000 filters are too many: give at most 100$"):
        registry.parse_all(["gain"] * 3_000)


def test_filters_that_leave_nothing_are_refused() -> None:
    filters = ["trim:end=5", "trim:start=5"]
    with pytest.raises(UsageError, match="leave nothing of a recording"):
        chain.check(filters)
    assert chain.check(["trim:start=2", "trim:start=1,end=5"]) == (2.0, 5.0)


def test_options_of_a_transcription_are_checked() -> None:
    with pytest.raises(UsageError, match="db must be from"):
        TranscriptionOptions(filters=("gain:db=99",))


PARAMETERS = (
    Parameter("order", "int", 2, 1, 8),
    Parameter("mode", "str", "soft", choices=("soft", "hard")),
    Parameter("note", "str"),
    Parameter("wet", "bool", True),
    Parameter("seed", "int", required=True),
    Parameter("delay", "float", 0.0, low=0.0, unit="ms"),
)


@pytest.fixture
def acme(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replaces the installed filters by one with a parameter of each type."""
    info = FilterInfo("Do something.", "3", PARAMETERS)
    monkeypatch.setattr(registry, "load", lambda name: (Trim(), info))


@pytest.mark.usefixtures("acme")
def test_each_type_of_parameter_is_read() -> None:
    spec = registry.parse("acme:seed=7,order=3,mode=hard,note=a:b,wet=off,delay=1e3")
    assert dict(spec.values) == {
        "order": 3,
        "mode": "hard",
        "note": "a:b",
        "wet": False,
        "seed": 7,
        "delay": 1000.0,
    }
    assert spec.text == "acme:order=3,mode=hard,note=a:b,wet=false,seed=7,delay=1000"
    assert registry.parse("acme:seed=1").key == (
        "acme:order=2,mode=soft,note=,wet=true,seed=1,delay=0 version 3"
    )


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acme", 'filter "acme": seed is missing: write acme:seed=VALUE'),
        ("acme:seed=1.5", 'seed must be a whole number, not "1.5"'),
        ("acme:seed=1,order=9", 'order must be a whole number from 1 to 8, not "9"'),
        ("acme:seed=1,mode=Hard", 'mode must be soft or hard, not "Hard"'),
        ("acme:seed=1,wet=maybe", 'wet must be true or false, not "maybe"'),
        ("acme:seed=1,delay=-1", 'delay must be 0 or more ms, not "-1"'),
    ],
)
def test_each_type_of_parameter_has_its_error(text: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        registry.parse(text)
    assert said in str(raised.value)


@pytest.mark.parametrize(
    ("describe", "said"),
    [
        (lambda plugin: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda plugin: sys.exit(2), "SystemExit: 2"),
        (lambda plugin: {}, "TypeError: describe() gave dict instead of FilterInfo"),
    ],
)
def test_a_filter_that_cannot_be_described_is_one_error(
    describe: Callable[[Trim], object], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trim, "describe", describe)
    with pytest.raises(PluginError) as raised:
        registry.parse("trim")
    assert str(raised.value) == f'filter "trim" failed: {said}'
    assert [one.problem for one in registry.probe() if one.name == "trim"] == [str(raised.value)]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ([Parameter("a b", "float")], "a parameter the name 'a b'"),
        ([Parameter("\x1b[31m", "float")], r"a parameter the name '\x1b[31m'"),
        ([Parameter("a", "float"), Parameter("a", "int")], "a parameter the name 'a'"),
        ([Parameter("a", "bytes")], "a the type 'bytes'"),  # type: ignore[arg-type]  # a plugin's mistake
        ([Parameter("a", "float", float("inf"))], "a the default inf"),
        ([Parameter("a", "float", float("nan"))], "a the default nan"),
        ([Parameter("a", "int", 9, 0, 8)], "a the default 9"),
        ([Parameter("a", "str", "x", choices=("y",))], "a the default 'x'"),
        ([Parameter("a", "float", b"1")], "a the default b'1'"),  # type: ignore[arg-type]  # a plugin's mistake
    ],
)
def test_a_parameter_that_cannot_be_is_one_error(
    parameters: list[Parameter], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Trim, "describe", lambda _: FilterInfo("a", "1", tuple(parameters)))
    with pytest.raises(PluginError) as raised:
        registry.parse("trim")
    assert str(raised.value) == f'filter "trim" failed: ValueError: describe() gave {said}'
