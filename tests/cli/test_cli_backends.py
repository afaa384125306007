"""``whisperctl backends`` and ``whisperctl doctor``, with healthy and broken installations."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NoReturn

import pytest

from whisperctl.audio.decoders import registry
from whisperctl.cli import doctor
from whisperctl.errors import PluginError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Cli, MakePlugin

BROKEN = {
    "library": "raise OSError('libacme.so: no such file')\n",
    "exit": "raise SystemExit(3)\n",
    "missing": "",
    "describe": "class Acme:\n    contract = 1\n    def describe(self): raise ValueError\n",
}
UNAVAILABLE = """
from whisperctl.engine.protocol import BackendInfo, RuntimeInfo

class Acme:
    name, contract, preference = "acme", 1, 0

    def describe(self):
        problem = "acme-engine is missing; try: pip install acme-engine"
        runtime = RuntimeInfo("acme", problem=problem)
        return BackendInfo("acme", "9.9", "Acme's engine", (runtime,))
"""


@pytest.mark.slow
def test_every_backend_of_our_own_is_listed_and_works(cli: Cli) -> None:
    done = cli.here("backends", "list", "--json")
    assert (done.code, done.err) == (0, "")
    found = {one["name"]: one for one in json.loads(done.out)}
    assert list(found)[:2] == ["native", "wasi"]
    runtimes = {r["name"]: r for name in ("native", "wasi") for r in found[name]["runtimes"]}
    assert list(runtimes) == ["native", "wasmer", "wasmtime"]
    assert all(runtime["available"] and runtime["version"] for runtime in runtimes.values())
    assert "CPU" in found["native"]["system_info"]
    assert "WASM_SIMD = 1" in found["wasi"]["system_info"]
    listing = cli.here("backends").out
    for name, runtime in runtimes.items():
        assert f"    {name} {runtime['version']}: available\n" in listing
    for one in found.values():
        assert one["system_info"].strip() in listing


@pytest.mark.slow
def test_broken_plugins_say_why_and_stop_no_other(cli: Cli, plugin: MakePlugin) -> None:
    env: dict[str, str] = {}
    for kind, source in BROKEN.items():
        env = plugin(kind, source.replace("Acme", kind.title()))
    done = cli.here("backends", env=env)
    assert (done.code, done.err) == (0, "")
    assert "native" in done.out and "wasmtime" in done.out
    reasons = {
        "library": "libacme.so",
        "exit": "SystemExit",
        "missing": "Missing",
        "describe": "ValueError",
    }
    for kind, reason in reasons.items():
        (line,) = [line for line in done.out.splitlines() if line.startswith(f"{kind}:")]
        assert line.startswith(f"{kind}: not available: ")
        assert reason in line
    assert cli.here("--help", env=env).code == 0


@pytest.mark.slow
def test_an_unavailable_runtime_says_what_to_install(cli: Cli, plugin: MakePlugin) -> None:
    env = plugin("acme", UNAVAILABLE)
    done = cli.here("backends", env=env)
    assert (
        "    acme: not available: acme-engine is missing; try: pip install acme-engine" in done.out
    )
    doctor = cli.here("doctor", env=env)
    assert "warn  runtime acme/acme: acme-engine is missing; try: pip install" in doctor.out


DECODER = """
from whisperctl.audio.decoders import DecoderInfo
from whisperctl.errors import PluginError

class Acme:
    name = "acme"
    contract = 1
    preference = 0

    def describe(self):
        return DecoderInfo("acme", "9.9", "libacme 1")

    def open(self, source):
        raise PluginError('decoder "acme" lacks libacme: pip install acme')
"""


@pytest.mark.slow
def test_broken_decoders_say_why_and_stop_no_other(cli: Cli, plugin: MakePlugin, jfk: Path) -> None:
    later = DECODER.replace("contract = 1", "contract = 7").replace("acme", "later")
    plugin("acme", DECODER, "decoder")
    plugin("exits", "raise SystemExit(3)\n", "decoder")
    env = plugin("later", later.replace("Acme", "Later"), "decoder")
    lines = cli.here("backends", env=env).out.partition("\ndecoders:\n")[2].splitlines()
    listed = {line.split()[0].rstrip(":"): line for line in lines}
    assert list(listed) == ["sandbox", "soundfile", "ffmpeg", "acme", "exits", "later"]
    examined = cli.here("doctor", env=env).out.splitlines()
    for name, available, problem in (
        ("acme", "acme 9.9, libacme 1: available", 'decoder "acme" lacks libacme: pip install'),
        ("exits", "not available", "failed to load: SystemExit: 3"),
        ("later", "not available", "upgrade whisperctl"),
    ):
        assert available in listed[name]
        (line,) = [line for line in examined if f"decoder {name}" in line]
        assert line.startswith(f"warn  decoder {name}: ")
        assert problem in line
    assert cli.here("probe", jfk, env=env).code == 0


@pytest.mark.slow
def test_a_sandbox_that_does_not_work_is_no_reason_to_read_natively(
    cli: Cli, plugin: MakePlugin, jfk: Path
) -> None:
    source = DECODER.replace("preference = 0", "preference = 99\n    sandboxed = True")
    env = plugin("acme", source, "decoder")

    listed = cli.here("backends", env=env).out
    assert "    acme 9.9, libacme 1: available\n" in listed
    assert ": available, only with --decoder ffmpeg\n" in listed
    examined = cli.here("doctor", env=env).out
    assert "fail  default decoder: acme does not work: repair it, or use --decoder" in examined
    done = cli.here("probe", jfk, env=env)
    assert (done.code, done.out) == (1, "")
    assert "pip install acme, or use --decoder ffmpeg or --decoder soundfile to decode" in done.err
    assert "read by ffmpeg" in cli.here("probe", jfk, "--decoder", "ffmpeg", env=env).out


@pytest.mark.slow
def test_the_doctor_says_what_stops_the_default_decoder_and_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_may_read(name: str) -> NoReturn:
        raise PluginError('decoder "acme" does not load')

    monkeypatch.setattr(registry, "choose", none_may_read)

    (check,) = [one for one in doctor.run() if one.subject == "default decoder"]

    assert (check.status, check.detail) == ("fail", 'decoder "acme" does not load')


def test_the_doctor_finds_nothing_wrong_here(cli: Cli, tiny_en: Path) -> None:
    done = cli.here("doctor", env={"WHISPERCTL_MODELS": str(tiny_en.parent)})
    assert done.err == ""
    assert done.code == 0, done.out
    states = {line[6:].partition(":")[0]: line[:4].strip() for line in done.out.splitlines()}
    for subject in (
        *("Python", "backend native", "backend wasi", "runtime native/native"),
        *("runtime wasi/wasmer", "runtime wasi/wasmtime", "model tiny.en"),
        *("decoder soundfile", "decoder ffmpeg", "default decoder"),
        *("pip", "models' directory", "temporary files"),
    ):
        assert states[subject] == "ok"


@pytest.mark.slow
def test_the_doctor_tells_of_a_damaged_model(cli: Cli, tiny_en: Path, tmp_path: Path) -> None:
    with tiny_en.open("rb") as file:
        (tmp_path / "ggml-tiny.en.bin").write_bytes(file.read(100_000))
    done = cli.here("doctor", env={"WHISPERCTL_MODELS": str(tmp_path)})
    assert done.code == 1
    assert "fail  model tiny.en: " in done.out
    assert "whisperctl models rm tiny.en" in done.out


@pytest.mark.slow
def test_the_doctor_tells_of_missing_models_and_where_they_cannot_go(
    cli: Cli, tmp_path: Path
) -> None:
    nowhere = cli.here("doctor", env={"WHISPERCTL_MODELS": "/proc/models"})
    assert nowhere.code == 1
    assert "fail  models' directory: /proc/models" in nowhere.out
    empty = cli.here("doctor", env={"WHISPERCTL_MODELS": str(tmp_path / "new")})
    assert empty.code == 1
    assert "fail  models: none is installed; run: whisperctl models pull base" in empty.out
