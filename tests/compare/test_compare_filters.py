"""Costs of filters, and instances at once."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from whisperctl.audio.filters import AudioFormat, FilterInfo, Parts, Processor, registry
from whisperctl.audio.filters.registry import FilterSpec
from whisperctl.compare import filters as measuring
from whisperctl.compare.filters import Bounds
from whisperctl.errors import PluginError

if TYPE_CHECKING:
    from tests.conftest import Cli
    from whisperctl.audio.filters import Block

MIB = 1 << 20
ENOUGH = Bounds(instances=8, memory_bytes=1024 * MIB, time_s=20)


class Sleeper:
    """A filter whose blocks take 2 ms, of which only so many can be open, and which Ctrl-C ends."""

    name, contract, technology = "sleeper", 1, "Sleep"

    def __init__(self, most: int, interrupted_after: int) -> None:
        self.most = most
        self.n_open = 0
        self.n_left = interrupted_after

    def describe(self) -> FilterInfo:
        return FilterInfo("Sleep.", "1")

    def open(self, audio: AudioFormat, values: Mapping[str, Any]) -> Processor:
        if self.n_open == self.most:
            raise PluginError("there is no more room\nfor another")
        self.n_open += 1
        return Sleeping(self, 0.002)

    def in_python(
        self, audio: AudioFormat, values: Mapping[str, Any]
    ) -> tuple[str, Processor] | None:
        self.n_open += 1
        return "NumPy", Sleeping(self, 0)

    def parts(self, processor: Processor, block: Block) -> Parts:
        return Parts(lambda: None, lambda: None, lambda: processor.process(block))

    def starts(self, audio: AudioFormat, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"open": lambda: self.open(audio, values).close()}


class Sleeping(Processor):
    def __init__(self, owner: Sleeper, seconds: float) -> None:
        self.owner = owner
        self.seconds = seconds

    def process(self, block: Block) -> Block:
        self.owner.n_left -= 1
        if self.owner.n_left == 0:
            signal.raise_signal(signal.SIGINT)
        if self.seconds:
            time.sleep(self.seconds)
        return block

    def close(self) -> None:
        self.owner.n_open -= 1


def sleeper(most: int = 1000, interrupted_after: int = 0) -> tuple[Sleeper, FilterSpec]:
    plugin = Sleeper(most, interrupted_after)
    return plugin, FilterSpec("sleeper", "1", plugin)


def test_a_filter_is_compared_with_the_same_in_python_and_taken_apart() -> None:
    plugin, spec = sleeper()

    cost = measuring.bench(spec, [16, 32], 0)

    assert (cost.technology, cost.python, list(cost.starts_ms)) == ("Sleep", "NumPy", ["open"])
    assert [one.block for one in cost.blocks] == [16, 32]
    for one in cost.blocks:
        assert one.filter_us >= 2000
        assert one.work_us is not None and one.work_us >= 1900
        assert one.python_us is not None and one.python_us < one.filter_us
        assert one.call_us is not None and one.call_us < 1000
    assert plugin.n_open == 0


def test_an_error_of_a_filter_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Sleeping, block: Block) -> Block:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Sleeping, "process", fail)
    said = '^filter "sleeper" failed: ZeroDivisionError: division by zero$'
    plugin, spec = sleeper()
    with pytest.raises(PluginError, match=said):
        measuring.bench(spec, [16], 0)
    with pytest.raises(PluginError, match=said):
        list(measuring.stress(spec, [16], 0, ENOUGH))
    assert plugin.n_open == 0


@pytest.mark.slow
def test_instances_are_added_until_a_block_is_late() -> None:
    plugin, spec = sleeper()
    bounds = replace(ENOUGH, instances=64)

    slow, fast = measuring.stress(spec, [320], 0, bounds)  # 20 ms, so that about nine can sleep

    assert (slow.technology, slow.end, slow.deadline_ms) == ("Sleep", "deadline", 20)
    assert slow.most < slow.end_count <= 10
    assert next(one for one in slow.loads if one.n_instances == slow.end_count).round_ms > 20
    assert (fast.technology, fast.end, fast.most, fast.end_count) == ("NumPy", "instances", 64, 64)
    assert [one.n_instances for one in fast.loads] == [1, 2, 4, 8, 16, 32, 64]
    assert plugin.n_open == 0


def test_what_the_machine_refuses_is_said() -> None:
    plugin, spec = sleeper(most=3)

    growth = next(iter(measuring.stress(spec, [3200], 0, ENOUGH)))

    assert (growth.end, growth.end_count, growth.most) == ("refused", 4, 2)
    assert growth.reason == "there is no more room for another"
    assert plugin.n_open == 0


def test_memory_is_bounded_and_given_back() -> None:
    _, spec = sleeper()
    before = psutil.Process().memory_info().rss

    for growth in measuring.stress(spec, [3200], 4 * MIB, replace(ENOUGH, memory_bytes=18 * MIB)):
        assert (growth.end, growth.most, growth.end_count) == ("memory", 4, 4)
        assert 14 * MIB < growth.loads[-1].memory_bytes <= 20 * MIB
        assert psutil.Process().memory_info().rss - before < 12 * MIB


def test_time_is_bounded() -> None:
    _, spec = sleeper()
    started = time.perf_counter()

    growths = list(measuring.stress(spec, [3200], 0, Bounds(1000, 64 * MIB, 0.2)))

    assert growths[0].end == "time"
    assert growths[0].most >= 1
    assert time.perf_counter() - started < 5


def test_an_interruption_ends_it_with_what_was_measured() -> None:
    plugin, spec = sleeper(interrupted_after=20)

    (growth,) = measuring.stress(spec, [3200], 0, ENOUGH)

    assert (growth.end, growth.end_count, growth.most) == ("interrupted", 4, 2)
    assert plugin.n_open == 0


def test_costs_are_printed(cli: Cli) -> None:
    done = cli.here("filters", "bench", "trim", "gain:db=3", "--block", "128", "--time", "0")

    assert (done.code, done.err) == (0, "")
    assert re.search(r"^trim, in Python\n +block +total us +ms/s\n +128 +\S+ +\S+$", done.out, re.M)
    assert re.search(r"^chain of 2 filters, 600 s of audio: \d\.\d\d s$", done.out, re.M)
    assert "processors" in done.out.splitlines()[-1]


def test_costs_are_a_document(cli: Cli) -> None:
    done = cli.here("filters", "bench", "trim", "--block", "128", "--time", "0", "--json")

    found = json.loads(done.out)
    assert found["chain_s"] is None
    assert found["machine"]["processors"] >= 1
    (one,) = found["filters"]
    assert (one["filter"], one["blocks"][0]["block"], one["blocks"][0]["call_us"]) == (
        *("trim", 128, None),
    )


def test_instances_at_once_are_a_table_a_plot_and_a_verdict(cli: Cli) -> None:
    before = psutil.Process().num_threads(), psutil.Process().children()
    limits = ("--instances", "4", "--audio", "64K", "--memory", "256M")

    done = cli.here("filters", "stress", "trim", *limits)

    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "trim, blocks of 1024 samples (64 ms), 64 KiB of audio each"
    assert [line.split()[0] for line in lines[2:5]] == ["1", "2", "4"]
    assert any(re.match(r" +100 % \|-{61}$", line) for line in lines)
    assert (
        "  Python: 4 at once kept the deadline, and 4 was the limit; opening one took " in done.out
    )
    assert (psutil.Process().num_threads(), psutil.Process().children()) == before


def test_a_limit_that_leaves_no_time_is_a_verdict(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, spec = sleeper()
    monkeypatch.setattr(registry, "parse", lambda text: spec)
    monkeypatch.setattr(Sleeping, "process", lambda self, block: time.sleep(0.2))

    done = cli.here(
        "filters", "stress", "sleeper", "--block", "64", "--time", "0.1", "--audio", "0"
    )

    assert (done.code, done.err) == (0, "")
    assert (
        "  Sleep: 0 at once kept the deadline, and at 1 the limit of time was reached" in done.out
    )


def test_instances_at_once_are_a_document(cli: Cli) -> None:
    done = cli.here(
        *("filters", "stress", "trim", "--instances", "2", "--audio", "0", "--block", "64"),
        *("--block", "128", "--json"),
    )

    found = json.loads(done.out)
    assert [(one["block"], one["most"]) for one in found["growths"]] == [(64, 2), (128, 2)]
    assert found["bounds"]["instances"] == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("stress", "gian"), 'unknown filter "gian": did you mean "gain"?'),
        (("stress", "--memory", "lots"), '"lots" is not a size: write one such as 2G or 500M'),
        (
            ("stress", "--audio", "2G", "--memory", "1G"),
            '--audio "2G" is more than the limit of memory, 1 GiB: choose less, or a larger '
            "--memory",
        ),
        (("stress", "--memory", ""), '"" is not a size: write one such as 2G or 500M'),
        (("stress", "--memory", "-1"), '"-1" is not a size: write one such as 2G or 500M'),
        (
            ("stress", "--audio", "0", "--memory", "0"),
            "memory must be more than 0: write a size such as 2G or 500M",
        ),
        (("stress", "--audio", "nan"), '"nan" is not a size: write one such as 2G or 500M'),
        (
            ("stress", "--audio", "999999999T", "--memory", "9999999999T"),
            '--audio "999999999T" is more than half of the available memory, 2 GiB: choose less',
        ),
        (("stress", "--time", "nan"), "time must be from 0.1 to 3600, not nan"),
        (("stress", "--block", "0"), "block must be from 1 to 65536, not 0"),
        (("bench", "gain:db=900"), 'filter "gain": db must be from -120 to 60 dB, not "900"'),
    ],
)
def test_wrong_arguments_are_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.setattr(measuring, "available_bytes", lambda: 4 << 30)

    done = cli.here("filters", *arguments)

    assert (done.code, done.out, done.err) == (2, "", f"whisperctl: error: {said}\n")


def test_ctrl_c_prints_what_was_measured(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin, spec = sleeper(interrupted_after=20)
    monkeypatch.setattr(registry, "parse", lambda text: spec)

    done = cli.here("filters", "stress", "sleeper", "--block", "3200", "--audio", "0")

    assert (done.code, done.err) == (130, "whisperctl: interrupted\n")
    assert "  Sleep: 2 at once kept the deadline, and at 4 it was interrupted; " in done.out
    assert plugin.n_open == 0
