"""Which decoder reads a recording: the preferred one that can, or the one that was chosen."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio.conftest import Encode, Samples
from whisperctl import audio, plugins
from whisperctl.audio import SAMPLE_RATE
from whisperctl.audio.decoders import registry
from whisperctl.audio.decoders.media import MediaReader
from whisperctl.errors import AudioError, PluginError, UsageError

PLUGIN = """
import numpy as np
from whisperctl.audio.decoders import DecoderInfo, MediaInfo, Track
from whisperctl.errors import AudioError, UnsupportedMediaError

class Decoder:
    name = "acme"
    contract = 1
    preference = 0

    def describe(self):
        return DecoderInfo("acme", "9.9", "acme codecs 1")

    def open(self, source):
        if source.peek(4) != b"ACME":
            raise UnsupportedMediaError(f"{source.label} is not acme")
        return Media()

class Media:
    def __init__(self):
        self.warnings = []

    def probe(self):
        return MediaInfo("acme", (Track(1, "acme", 16000, 1),))

    def blocks(self, track):
        yield 16000, np.full((8000, 1), 0.5, np.float32)
        self.warnings.append("is half as loud as it should be")
        yield 16000, np.full((8000, 1), 0.25, np.float32)

    def close(self):
        pass
"""

SANDBOXED = PLUGIN.replace("preference = 0", "preference = 99\n    sandboxed = True")
NATIVELY = "use --decoder ffmpeg or --decoder soundfile to decode it natively"

Install = Callable[[str], None]


@pytest.fixture(autouse=True)
def core_and_acme(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The decoders of the core and what a test installs, whatever else is here."""
    every = plugins.entry_points
    monkeypatch.setattr(
        plugins,
        "entry_points",
        lambda group: tuple(
            one for one in every(group) if one.value.startswith(("whisperctl.", "acme_media:"))
        ),
    )
    registry._loaded.cache_clear()
    yield
    registry._loaded.cache_clear()


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a decoder called acme, from its module's source."""
    site = tmp_path / "site"

    def make(source: str) -> None:
        record = site / "whisperctl_acme-9.9.dist-info"
        record.mkdir(parents=True)
        (record / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-media\nVersion: 9.9\n")
        (record / "entry_points.txt").write_text(
            "[whisperctl.decoders]\nacme = acme_media:Decoder\n"
        )
        (site / "acme_media.py").write_text(source)
        monkeypatch.delitem(sys.modules, "acme_media", raising=False)
        monkeypatch.syspath_prepend(site)

    return make


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    path = tmp_path / "a.acme"
    path.write_bytes(b"ACME and no more")
    return path


def decoder_of(path: Path, name: str = registry.AUTO) -> str:
    with MediaReader(path, decoder=name) as media:
        return media.probe()[0]


def test_our_decoders_come_in_by_entry_points_and_describe_themselves() -> None:
    found = [one.info for one in registry.describe()]

    described = [(one.name, one.library.split()[0], one.problem) for one in found if one]
    assert described == [("soundfile", "soundfile", None), ("ffmpeg", "PyAV", None)]


@pytest.mark.parametrize(("name", "used"), [("a.flac", "soundfile"), ("a.m4a", "ffmpeg")])
def test_without_a_choice_the_preferred_one_that_can_is_used(
    encode: Encode, name: str, used: str
) -> None:
    assert decoder_of(encode(name, "flac" if used == "soundfile" else "aac")) == used


def test_each_of_ours_alone_decodes_the_same(speech: Samples, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, speech, SAMPLE_RATE)

    by = {name: audio.load(path, decoder=name) for name in ("auto", "soundfile", "ffmpeg")}

    for loaded in by.values():
        np.testing.assert_array_equal(loaded.samples, by["auto"].samples)
        assert loaded.warnings == ()


def test_what_the_chosen_one_does_not_read_names_another(encode: Encode) -> None:
    path = encode("a.m4a", "aac")

    with pytest.raises(AudioError) as caught:
        audio.load(path, decoder="soundfile")

    assert str(caught.value) == (
        f'"{path}" is not wav, flac, aiff, au or caf, so decoder "soundfile" cannot read it: '
        "use --decoder ffmpeg, or leave --decoder out"
    )


def test_joined_recordings_are_not_cut_to_the_first_by_a_choice(
    encode: Encode, tmp_path: Path
) -> None:
    part = encode("a.flac", "flac", end_s=2.0).read_bytes()
    path = tmp_path / "joined.flac"
    path.write_bytes(part + part)

    with pytest.raises(AudioError, match="contains several recordings joined together, so decoder"):
        audio.load(path, decoder="soundfile")
    assert audio.load(path).duration_s == pytest.approx(4.0, abs=0.05)


def test_the_chosen_one_is_not_helped_out_in_a_damaged_recording(
    encode: Encode, tmp_path: Path
) -> None:
    whole = bytearray(encode("a.flac", "flac").read_bytes())
    middle = len(whole) // 2
    whole[middle : middle + 2000] = bytes(2000)
    path = tmp_path / "a.flac"
    path.write_bytes(whole)

    alone, together = audio.load(path, decoder="soundfile"), audio.load(path)

    assert alone.duration_s <= together.duration_s
    assert any("damaged" in warning for warning in alone.warnings)


def test_a_decoder_that_is_not_installed_is_a_usage_error_with_those_that_are() -> None:
    with pytest.raises(UsageError, match='unknown decoder "ffmpg": did you mean "ffmpeg"'):
        audio.load("talk.wav", decoder="ffmpg")
    with pytest.raises(UsageError, match="choose from ffmpeg, soundfile"):
        registry.check("x")
    registry.check("auto")


def test_somebody_elses_decoder_reads_what_ours_cannot(install: Install, acme: Path) -> None:
    install(PLUGIN)

    loaded = audio.load(acme)

    assert loaded.duration_s == 1.0
    assert loaded.warnings == (f'"{acme}" is half as loud as it should be',)
    assert registry.names() == ["auto", "acme", "ffmpeg", "soundfile"]


def test_what_nobody_reads_is_the_error_of_the_one_that_reads_most(
    install: Install, tmp_path: Path
) -> None:
    install(PLUGIN)
    (tmp_path / "a.txt").write_text("no recording")

    with pytest.raises(AudioError, match="is not a readable audio or video file"):
        audio.load(tmp_path / "a.txt")


def test_a_recording_without_a_sample_holds_no_audio_whatever_others_say(
    install: Install, acme: Path
) -> None:
    install(
        PLUGIN.replace("yield 16000", "yield from ()  # 16000").replace(
            "preference = 0", "preference = 99"
        )
    )

    with pytest.raises(AudioError, match="is not a readable audio or video"):
        audio.load(acme)
    with pytest.raises(AudioError, match="contains no audio"):
        audio.load(acme, decoder="acme")


def test_one_that_gives_up_is_followed_by_the_next_from_where_it_ended(
    install: Install, speech: Samples, tmp_path: Path
) -> None:
    install(
        PLUGIN.replace("preference = 0", "preference = 99")
        .replace('b"ACME"', 'b"RIFF"')
        .replace("self.warnings.append(", "raise AudioError(")
    )
    path = tmp_path / "a.wav"
    soundfile.write(path, speech, SAMPLE_RATE)

    loaded = audio.load(path)

    assert loaded.decoders == ("acme", "soundfile")
    assert np.all(loaded.samples[:8000] == 0.5)
    np.testing.assert_allclose(loaded.samples[8000:], speech[8000:], atol=1e-4)
    assert loaded.warnings == ()


def test_the_end_that_nobody_can_read_is_a_warning(install: Install, acme: Path) -> None:
    install(PLUGIN.replace("self.warnings.append(", "raise AudioError("))

    loaded = audio.load(acme)

    assert loaded.duration_s == 0.5
    assert loaded.warnings == (f'"{acme}" is cut short or damaged: its end could not be read',)


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("yield 16000, np.full((8000, 1)", "yield 16000, np.full((8000,)", r"shape \(8000,\)"),
        ("0.5, np.float32", "0.5, np.float64", "type float64"),
        ("return MediaInfo(", "return Nothing(", r'"acme" failed on .*a.acme": NameError'),
        ("yield 16000, np.full", "1 / 0; yield 16000, np.full", "ZeroDivisionError"),
        ("return Media()", "return open('no\\nsuch')", r"a.acme\" cannot be read \(No such file"),
        ("contract = 1", "contract = 2", "needs contract 2, and whisperctl .* has contract 1"),
    ],
)
def test_a_decoder_that_breaks_the_contract_is_one_clear_error(
    install: Install, acme: Path, right: str, wrong: str, problem: str
) -> None:
    assert PLUGIN.count(right)
    install(PLUGIN.replace(right, wrong, 1))

    with pytest.raises((PluginError, AudioError), match=problem):
        audio.load(acme, decoder="acme")


@pytest.mark.parametrize("source", ["import no_such_module", PLUGIN.replace("preference", "rank")])
def test_nothing_is_read_natively_where_the_sandbox_may_be_what_does_not_load(
    install: Install, speech: Samples, tmp_path: Path, source: str
) -> None:
    install(source)
    path = tmp_path / "a.wav"
    soundfile.write(path, speech, SAMPLE_RATE)

    with pytest.raises(PluginError) as caught:
        audio.load(path)

    assert str(caught.value) == (
        'decoder "acme" does not load, and may be the sandboxed one: run "whisperctl doctor", or '
        "use --decoder ffmpeg or --decoder soundfile to decode natively"
    )
    assert audio.load(path, decoder="soundfile").warnings == ()
    assert [one.name for one in registry.describe()] == ["soundfile", "ffmpeg", "acme"]


def test_a_decoder_that_does_not_load_does_not_stop_a_sandboxed_one(
    install: Install, acme: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(SANDBOXED)
    broken = EntryPoint("broken", "no_such_module:Decoder", "whisperctl.decoders")
    others = plugins.entry_points
    monkeypatch.setattr(plugins, "entry_points", lambda group: (*others(group), broken))

    loaded = audio.load(acme)

    assert loaded.decoders == ("acme",)
    assert loaded.warnings[0] == (
        f'"{acme}" is read without decoder "broken", which does not load: run "whisperctl doctor"'
    )


@pytest.mark.parametrize("decoder", ["auto", "acme"])
@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("!=", "==", f'"{{}}" is not acme: {NATIVELY}'),
        ('Track(1, "acme"', 'Track(1, ""', f'"{{}}" has audio in an unknown codec: {NATIVELY}'),
        ("return Media()", 'raise PluginError("get libacme")', f"get libacme, or {NATIVELY}"),
        ("return Media()", 'raise AudioError("is damaged")', "is damaged"),
    ],
)
def test_what_the_sandbox_does_not_read_is_not_read_natively_unasked(
    install: Install, encode: Encode, decoder: str, right: str, wrong: str, problem: str
) -> None:
    source = SANDBOXED.replace('b"ACME"', 'b"fLaC"').replace(right, wrong)
    install(source.replace("import AudioError", "import AudioError, PluginError"))
    path = encode("a.flac", "flac", end_s=2.0)

    with pytest.raises((AudioError, PluginError)) as caught:
        audio.load(path, decoder=decoder)

    assert str(caught.value) == problem.format(path)
    assert audio.load(path, decoder="soundfile").decoders == ("soundfile",)


def test_where_the_sandbox_gives_up_nothing_goes_on_natively(
    install: Install, speech: Samples, tmp_path: Path
) -> None:
    install(
        SANDBOXED.replace('b"ACME"', 'b"RIFF"').replace(
            "self.warnings.append(", "raise AudioError("
        )
    )
    path = tmp_path / "a.wav"
    soundfile.write(path, speech, SAMPLE_RATE)

    loaded = audio.load(path)

    assert loaded.duration_s == 0.5
    assert loaded.decoders == ("acme",)
    assert loaded.warnings == (f'"{path}" is cut short or damaged: its end could not be read',)


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT", "PCM_24"])
def test_a_wav_cut_short_is_noticed_by_each_of_ours(
    speech: Samples, tmp_path: Path, subtype: str
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([speech, speech], axis=1), SAMPLE_RATE, subtype=subtype)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    (warning,) = audio.load(path, decoder="soundfile").warnings

    assert "is cut short or damaged: its header states 11.0 s, only 5.5 s could be read" in warning
    assert audio.load(path, decoder="ffmpeg").warnings == (warning,)
