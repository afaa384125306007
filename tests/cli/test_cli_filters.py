"""``--filter`` in commands, the configuration and comparisons; and the list of filters."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from whisperctl import audio
from whisperctl.audio.filters import registry
from whisperctl.compare import document
from whisperctl.compare.plan import prepare, samples_hash
from whisperctl.engine.registry import Engine
from whisperctl.jobs import journal
from whisperctl.jobs.job import Job, Results
from whisperctl.jobs.sources import Recording
from whisperctl.options import TranscriptionOptions
from whisperctl.storage import records

if TYPE_CHECKING:
    from tests.conftest import Cli

FILTERS = ("--filter", "highpass:frequency=120", "--filter", "gain:db=-3")


def test_filters_are_listed_with_ranges_and_defaults(cli: Cli) -> None:
    done = cli.here("filters")

    assert (done.code, done.err) == (0, "")
    assert "highpass: Attenuate frequencies below a cutoff, by 12 dB per octave.\n" in done.out
    assert "    frequency (1 to 7999 Hz, default 80): " in done.out


def test_filters_are_listed_as_json(cli: Cli) -> None:
    listed = {one["name"]: one for one in json.loads(cli.here("filters", "--json").out)}

    assert listed["gain"]["available"] is True
    (parameter,) = listed["gain"]["parameters"]
    assert parameter["name"] == "db"
    assert (parameter["minimum"], parameter["maximum"]) == (-120.0, 60.0)
    assert (parameter["default"], parameter["unit"]) == (0.0, "dB")


def test_a_filter_that_does_not_load_stops_no_other(cli: Cli, tmp_path: Path) -> None:
    record = tmp_path / "site" / "acme-1.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (record / "entry_points.txt").write_text(
        f"[{registry.FILTERS.group}]\nacme = acme_missing:Acme\n"
    )
    env = {"PYTHONPATH": str(tmp_path / "site")}

    done = cli.here("filters", env=env)
    used = cli.here("transcribe", "a.wav", "--filter", "acme", env=env)

    assert done.code == 0
    assert (
        'acme: not available: filter "acme" (acme) failed to load: ModuleNotFoundError' in done.out
    )
    assert "gain: Amplify or attenuate.\n" in done.out
    assert used.code == 1
    assert used.err.startswith('whisperctl: error: filter "acme" (acme) failed to load: ')
    assert used.err.count("\n") == 1


def test_a_dry_run_shows_the_chain_in_order(fake: Cli, jfk: Path) -> None:
    done = fake.here("transcribe", jfk, *FILTERS, "--dry-run")

    assert (done.code, done.err) == (0, "")
    assert " filters highpass:frequency=120, gain:db=-3\n" in done.out


@pytest.mark.slow
def test_verbose_shows_the_chain(fake: Cli, jfk: Path) -> None:
    done = fake("transcribe", jfk, *FILTERS, "--verbose")

    assert done.code == 0
    assert "option filter: highpass:frequency=120, gain:db=-3 (command line)" in done.err


def test_apply_is_configured_like_other_commands(fake: Cli, jfk: Path) -> None:
    import soundfile

    file = fake.directory / "c.toml"
    env = {"WHISPERCTL_CONFIG": "c.toml"}
    apply = ("filters", "apply", jfk, "a.wav")

    def kept_s(*arguments: str) -> int:
        done = fake.here(*apply, *arguments, env=env)
        assert (done.code, done.err) == (0, 'whisperctl: wrote "a.wav": 11.0 s, 16000 Hz, mono\n')
        samples, rate = soundfile.read(fake.directory / "a.wav")
        return round(float(np.flatnonzero(samples)[-1] / rate))

    file.write_text('filter = ["trim:end=1"]\ndecoder = "soundfile"\n[filters]\nforce = true\n')
    assert kept_s() == 1
    assert kept_s("--filter", "trim:end=2") == 2
    shown = fake.here("config", "show", env=env).out
    assert "\n[filters]\nforce = true  # file: line 4\n" in shown

    variable = fake.here(*apply, env={**env, "WHISPERCTL_DECODER": "acme"})
    assert (variable.code, variable.err.count("\n")) == (2, 1)
    assert "(set by the environment variable WHISPERCTL_DECODER)" in variable.err
    file.write_text('[filters]\nmodel = "base"\n')
    assert 'line 2: unknown option "model"' in fake.here(*apply, env=env).err


@pytest.mark.parametrize("command", ["transcribe", "compare"])
def test_filters_that_leave_nothing_are_an_error(fake: Cli, jfk: Path, command: str) -> None:
    done = fake.here(command, jfk, "--filter", "trim:end=5", "--filter", "trim:start=6")

    assert (done.code, done.out) == (2, "")
    assert "trim:end=5, trim:start=6 leave nothing of a recording" in done.err


@pytest.mark.parametrize("command", ["transcribe", "compare"])
def test_a_wrong_filter_is_one_line(fake: Cli, jfk: Path, command: str) -> None:
    done = fake.here(command, jfk, "--filter", "highpass:freqency=6")

    assert (done.code, done.out) == (2, "")
    assert done.err == (
        'whisperctl: error: unknown parameter "freqency" of filter "highpass": '
        'did you mean "frequency"?\n'
    )


def test_the_configuration_file_and_a_variable_give_filters(fake: Cli, jfk: Path) -> None:
    (fake.directory / "c.toml").write_text('filter = ["highpass:frequency=80", "normalize"]\n')
    env = {"WHISPERCTL_CONFIG": "c.toml"}
    from_file = fake.here("transcribe", jfk, "--dry-run", env=env)
    from_variable = fake.here(
        "transcribe", jfk, "--dry-run", env={**env, "WHISPERCTL_FILTER": "gain:db=1 lowpass"}
    )
    typed = fake.here("transcribe", jfk, "--dry-run", "--filter", "gain:db=2", env=env)

    assert " filters highpass:frequency=80, normalize\n" in from_file.out
    assert " filters gain:db=1, lowpass\n" in from_variable.out
    assert " filters gain:db=2\n" in typed.out


def test_a_wrong_filter_in_the_file_says_where_it_is(fake: Cli, jfk: Path) -> None:
    (fake.directory / "c.toml").write_text('filter = ["gain:db=99"]\n')
    done = fake.here("transcribe", jfk, env={"WHISPERCTL_CONFIG": "c.toml"})

    assert done.code == 2
    assert 'db must be from -120 to 60 dB, not "99" (filter is set in "c.toml")\n' in done.err


def test_times_are_those_of_the_recording_after_trim(fake: Cli, jfk: Path) -> None:
    trimmed = fake.here("transcribe", jfk, "--filter", "trim:start=4,end=9")
    windowed = fake.here("transcribe", jfk, "--offset", "4", "--duration", "5")

    assert trimmed.code == 0
    assert trimmed.out.startswith("[00:00:04.")
    assert (trimmed.out, trimmed.err) == (windowed.out, windowed.err)


def test_trim_beyond_the_end_is_an_error(fake: Cli, jfk: Path) -> None:
    done = fake.here("transcribe", jfk, "--filter", "trim:start=60")
    assert done.code != 0
    assert "which is 11.0 s long" in done.err


@pytest.mark.slow
def test_speakers_on_channels_are_filtered(fake: Cli, tmp_path: Path, jfk: Path) -> None:
    import soundfile

    speech = audio.load(jfk).samples
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([speech, speech * 0.5], axis=1), audio.SAMPLE_RATE)

    done = fake.here(
        *("transcribe", path, "--speaker-from-channels"),
        *("--filter", "normalize", "--filter", "highpass"),
    )

    assert (done.code, "Speaker 2" in done.out) == (0, True)


def test_what_is_kept_of_a_run_is_kept_by_filters_and_their_versions(
    jfk: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parts(*filters: str) -> object:
        options = TranscriptionOptions(filters=filters)
        job = Job(Engine("fake"), model, 1, options, Results((), Path()))
        return journal.Keys(job).parts(Recording(str(jfk)))

    assert parts("gain:db=1") == parts("gain:db=1")
    assert parts("gain:db=1") != parts("gain:db=2")
    assert parts("gain", "lowpass") != parts("lowpass", "gain")
    before = parts("gain")
    load = registry.load

    def newer(name: str) -> object:
        plugin, info = load(name)
        return plugin, replace(info, version="later")

    monkeypatch.setattr(registry, "load", newer)
    assert parts("gain") != before


@pytest.fixture
def compared(fake: Cli, jfk: Path) -> Mapping[str, object]:
    done = fake.here(
        *("compare", jfk, "--backend", "fake", "--threads", "1", "--model", "tiny.en"),
        *("--no-warm-up", "--json", *FILTERS),
    )
    assert done.code == 0, done.err
    found: Mapping[str, object] = json.loads(done.out)
    return found


@pytest.mark.slow
def test_a_comparison_measures_filtered_samples_and_says_so(
    compared: Mapping[str, object], fake: Cli, jfk: Path
) -> None:
    filters = FILTERS[1::2]
    path = fake.directory / "run.json"
    path.write_text(json.dumps(compared))

    (recording,) = document.read(path).recordings

    samples = audio.load(jfk, filters=filters).samples
    assert recording.filters == filters
    assert recording.samples_sha256 == samples_hash(samples)
    assert recording.samples_sha256 != samples_hash(audio.load(jfk).samples)
    shown = fake.here("compare", "--show", path, "--format", "markdown")
    assert "filters highpass:frequency=120 gain:db=-3" in shown.out


def test_a_comparison_is_repeated_with_its_filters(jfk: Path) -> None:
    filters = ("gain:db=-3",)
    first = prepare("a", jfk, audio.load(jfk, filters=filters), filters=filters)

    again = document.recording(first.info, jfk.parent)

    assert again.info.filters == filters
    np.testing.assert_array_equal(again.audio.samples, first.audio.samples)


@pytest.mark.slow
def test_a_comparison_from_before_there_were_filters_is_read(
    compared: Mapping[str, object], tmp_path: Path
) -> None:
    text = json.dumps(records.plain(compared))
    older = json.loads(text)
    for recording in older["recordings"]:
        del recording["filters"]
    path = tmp_path / "older.json"
    path.write_text(json.dumps(older))

    assert [one.filters for one in document.read(path).recordings] == [()]


@pytest.mark.slow
def test_filters_of_a_document_from_anywhere_are_checked(
    compared: Mapping[str, object], fake: Cli
) -> None:
    hostile = json.loads(json.dumps(compared))
    hostile["recordings"][0]["filters"] = ["gain:db=1e999"]
    path = fake.directory / "hostile.json"
    path.write_text(json.dumps(hostile))

    done = fake.here("compare", "--from", path)

    assert done.code == 2
    assert 'filter "gain": db must be from -120 to 60 dB, not "1e999"' in done.err


@pytest.mark.parametrize(("name", "subtype"), [("a.wav", "FLOAT"), ("a.FLAC", "PCM_24")])
def test_filters_are_applied_to_a_file(fake: Cli, jfk: Path, name: str, subtype: str) -> None:
    import soundfile

    done = fake.here("filters", "apply", jfk, name, *FILTERS)

    assert (done.code, done.out) == (0, "")
    assert done.err == f'whisperctl: wrote "{name}": 11.0 s, 16000 Hz, mono\n'
    assert soundfile.info(fake.directory / name).subtype == subtype
    samples, rate = soundfile.read(fake.directory / name, dtype="float32")
    assert rate == audio.SAMPLE_RATE
    expected = audio.load(jfk, filters=FILTERS[1::2]).samples
    np.testing.assert_allclose(samples, expected, atol=0 if subtype == "FLOAT" else 2**-23)


def test_an_output_that_exists_is_replaced_only_by_force(fake: Cli, jfk: Path) -> None:
    path = fake.directory / "a.wav"
    path.write_bytes(b"mine")
    (fake.directory / ".whisperctl-0123456789abcdef.tmp").touch()  # of a run that was killed
    arguments = ("filters", "apply", jfk, path, "--filter", "gain:db=-3")

    refused = fake.here(*arguments)
    kept = path.read_bytes()
    forced = fake.here(*arguments, "--force")

    assert (refused.code, kept) == (1, b"mine")
    assert refused.err.endswith('a.wav" exists already: add --force to replace it\n')
    assert (forced.code, path.read_bytes()[:4]) == (0, b"RIFF")
    assert list(fake.directory.glob(".whisperctl-*")) == []


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("a.wav",), 2, "no filter is given: add --filter NAME"),
        (("a.mp3", *FILTERS), 2, '"a.mp3" is not a .wav or .flac file: change its extension'),
        (("none/a.wav", *FILTERS), 1, "none"),
        (("a.wav", "--filter", "gain:db=99"), 2, "db must be from -120 to 60 dB"),
        (("jfk.wav", *FILTERS, "--force"), 2, "the input"),
    ],
)
def test_what_cannot_be_applied_leaves_no_file(
    fake: Cli, jfk: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    (fake.directory / "jfk.wav").write_bytes(jfk.read_bytes())

    done = fake.here("filters", "apply", "jfk.wav", *arguments)

    assert (done.code, done.out) == (code, "")
    assert said in done.err and done.err.count("\n") == 1
    assert [path.name for path in fake.directory.glob("*.*")] == ["jfk.wav"]


def test_a_recording_that_fails_leaves_no_file(fake: Cli) -> None:
    (fake.directory / "a.mp3").write_bytes(b"no audio at all")

    done = fake.here("filters", "apply", "a.mp3", "b.wav", *FILTERS)

    assert (done.code, done.err.count("\n")) == (1, 1)
    assert [path.name for path in fake.directory.glob("*.*")] == ["a.mp3"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("bench", "gain", "--block", "-1"), "block must be from 1 to 65536, not -1"),
        (("bench", "gain", "--time", "nan"), "time must be from 0 to 3600, not nan"),
        (("stress", "gain", "--instances", "0"), "instances must be from 1 to 1000000, not 0"),
    ],
)
def test_a_number_out_of_range_is_one_line(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = cli.here("filters", *arguments)

    assert done.code == 2
    assert done.err == f"whisperctl: error: {said}\n"


def test_a_filter_is_shown_alone(cli: Cli) -> None:
    done = cli.here("filters", "show", "normalize")
    listed = {one["name"]: one for one in json.loads(cli.here("filters", "list", "--json").out)}
    shown = json.loads(cli.here("filters", "show", "normalize", "--json").out)
    unknown = cli.here("filters", "show", "normalise")

    assert done.out.startswith("normalize: Normalize loudness by EBU R128")
    assert done.out.endswith("    version 1\n")
    assert shown == listed["normalize"]
    assert (unknown.code, 'did you mean "normalize"?' in unknown.err) == (2, True)


@pytest.mark.slow
def test_a_comparison_with_and_without_a_chain_shows_what_it_does_to_errors(
    fake: Cli, jfk: Path
) -> None:
    done = fake.here(
        *("compare", jfk, "--backend", "fake", "--threads", "1", "--model", "tiny.en"),
        *("--reference", jfk.with_suffix(".txt"), "--no-warm-up", "-o", "run.json"),
        *("--filter-chain", "none", "--filter-chain", "trim:end=5 'gain:db=-3'"),
    )

    assert done.code == 0, done.err
    assert "jfk.wav [no filters]" in done.out
    assert "jfk.wav [trim:end=5 gain:db=-3]" in done.out
    result = document.read(fake.directory / "run.json")
    assert [one.filters for one in result.recordings] == [(), ("trim:end=5", "gain:db=-3")]
    rates = [cell.difference.wer.rate for cell in result.cells if cell.difference is not None]
    assert len(rates) == 2 and rates[0] != rates[1]
    repeated = fake.here("compare", "--from", "run.json", "--json")
    again = json.loads(repeated.out)["recordings"]
    assert [one["label"] for one in again] == [one.label for one in result.recordings]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a.wav", "--filter-chain", "gain:db=99"), "db must be from -120 to 60 dB"),
        (("a.wav", "--filter-chain", " "), 'filter chain " " is empty: write "none"'),
        (
            ("a.wav", "--filter", "trim:end=5", "--filter-chain", "trim:start=6"),
            "trim:end=5, trim:start=6 leave nothing of a recording",
        ),
        (
            ("-", "--filter-chain", "none", "--filter-chain", "gain", "--backend", "fake"),
            "standard input can be read only once: give one --filter-chain",
        ),
    ],
)
def test_a_wrong_chain_is_one_line(fake: Cli, arguments: tuple[str, ...], said: str) -> None:
    done = fake.here("compare", "--model", "tiny.en", *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in done.err and done.err.count("\n") == 1


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the size of files cannot be limited")
@pytest.mark.parametrize("name", ["out.wav", "out.flac"])
def test_a_result_that_does_not_fit_says_why_and_leaves_nothing(
    fake: Cli, jfk: Path, name: str
) -> None:
    apply = fake.command(
        "filters", "apply", jfk, name, "--decoder", "soundfile", "--filter", "trim:start=1"
    )
    limited = ["sh", "-c", 'ulimit -f 100; exec "$@"', "sh", *apply]

    done = subprocess.run(
        limited, cwd=fake.directory, env=fake.environment(), capture_output=True, text=True
    )

    assert done.returncode == 1
    assert done.stderr == f'whisperctl: error: "{name}" cannot be written: File too large\n'
    assert [path for path in fake.directory.iterdir() if "out" in path.name] == []
