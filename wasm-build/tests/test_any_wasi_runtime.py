"""The portable module is a plain WASI command, which any WASI runtime runs as it stands."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from whisperctl import audio
from whisperctl.decoding import DecodeOptions
from whisperctl.models import store
from whisperctl.whisper_params import whisper_params
from whisperctl_wasi import modules, protocol

HOST = Path(__file__).with_name("node_host.mjs")
ROOT = Path(__file__).resolve().parents[2]

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")


def run_in_node(requests: bytes) -> list[protocol.Event]:
    command = ["node", "--no-warnings", str(HOST), str(modules.find(modules.PORTABLE).path)]
    done = subprocess.run(command, input=requests, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return [protocol.parse_event(line) for line in done.stdout.splitlines()]


@needs_node
def test_node_gets_the_greeting() -> None:
    (hello,) = run_in_node(protocol.request("quit"))
    assert hello["event"] == "hello"
    assert hello["max_threads"] == 1


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
    text = "".join(event["text"] for event in events if event["event"] == "segment")
    assert "ask not what your country can do for you" in text.lower().replace(",", "")
    assert events[-1]["event"] == "result"


def test_the_portable_module_imports_nothing_but_wasi() -> None:
    import wasmtime

    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, modules.find(modules.PORTABLE).path)
    assert {item.module for item in module.imports} == {"wasi_snapshot_preview1"}


def test_no_module_can_ask_for_files_or_the_network() -> None:
    import wasmtime

    config = wasmtime.Config()
    config.shared_memory = True
    engine = wasmtime.Engine(config)
    for variant in (modules.PORTABLE, modules.THREADS):
        module = wasmtime.Module.from_file(engine, modules.find(variant).path)
        names = {item.name or "" for item in module.imports}
        assert not [name for name in names if name.startswith(("path_", "sock_"))], variant


def test_the_record_of_the_build_names_every_module() -> None:
    import hashlib

    for variant in (modules.PORTABLE, modules.THREADS):
        module = modules.find(variant)
        assert hashlib.sha256(module.path.read_bytes()).hexdigest() == module.sha256
    record = json.loads(modules.find().path.with_name("build.json").read_text("utf-8"))
    assert set(record["modules"]) == {modules.PORTABLE, modules.THREADS}
