"""Addresses as people write them, and messages of workers, which may be anybody's."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from whisperctl.compare.result import Machine
from whisperctl.compare.runner import Result
from whisperctl.engine import resources
from whisperctl.errors import BackendError, PluginError, UsageError
from whisperctl.jobs.events import Advanced, RunMeasured, Transcribed
from whisperctl.jobs.executors import choose
from whisperctl.jobs.executors.processes import event_line, fatal_line
from whisperctl.models import store
from whisperctl.models.ggml.files import hex_digest
from whisperctl.storage import records
from whisperctl.transcript import Segment, Timings, Transcript
from whisperctl_dask import address, cluster, messages, placing
from whisperctl_dask.address import Address
from whisperctl_dask.messages import Description, InvalidAnswerError, Outcome, SharedFile
from whisperctl_dask.worker import difference

REPORT = {"number": 1, "attempt": "a", "lines": [], "file": None, "offset": 0, "ticket": ""}


def test_an_address_is_a_scheduler_a_file_or_nothing() -> None:
    assert address.parse("") == Address()
    assert address.parse("//host:8786") == Address("tcp://host:8786")
    assert address.parse("//[::1]:8786", encrypted=True) == Address("tls://[::1]:8786")
    assert address.parse("/shared/s.json") == Address(file=Path("/shared/s.json"))
    assert address.parse("//host:1?threads=4&priority=-2&wait=0&big=1") == Address(
        "tcp://host:1", None, 4, -2, 0, {"big": 1}
    )
    assert address.parse("?threads=2").threads == 2


@pytest.mark.parametrize(
    "text",
    [
        *("//host", "//host:x", "//host:99999", "//:8786", "//u@host:1", "//host:1/x"),
        *("//host:1?threads=0", "//host:1?priority=", "//host:1?wait=nan", "//host:1?wait=-1"),
        *("?gpu=inf", "?threads=1.5"),
    ],
)
def test_another_address_is_one_clear_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"write "):
        address.parse(text)


@pytest.mark.slow
def test_what_listens_without_an_answer_is_no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_CONNECT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(PluginError, match=rf"no Dask scheduler at tcp://127.0.0.1:{port} \("):
            cluster.Cluster(Address(f"tcp://127.0.0.1:{port}"), "topic", 1, 1)


def test_an_executor_without_addresses_refuses_one() -> None:
    with pytest.raises(
        UsageError, match='"processes" takes no address: write --executor processes'
    ):
        choose("processes://host:8786")
    assert choose("dask://host:8786").name == "dask"


def test_a_cluster_of_this_machine_has_a_worker_for_each_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resources, "available", lambda: 8)
    assert cluster.local_size(100, all_workers=True, threads=None) == (8, 1)
    assert cluster.local_size(2, all_workers=True, threads=None) == (2, 4)
    assert cluster.local_size(100, all_workers=True, threads=4) == (2, 4)
    assert cluster.local_size(16, all_workers=False, threads=None) == (16, 1)


def test_a_report_is_taken_as_workers_write_it() -> None:
    line = event_line(Advanced(1.0, 2.0))
    report = messages.report({**REPORT, "lines": [line], "worker": "tcp://host:1"})
    assert [messages.event(one) for one in report.lines] == [Advanced(1.0, 2.0)]


@pytest.mark.parametrize(
    "message",
    [
        *(None, 7, "text", [], {}, {**REPORT, "number": "1"}, {**REPORT, "attempt": "a" * 65}),
        *({**REPORT, "lines": ["text"]}, {**REPORT, "lines": b"x"}, {**REPORT, "file": -1}),
        *({**REPORT, "file": 9999}, {**REPORT, "offset": -2}, {**REPORT, "more": 1}),
    ],
)
def test_any_other_report_is_refused(message: object) -> None:
    with pytest.raises(InvalidAnswerError):
        messages.report(message)


@pytest.mark.parametrize(
    "value",
    [None, 7, b"", b"\xff", msgspec.msgpack.encode({"line": 1}), msgspec.msgpack.encode([])],
)
def test_any_other_result_is_refused(value: object) -> None:
    with pytest.raises(InvalidAnswerError):
        messages.outcome(value)


def test_a_result_is_an_end_or_the_reason_to_refuse_a_worker() -> None:
    line = fatal_line(BackendError("no"))
    result = messages.outcome(msgspec.msgpack.encode(Outcome(line)))
    assert isinstance(messages.event(result.line), BackendError)


def transcribed(**changes: object) -> bytes:
    segment = Segment(0.0, 1.0, " a")
    transcript = Transcript((segment,), "en", 1.0, Timings(wall_ms=1.0))
    kind, values = json.loads(event_line(Transcribed(transcript)))
    values["transcript"] |= changes
    return json.dumps([kind, values]).encode()


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"null", b"[]", b"[1,2]", b'["Unknown",{}]', b'["Fatal",{}]', b"[" * 100_000),
        *(b'["Fatal",{"kind":"OSError"}]', b'["Failed",{"reason":1}]', b"\xff\xfe"),
        b'["Advanced",{"done_s":NaN,"total_s":1}]',
        b'["Advanced",{"done_s":1e300,"total_s":1}]',
        *(transcribed(language="xx"), transcribed(duration_s=-1.0), transcribed(duration_s=1e12)),
        transcribed(segments=[{"start_s": 0.0, "end_s": -5.0, "text": ""}]),
    ],
)
def test_any_other_event_is_refused(line: bytes) -> None:
    with pytest.raises(InvalidAnswerError):
        messages.event(line)
    assert isinstance(messages.event(transcribed()), Transcribed)


def measured(**changes: object) -> bytes:
    transcript = Transcript((Segment(0.0, 1.0, " a"),), "en", 1.0, Timings(wall_ms=1.0))
    result = Result({"wall_ms": 1.0, "cold_start_ms": 2.0}, {"encode": 1}, transcript)
    kind, values = json.loads(event_line(RunMeasured(0, result, "", 1.0)))
    values["result"] |= changes
    return json.dumps([kind, values]).encode()


@pytest.mark.parametrize(
    "line",
    [
        *(measured(values={"wall_ms": 1.0}), measured(values={"wall_ms": -1, "cold_start_ms": 1})),
        *(measured(counts={"dance": 1}), measured(counts={"encode": -1})),
        measured(values={"wall_ms": 1.0, "cold_start_ms": 1.0, "more": 1.0}),
        measured(transcript=None),
        b'["RunMeasured",{"place":0,"result":null,"error":"","took_s":-1}]',
    ],
)
def test_measurements_that_nothing_measures_are_refused(line: bytes) -> None:
    with pytest.raises(InvalidAnswerError):
        messages.event(line)
    assert isinstance(messages.event(measured()), RunMeasured)


def described(**changes: object) -> Description:
    machine = Machine("A \x1b[31mprocessor", ("fma", "avx2"), 8, 4, None, "Linux", "3.11")
    return replace(Description(machine, 4), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [
        *(None, 7, b"", b"[]", b"{}", b" " * 100_000, records.line(described(threads=0))),
        records.line(described()).replace(b'"processors":8', b'"processors":NaN'),
    ],
)
def test_any_other_description_of_a_worker_is_refused(value: object) -> None:
    with pytest.raises(InvalidAnswerError):
        messages.description(value)


def test_workers_of_one_kind_have_the_same_processor_and_threads() -> None:
    found = messages.description(records.line(described()))
    assert "\x1b" not in found.machine.cpu
    machine = replace(found.machine, load_average=(9.0,), cpu_flags=("avx2", "fma"))
    assert replace(found, machine=machine).key == found.key
    others = [
        replace(found, threads=2),
        *(
            replace(found, machine=replace(found.machine, **change))
            for change in ({"cpu": "B"}, {"cpu_flags": ("fma",)}, {"processors_allowed": 2})
        ),
    ]
    assert len({one.key for one in (found, *others)}) == 5


@pytest.mark.slow
def test_a_worker_takes_a_published_model_from_its_own_store() -> None:
    tiny_en = store.resolve("tiny.en")
    elsewhere = SharedFile(Path("/elsewhere/ggml-tiny.en.bin"), tiny_en.stat().st_size)
    digest = hex_digest(tiny_en, "sha256")

    def pulled(file: SharedFile, digest: str) -> Path | None:
        return placing._pulled(file, digest, lambda: None)

    found = pulled(elsewhere, digest)
    assert found is not None and found.samefile(tiny_en)
    assert pulled(elsewhere, "0" * 64) is None  # another model by this name
    assert pulled(replace(elsewhere, size=7), digest) is None
    assert pulled(replace(elsewhere, path=Path("ggml-mine.bin")), digest) is None


def test_the_first_version_that_differs_is_named() -> None:
    ours = {"backend": "1", "module.wasm": "aa"}
    assert difference(ours, dict(ours)) == ""
    assert difference(ours, {"backend": "1"}) == "module.wasm is nothing there and aa here"
