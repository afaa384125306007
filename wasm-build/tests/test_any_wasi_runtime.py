"""The portable module is a plain WASI command, which any WASI runtime runs as it stands."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from whisperctl import audio
from whisperctl.engine.toolkit.whisper_params import whisper_params
from whisperctl.models import store
from whisperctl.options import DecodeOptions
from whisperctl_wasi import modules, protocol
from whisperctl_wasi.host import imports
from whisperctl_wasi.host.conversation import Event

HOST = Path(__file__).with_name("node_host.mjs")
ROOT = Path(__file__).resolve().parents[2]

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


def run_in_node(requests: bytes) -> list[Event]:
    command = ["node", "--no-warnings", str(HOST), str(modules.find(modules.PORTABLE).path)]
    done = subprocess.run(command, input=requests, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    events = map(protocol.parse_event, done.stdout.splitlines())
    return [event for event in events if event is not None]


@needs_node
def test_node_gets_the_greeting() -> None:
    (hello,) = run_in_node(protocol.request("quit"))
    assert isinstance(hello, protocol.Hello)
    assert hello.max_threads == 1


@needs_node
@pytest.mark.slow
def test_node_transcribes_real_speech() -> None:
    model = store.resolve("tiny.en")
    speech = audio.load(ROOT / "samples/jfk.wav").samples
    params = whisper_params(DecodeOptions(beam_size=1), "en")
    events = run_in_node(
        protocol.load_request(model.stat().st_size)
        + model.read_bytes()
        + protocol.request("transcribe", samples=len(speech), threads=1, **params)
        + np.ascontiguousarray(speech, dtype="<f4").tobytes()
    )
    text = "".join(
        protocol.segment(event).text for event in events if isinstance(event, protocol.SegmentEvent)
    )
    assert "ask not what your country can do for you" in text.lower().replace(",", "")
    assert isinstance(events[-1], protocol.Result)


def test_the_portable_module_imports_nothing_but_wasi() -> None:
    names = imports.imports(modules.find(modules.PORTABLE).path.read_bytes())
    assert {name.partition(".")[0] for name in names} == {"wasi_snapshot_preview1"}


def test_no_module_can_ask_for_files_or_the_network() -> None:
    folder = modules.find().path.parent
    for path in (*folder.glob("*.wasm"), *folder.glob("processors/*.wasm")):
        names = imports.imports(path.read_bytes())
        assert not names if path.parent.name == "processors" else names
        assert not [name for name in names if ".path_" in name or ".sock_" in name], path


def test_the_record_of_the_build_names_every_module() -> None:
    import hashlib

    folder = modules.find().path.parent
    record = json.loads((folder / "build.json").read_text("utf-8"))
    built = {path.relative_to(folder).with_suffix("") for path in folder.rglob("*.wasm")}
    assert {Path(name) for name in record["modules"]} == built
    for name, module in record["modules"].items():
        data = (folder / f"{name}.wasm").read_bytes()
        assert hashlib.sha256(data).hexdigest() == module["sha256"]
