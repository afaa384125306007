"""What options come to: times, clips, words, voice activity, prompts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import typer.main

from whisperctl.cli.app import app as root
from whisperctl.cli.options import Flags, with_flags
from whisperctl.cli.options.running import MessageFlags, PartFlags, seconds
from whisperctl.cli.options.transcription import (
    DecodingFlags,
    PromptFlags,
    SpeechFlags,
    SubtitleFlags,
    TranscribeFlags,
)
from whisperctl.cli.support.command import configured
from whisperctl.errors import UsageError
from whisperctl.options import (
    Clip,
    DecodeOptions,
    SubtitleOptions,
    TranscriptionOptions,
    VadOptions,
    declared,
    option,
)


def flags(group: type[Flags], **values: Any) -> Flags:
    """A group that is filled like typer fills it: its defaults, and ``values``."""
    got: list[Flags] = []

    def command(flags: Flags) -> None:
        got.append(flags)

    command.__annotations__["flags"] = group
    app = typer.Typer()
    wrapped = with_flags(command)
    defaults = {
        parameter.name: parameter.default
        for parameter in wrapped.__signature__.parameters.values()  # type: ignore[attr-defined]  # with_flags sets it
    }
    app.command()(wrapped)
    assert set(values) <= set(defaults)
    wrapped(**{**defaults, **values})
    return got[0]


def transcribe(model: Path, **values: Any) -> TranscribeFlags:
    filled = flags(TranscribeFlags, model=str(model), **values)
    assert isinstance(filled, TranscribeFlags)
    return filled


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("0", 0), ("90", 90), ("90.5", 90.5), ("90s", 90), (" .5 ", 0.5), ("3.", 3)),
        *(("1:30", 90), ("01:30.25", 90.25), ("75:00", 4500)),
        *(("01:02:03.250", 3723.25), ("10:00:00", 36000), ("100:00:00", 360000)),
    ],
)
def test_times_are_read_as_people_write_them(text: str, value: float) -> None:
    assert seconds(text, "--offset") == value


@pytest.mark.parametrize(
    "text", ["", "-5", "5m", "1:60", "1:60:00", "1:2:3:4", "nan", "inf", "1e3", "\u0661"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--offset .* is not a time"):
        seconds(text, "--offset")


@pytest.mark.parametrize(
    ("clips", "expected"),
    [
        (["10-20"], (Clip(10, 20),)),
        (["1:30-2:00,150-"], (Clip(90, 120), Clip(150))),
        (["-10", "00:00:10 - 00:00:12.5"], (Clip(0, 10), Clip(10, 12.5))),
    ],
)
def test_clips_are_read(clips: list[str], expected: tuple[Clip, ...]) -> None:
    assert PartFlags(clip=clips).clips() == expected


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"clip": ["10"]}, "not a part of a recording"),
        ({"clip": ["-"]}, "not a part of a recording"),
        ({"clip": ["1-2,"]}, "not a part of a recording"),
        ({"clip": ["20-10"]}, "is empty"),
        ({"clip": ["x-10"]}, '"x" is not a time'),
        ({"clip": ["1-2"], "offset": "3"}, "not both"),
        ({"duration": "0"}, "above 0"),
        ({"duration": "long"}, '--duration "long" is not a time'),
    ],
)
def test_wrong_parts_are_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        PartFlags(**parts).clips()


def test_clips_out_of_order_are_refused(model: Path) -> None:
    with pytest.raises(UsageError, match="in order"):
        transcribe(model, clip=["30-40", "10-20"]).resolve()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({}, ()),
        ({"offset": "0"}, ()),
        ({"offset": "1:00"}, (Clip(60),)),
        ({"duration": "5"}, (Clip(0, 5),)),
        ({"offset": "3", "duration": "0:05"}, (Clip(3, 8),)),
    ],
)
def test_offset_and_duration_are_a_clip(parts: dict[str, Any], expected: tuple[Clip, ...]) -> None:
    assert PartFlags(**parts).clips() == expected


def test_voice_activity_is_cut_when_asked_for_or_described(model: Path) -> None:
    def vad(**values: Any) -> VadOptions | None:
        return transcribe(model, **values).resolve().transcription.vad

    assert vad() is None
    assert vad(vad=True) == VadOptions()
    assert vad(vad_threshold=0.7) == VadOptions(threshold=0.7)
    assert vad(vad_threshold=0.5) == VadOptions()
    assert vad(vad=False) is None
    with pytest.raises(UsageError, match="give --no-vad or numbers"):
        vad(vad_threshold=0.7, vad=False)
    every = vad(
        vad_min_speech_duration_ms=1,
        vad_min_silence_duration_ms=2,
        vad_max_speech_duration_s=math.inf,
        vad_speech_pad_ms=3,
    )
    assert every == VadOptions(0.5, 1, 2, math.inf, 3)
    # A model alone serves the speech check too.
    assert SpeechFlags(vad_model="silero").vad_options(None) is None
    with pytest.raises(UsageError, match=r"vad threshold must be between 0 and 1, not 1\.5"):
        vad(vad_threshold=1.5)


@pytest.mark.parametrize(
    "layout",
    [
        {"highlight_words": True},
        {"split_sentences": True},
        {"max_line_width": 42},
        {"max_line_count": 2},
        {"max_words_per_line": 3},
    ],
)
def test_layouts_that_need_words_turn_them_on(layout: dict[str, Any], model: Path) -> None:
    settings = transcribe(model, **layout).resolve()
    assert settings.decoding.word_timestamps
    assert settings.transcription.decoding is settings.decoding
    assert settings.subtitles == SubtitleOptions(**layout)
    name = next(iter(layout)).replace("_", "-")
    with pytest.raises(UsageError, match=f"--{name} needs times of words"):
        transcribe(model, **layout, word_timestamps=False).resolve()


def test_words_are_not_looked_for_without_need(model: Path) -> None:
    assert not transcribe(model).resolve().decoding.word_timestamps
    assert not transcribe(model, max_cps=20.0, min_cue_gap=0.1).resolve().decoding.word_timestamps
    assert transcribe(model, word_timestamps=True).resolve().decoding.word_timestamps
    subtitles = transcribe(model, min_cue_gap=0.1).subtitles
    assert subtitles == SubtitleFlags(limits=SubtitleOptions(min_cue_gap_s=0.1))


def test_every_option_reaches_the_settings(model: Path) -> None:
    settings = transcribe(
        model,
        threads=3,
        suppress_nst=True,
        suppress_regex="[0-9]+",
        initial_prompt="Names",
        carry_initial_prompt=True,
        compression_ratio_threshold=3.0,
        vad=True,
        vad_model="some model",
        speech_check=False,
        speaker_from_channels=True,
        clip=["1-2"],
        audio_track="2",
        decoder="ffmpeg",
    ).resolve()
    decoding, transcription = settings.decoding, settings.transcription
    assert (settings.model, settings.threads) == (model, 3)
    assert (decoding.suppress_nst, decoding.suppress_regex) == (True, "[0-9]+")
    assert (decoding.initial_prompt, decoding.carry_initial_prompt) == ("Names", True)
    assert transcription.compression_ratio_threshold == 3.0
    assert transcription.vad == VadOptions()
    assert settings.vad_model == "some model"
    assert (transcription.speech_check, transcription.speakers_from_channels) == (False, True)
    assert transcription.clips == (Clip(1, 2),)
    assert (transcription.audio_track, transcription.decoder) == ("2", "ffmpeg")


def test_a_prompt_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeffÆrøskøbing, Łódź\n".encode())

    def prompt(path: Path, typed: str = "") -> str:
        flags = DecodingFlags(
            decoding=DecodeOptions(initial_prompt=typed),
            prompt=PromptFlags(initial_prompt_file=path),
        )
        return flags.options().initial_prompt

    assert prompt(file) == "Ærøskøbing, Łódź"
    with pytest.raises(UsageError, match="not both"):
        prompt(file, "x")
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r'names\.txt" is not UTF-8 text'):
        prompt(file)
    with pytest.raises(UsageError, match=r'none\.txt" cannot be read: No such file'):
        prompt(tmp_path / "none.txt")
    file.write_bytes(b"x" * 2_000_000)
    with pytest.raises(UsageError, match="too long"):
        prompt(file)


def test_quiet_and_verbose_cannot_be_used_together() -> None:
    with pytest.raises(UsageError, match="cannot be used together"):
        MessageFlags(quiet=True, verbose=True)


def test_two_options_of_one_name_are_a_mistake_of_ours() -> None:
    def command(one: DecodingFlags, two: DecodingFlags) -> None: ...

    with pytest.raises(TypeError, match="same name"):
        with_flags(command)


@dataclass(frozen=True, kw_only=True)
class Inner:
    depth: int = option(2, "Depth.", minimum=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer(Flags):
    names: tuple[str, ...] = option((), "Names.", name="name", short="n")
    loud: bool = option(False, "Be loud.", negatable=True)
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ((), Outer()),
        (("--name", "a", "-n", "b", "--loud"), Outer(names=("a", "b"), loud=True)),
        (("--no-loud", "--depth", "2"), Outer(inner=Inner())),
    ],
)
def test_declarations_are_flags_of_a_command(line: tuple[str, ...], expected: Outer) -> None:
    got: list[Outer] = []

    @with_flags
    def command(flags: Outer) -> None:
        got.append(flags)

    app = typer.Typer(add_completion=False)
    app.command()(command)
    app(line, standalone_mode=False)

    assert got == [expected]


def test_every_option_of_the_domain_is_a_flag_key_and_variable() -> None:
    commands = configured(typer.main.get_group(root))
    for owner in (DecodeOptions, VadOptions, TranscriptionOptions, SubtitleOptions):
        for one in declared(owner):
            key = commands["transcribe"].keys[one.name]
            assert key.variable == f"WHISPERCTL_{one.name.upper().replace('-', '_')}"
            assert key.shared
    assert {one.name for one in declared(DecodeOptions)} <= set(commands["compare"].keys)
