"""Options of a transcription, each declared once.

A field made with ``option`` declares its type, default, range, help and the names other tools give
it. The command line's flags, keys of the configuration file, environment variables, the spellings
of other tools, the check of values, and the table in docs/options.md all follow from it.
Every backend honours every option of ``DecodeOptions``, or refuses it.
"""

from __future__ import annotations

import dataclasses
import math
import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, TypedDict, TypeVar, get_args, get_origin, get_type_hints

from whisperctl.audio.decoders import check_track
from whisperctl.audio.decoders.registry import AUTO
from whisperctl.errors import UsageError
from whisperctl.text import number_text, quoted, range_text, unknown

Task = Literal["transcribe", "translate"]

T = TypeVar("T")

_METADATA = "option"


class Topic(StrEnum):
    """Headings that help lists options under, in this order."""

    ENGINE = "Model and engine"
    MATRIX = "Comparison"
    MEASURING = "Measurement"
    INPUT = "Input"
    AUDIO = "Audio"
    SPEECH = "Speech"
    OUTPUT = "Output"
    SUBTITLES = "Subtitles and words"
    PARTS = "Parts of a recording"
    MANY = "Many and long recordings"
    SILENCE = "Silence and noise"
    DECODING = "Decoding"
    MESSAGES = "Messages"
    OTHER = "Other"


@dataclass(frozen=True, slots=True)
class Option:
    """Declaration of an option.

    Attributes:
        help: one or two sentences for ``--help``; the default is not part of them.
        topic: heading that help lists it under.
        name: long name without hyphens, where it differs from the field's.
        short: one-letter name without the hyphen.
        metavar: placeholder for its value.
        default: words for the default, where its value does not speak for itself.
        minimum: smallest value, ``maximum`` largest.
        exclusive: true if neither of the two is itself allowed.
        unit: of the value, for messages.
        negatable: true if a yes-or-no option has a ``--no-`` form.
        completes: function of ``cli/completion.py`` that completes its value.
        whisper_cpp: field of whisper.cpp's ``whisper_full_params`` or ``whisper_vad_params``.
        openai: spellings in OpenAI's whisper and its relatives, separated by spaces.
        whisper_cli: spellings in whisper-cli. ``-nf=0`` is a flag that stands for the value 0.
        remark: note for the table of spellings.
    """

    help: str
    topic: Topic = Topic.OTHER
    name: str = ""
    short: str = ""
    metavar: str = ""
    default: str = ""
    minimum: float | None = None
    maximum: float | None = None
    exclusive: bool = False
    unit: str = ""
    negatable: bool = False
    completes: str = ""
    whisper_cpp: str = ""
    openai: str = ""
    whisper_cli: str = ""
    remark: str = ""

    @property
    def range(self) -> str:
        """Allowed values in words, empty if any number is."""
        limits = range_text(self.minimum, self.maximum)
        if self.exclusive and self.minimum is not None:
            low = number_text(self.minimum)
            limits = f"above {low}"
            if self.maximum is not None:
                limits = f"between {low} and {number_text(self.maximum)}"
        return f"{limits} {self.unit}".rstrip() if limits else ""

    def allows(self, value: float) -> bool:
        """True if a number is within the range; not-a-number never is."""
        low = -math.inf if self.minimum is None else self.minimum
        high = math.inf if self.maximum is None else self.maximum
        # Comparisons alone: NaN passes none, and integers may be too large for a float.
        return low < value < high if self.exclusive else low <= value <= high


@dataclass(frozen=True, slots=True)
class Declared:
    """An option with the field that holds it: the field's name, type and default."""

    option: Option
    field: str
    type: Any
    default: Any

    @property
    def name(self) -> str:
        """Long name without the hyphens in front, such as ``beam-size``."""
        return self.option.name or self.field.replace("_", "-")

    @property
    def is_flag(self) -> bool:
        """True for a yes-or-no option, which takes no value."""
        return self.type in (bool, bool | None)


def option(default: T, text: str, topic: Topic = Topic.OTHER, /, **declaration: Any) -> T:
    """Make a dataclass field that is an option; see ``Option`` for the keywords."""
    made: T = field(default=default, metadata={_METADATA: Option(text, topic, **declaration)})
    return made


def same_as(owner: type, name: str) -> Any:
    """Make a dataclass field with the declaration and default of another dataclass's field."""
    other = next(one for one in dataclasses.fields(owner) if one.name == name)
    return field(default=other.default, metadata=other.metadata)


@cache
def declared(owner: type) -> tuple[Declared, ...]:
    """Return the options among the fields of a dataclass, in order."""
    hints = get_type_hints(owner)
    return tuple(
        Declared(one.metadata[_METADATA], one.name, hints[one.name], one.default)
        for one in dataclasses.fields(owner)
        if _METADATA in one.metadata
    )


_WORDS: dict[type, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    str: "a string",
}


def _is(value: object, kind: Any) -> bool:
    """Return true if a value is of a type in ``_WORDS``, or ``None`` where that may be left out."""
    if kind in (int, int | None, float, float | None):
        number = Real if kind in (float, float | None) else Integral  # NumPy's are both too
        kind = number if kind in (int, float) else number | None
        return isinstance(value, kind) and not isinstance(value, bool)
    return isinstance(value, kind)


def check(values: object) -> None:
    """Check the options of a dataclass against their declarations.

    Raises:
        UsageError: a value is of another type, outside its range, not one of the choices, or not a
            number.
    """
    owner: type = type(values)  # for mypy, to which not every type[object] is hashable
    for one in declared(owner):
        value = getattr(values, one.field)
        label = one.name.replace("-", " ")
        wanted = next(
            (word for kind, word in _WORDS.items() if one.type in (kind, kind | None)), ""
        )
        if wanted and not _is(value, one.type):
            raise UsageError(f"{label} must be {wanted}, not {value!r:.80}")
        if get_origin(one.type) is Literal and value not in get_args(one.type):
            choices = " or ".join(f'"{choice}"' for choice in get_args(one.type))
            raise UsageError(f'{label} must be {choices}, not "{value}"')
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        if not one.option.allows(value):
            limits = one.option.range or "a number"
            raise UsageError(f"{label} must be {limits}, not {number_text(value)}")
        if value in (math.inf, -math.inf) and value != one.default:
            raise UsageError(f"{label} must be a number, not {number_text(value)}")


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How to decode; the defaults are whisper-cli's. ``language`` is a code, a name or ``"auto"``.

    Raises:
        UsageError: a value is outside its range.
    """

    language: str = option(
        "auto",
        'Language of the speech, such as de, German or pt-BR; "auto" detects it.',
        Topic.SPEECH,
        short="l",
        metavar="LANGUAGE",
        completes="languages",
        whisper_cpp="language",
        openai="--language -l",
        whisper_cli="-l --language",
        remark="detected by default, where whisper-cli assumes English",
    )
    task: Task = option(
        "transcribe",
        "Transcribe in the language of the speech, or translate into English.",
        Topic.SPEECH,
        metavar="transcribe|translate",
        whisper_cpp="translate",
        openai="--task",
        whisper_cli="-tr=translate --translate=translate",
    )
    beam_size: int = option(
        5,
        "Use this many beams, 1 to 8; 1 is greedy decoding: faster, less accurate.",
        Topic.DECODING,
        metavar="N",
        # whisper.cpp has room for eight decoders (WHISPER_MAX_DECODERS) and aborts past that.
        minimum=1,
        maximum=8,
        whisper_cpp="beam_search.beam_size",
        openai="--beam_size",
        whisper_cli="-bs --beam-size",
    )
    best_of: int = option(
        5,
        "Draw this many candidates, 1 to 8, and keep the best, when the temperature is above 0.",
        Topic.DECODING,
        metavar="N",
        minimum=1,
        maximum=8,
        whisper_cpp="greedy.best_of",
        openai="--best_of",
        whisper_cli="-bo --best-of",
    )
    temperature: float = option(
        0.0,
        "Start decoding at this temperature, 0 to 1; higher is more random.",
        Topic.DECODING,
        metavar="T",
        minimum=0,
        maximum=1,
        whisper_cpp="temperature",
        openai="--temperature",
        whisper_cli="-tp --temperature",
    )
    temperature_increment: float = option(
        0.2,
        "Raise the temperature by this much, up to 1, each time decoding of a window fails; 0 "
        "turns the fallback off.",
        Topic.DECODING,
        name="temperature-increment-on-fallback",
        metavar="T",
        minimum=0,
        maximum=1,
        whisper_cpp="temperature_inc",
        openai="--temperature_increment_on_fallback",
        whisper_cli="-tpi --temperature-inc -nf=0 --no-fallback=0",
        remark="`None` means 0, as in OpenAI's",
    )
    entropy_threshold: float = option(
        2.4,
        "Treat a window as failed if the entropy of its last 32 tokens is below this value (low "
        "entropy means repetition). This is whisper.cpp's test.",
        Topic.DECODING,
        metavar="X",
        whisper_cpp="entropy_thold",
        whisper_cli="-et --entropy-thold",
        remark="see below",
    )
    logprob_threshold: float = option(
        -1.0,
        "Treat a window as failed if its average log probability is below this value.",
        Topic.DECODING,
        metavar="X",
        whisper_cpp="logprob_thold",
        openai="--logprob_threshold",
        whisper_cli="-lpt --logprob-thold",
    )
    no_speech_threshold: float = option(
        0.6,
        "Treat a failed window as silence if the model's no-speech probability is above this "
        "value.",
        Topic.DECODING,
        metavar="P",
        whisper_cpp="no_speech_thold",
        openai="--no_speech_threshold",
        whisper_cli="-nth --no-speech-thold",
    )
    initial_prompt: str = option(
        "",
        "Prompt for the first window, such as names and spellings to expect.",
        Topic.SPEECH,
        metavar="TEXT",
        whisper_cpp="initial_prompt",
        openai="--initial_prompt",
        whisper_cli="--prompt",
    )
    carry_initial_prompt: bool = option(
        False,
        "Give the prompt to every 30-second window, not only to the first.",
        Topic.SPEECH,
        negatable=True,
        whisper_cpp="carry_initial_prompt",
        openai="--carry_initial_prompt",
        whisper_cli="--carry-initial-prompt",
    )
    condition_on_previous_text: bool = option(
        True,
        "Condition each window on the text before it; turning this off makes text less "
        "consistent, but loops rarer.",
        Topic.DECODING,
        negatable=True,
        whisper_cpp="n_max_text_ctx",
        openai="--condition_on_previous_text",
    )
    max_context: int | None = option(
        None,
        "Condition on at most this many tokens of earlier text.",
        Topic.DECODING,
        metavar="N",
        default="as many as the model takes",
        minimum=0,
        whisper_cpp="n_max_text_ctx",
        whisper_cli="-mc --max-context",
    )
    batch_size: int | None = option(
        None,
        "Decode this many windows at once, which is faster but gives none the text before it. "
        "Most backends decode one at a time.",
        Topic.DECODING,
        metavar="N",
        default="the backend's choice",
        minimum=1,
        maximum=64,
        openai="--batch_size",
    )
    suppress_nst: bool = option(
        False,
        "Suppress non-speech tokens, such as brackets and musical notes.",
        Topic.DECODING,
        negatable=True,
        whisper_cpp="suppress_nst",
        openai="--suppress_tokens",
        whisper_cli="-sns --suppress-nst",
        remark="of OpenAI's values only `-1`",
    )
    suppress_regex: str = option(
        "",
        "Suppress tokens whose whole text matches this regular expression (ECMAScript).",
        Topic.DECODING,
        metavar="REGEX",
        whisper_cpp="suppress_regex",
        whisper_cli="--suppress-regex",
        remark="slow: whisper.cpp tries it on every token of the vocabulary, at every step",
    )
    word_timestamps: bool = False
    """Find start, end and probability of each word; commands have a default of their own for it."""

    def __post_init__(self) -> None:
        check(self)
        if not isinstance(self.word_timestamps, bool):
            raise UsageError(
                f"word timestamps must be True or False, not {self.word_timestamps!r:.80}"
            )


class DecodeKeywords(TypedDict, total=False):
    """Fields of ``DecodeOptions`` as keywords; ``None`` is the field's default."""

    language: str | None
    task: Task | None
    beam_size: int | None
    best_of: int | None
    temperature: float | None
    temperature_increment: float | None
    entropy_threshold: float | None
    logprob_threshold: float | None
    no_speech_threshold: float | None
    initial_prompt: str | None
    carry_initial_prompt: bool | None
    condition_on_previous_text: bool | None
    batch_size: int | None
    max_context: int | None
    suppress_nst: bool | None
    suppress_regex: str | None
    word_timestamps: bool | None


@dataclass(frozen=True, slots=True)
class VadOptions:
    """How to find speech; names are those of whisper.cpp's ``whisper_vad_params``.

    Defaults are too, but for the padding: with whisper.cpp's 30 ms first words are lost.

    Raises:
        UsageError: a value is outside its range.
    """

    threshold: float = option(
        0.5,
        "Treat audio as speech if its speech probability is at least this value.",
        Topic.SILENCE,
        name="vad-threshold",
        metavar="P",
        minimum=0,
        maximum=1,
        exclusive=True,
        whisper_cpp="threshold",
        openai="--vad_threshold --vad_onset",
        whisper_cli="-vt --vad-threshold",
    )
    min_speech_duration_ms: int = option(
        250,
        "Drop speech shorter than this.",
        Topic.SILENCE,
        name="vad-min-speech-duration-ms",
        metavar="MS",
        minimum=0,
        maximum=60_000,
        whisper_cpp="min_speech_duration_ms",
        openai="--vad_min_speech_duration_ms",
        whisper_cli="-vspd --vad-min-speech-duration-ms",
    )
    min_silence_duration_ms: int = option(
        100,
        "Do not end speech at a silence shorter than this.",
        Topic.SILENCE,
        name="vad-min-silence-duration-ms",
        metavar="MS",
        minimum=0,
        maximum=60_000,
        whisper_cpp="min_silence_duration_ms",
        openai="--vad_min_silence_duration_ms",
        whisper_cli="-vsd --vad-min-silence-duration-ms",
    )
    max_speech_duration_s: float = option(
        math.inf,
        "Split speech longer than this.",
        Topic.SILENCE,
        name="vad-max-speech-duration-s",
        metavar="S",
        default="no limit",
        minimum=1,
        whisper_cpp="max_speech_duration_s",
        openai="--vad_max_speech_duration_s",
        whisper_cli="-vmsd --vad-max-speech-duration-s",
    )
    speech_pad_ms: int = option(
        200,
        "Padding before and after each stretch of speech.",
        Topic.SILENCE,
        name="vad-speech-pad-ms",
        metavar="MS",
        minimum=0,
        maximum=60_000,
        whisper_cpp="speech_pad_ms",
        whisper_cli="-vp --vad-speech-pad-ms",
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True, slots=True)
class Clip:
    """A part of a recording, in seconds from its start; ``end_s`` ``None`` is its end.

    Raises:
        UsageError: it is empty or begins before the recording.
    """

    start_s: float = 0.0
    end_s: float | None = None

    def __post_init__(self) -> None:
        if not self.start_s >= 0:
            raise UsageError(f"a clip cannot begin at {self.start_s:g} s")
        if self.end_s is not None and not self.end_s > self.start_s:
            raise UsageError(f"a clip from {self.start_s:g} s to {self.end_s:g} s is empty")


@dataclass(frozen=True, slots=True)
class TranscriptionOptions:
    """How to transcribe a recording.

    ``clips`` are the parts to transcribe, in order; without any it is the whole recording.
    ``vad`` removes everything but speech before decoding; ``None`` decodes all of it.
    ``speaker_names`` are names with commas between them, the first channel's first.

    Raises:
        UsageError: clips overlap, are out of order, or a value is outside its range.
        PluginError: a filter cannot be loaded.
    """

    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    clips: tuple[Clip, ...] = ()
    vad: VadOptions | None = None
    speech_check: bool = option(
        True,
        "Drop text where no speech is detected, without removing any audio.",
        Topic.SILENCE,
        negatable=True,
    )
    compression_ratio_threshold: float = option(
        2.4,
        "Decode text again if its compression ratio is above this value (repeated text compresses "
        "well). This is OpenAI whisper's test.",
        Topic.DECODING,
        metavar="X",
        minimum=1,
        exclusive=True,
        openai="--compression_ratio_threshold",
        remark="see below",
    )
    speakers_from_channels: bool = option(
        False,
        "Transcribe each channel separately, and label its segments with a speaker.",
        Topic.SUBTITLES,
        name="speaker-from-channels",
        negatable=True,
        whisper_cli="-di --diarize",
    )
    speaker_names: str = option(
        "",
        "Names of the speakers, by channel, such as Host,Guest; with --speaker-from-channels.",
        Topic.SUBTITLES,
        metavar="NAME,...",
        default="Speaker 1, Speaker 2, ...",
    )
    audio_track: str | None = option(
        None,
        "Read this audio track of a file with several: its number, from 1, or its language.",
        Topic.AUDIO,
        metavar="N|LANGUAGE",
        default="the default track, else the first",
    )
    decoder: str = option(
        AUTO,
        'Read recordings with this decoder only; list decoders with "whisperctl backends".',
        Topic.AUDIO,
        metavar="NAME",
        default="the sandboxed one, else the first that can read them",
        completes="decoders",
    )
    filters: tuple[str, ...] = option(
        (),
        "Apply this filter to the audio, such as highpass:frequency=80 or ./mine.wasm:drive=0.3; "
        'may be repeated, in order. List filters with "whisperctl filters".',
        Topic.AUDIO,
        name="filter",
        metavar="NAME[:KEY=VALUE,...]",
        completes="filters",
    )

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers, by channel; empty if none are given."""
        return tuple(name.strip() for name in self.speaker_names.split(",") if self.speaker_names)

    def __post_init__(self) -> None:
        check(self)
        if self.speakers and not self.speakers_from_channels:
            raise UsageError("speaker names need --speaker-from-channels: each names a channel")
        if not all(self.speakers) or len(set(self.speakers)) < len(self.speakers):
            raise UsageError(
                f"speaker names {quoted(self.speaker_names)} must differ and not be empty: write "
                "them as Host,Guest"
            )
        if self.audio_track is not None:
            check_track(self.audio_track)
        if self.filters:
            from whisperctl.audio.filters import chain

            chain.check(self.filters)
        for before, after in zip(self.clips, self.clips[1:], strict=False):
            if before.end_s is None or after.start_s < before.end_s:
                raise UsageError("clips must be in order and may not overlap")


@dataclass(frozen=True, slots=True)
class SubtitleOptions:
    """Limits that cues keep to; ``None`` is no limit, and without any, a segment is a cue.

    ``max_line_width`` counts characters, full-width ones twice, ``max_cps`` characters a second of
    showing; ``min_cue_gap_s`` is kept free between cues. ``highlight_words`` marks each word while
    it is spoken. ``split_sentences`` begins a cue with each sentence where times of words allow it.
    ``profile``, a name in ``PROFILES``, sets what is not set otherwise. The style of ass alone is
    ``ass_font`` and what follows it.

    Raises:
        UsageError: a value is outside its range, or the profile is unknown.
    """

    profile: str | None = option(
        None,
        "Keep to the limits of a guideline: netflix, bbc, ebu, youtube or karaoke. Options below "
        "override single ones.",
        Topic.SUBTITLES,
        metavar="NAME",
        completes="profiles",
    )
    max_line_width: int | None = option(
        None,
        "Break lines longer than this many characters; full-width ones count twice.",
        Topic.SUBTITLES,
        metavar="N",
        default="no limit",
        minimum=1,
        openai="--max_line_width",
        whisper_cli="-ml --max-len",
        remark="`-ml N` is one line of N characters",
    )
    max_line_count: int | None = option(
        None,
        "Show at most this many lines per cue.",
        Topic.SUBTITLES,
        metavar="N",
        default="no limit",
        minimum=1,
        openai="--max_line_count",
    )
    max_words_per_line: int | None = option(
        None,
        "Put at most this many words on a line.",
        Topic.SUBTITLES,
        metavar="N",
        default="no limit",
        minimum=1,
        openai="--max_words_per_line",
    )
    max_cps: float | None = option(
        None,
        "Show at most this many characters per second, so that people can read along.",
        Topic.SUBTITLES,
        metavar="X",
        default="no limit",
        minimum=1,
    )
    min_cue_gap_s: float | None = option(
        None,
        "Leave at least this many seconds between cues.",
        Topic.SUBTITLES,
        name="min-cue-gap",
        metavar="S",
        default="none",
        minimum=0,
        maximum=10,
        unit="s",
    )
    min_duration_s: float | None = option(
        None,
        "Show each cue for at least this many seconds, where silence follows.",
        Topic.SUBTITLES,
        name="min-duration",
        metavar="S",
        default="no limit",
        minimum=0,
        maximum=60,
        exclusive=True,
        unit="s",
    )
    max_duration_s: float | None = option(
        None,
        "Show each cue for at most this many seconds.",
        Topic.SUBTITLES,
        name="max-duration",
        metavar="S",
        default="no limit",
        minimum=0.1,
        unit="s",
    )
    highlight_words: bool = option(
        False,
        "Highlight each word while it is spoken.",
        Topic.SUBTITLES,
        negatable=True,
        openai="--highlight_words",
    )
    split_sentences: bool = option(
        False, "Start a new cue with each sentence.", Topic.SUBTITLES, negatable=True
    )
    ass_font: str = option("Arial", "Font of ass subtitles.", Topic.SUBTITLES, metavar="NAME")
    ass_font_size: int = option(
        48,
        "Font size of ass subtitles, where a picture is 720 high.",
        Topic.SUBTITLES,
        metavar="N",
        minimum=1,
        maximum=720,
    )
    ass_color: str = option(
        "#FFFFFF", "Color of the text of ass subtitles.", Topic.SUBTITLES, metavar="#RRGGBB"
    )
    ass_outline_color: str = option(
        "#000000", "Color of the outline of ass subtitles.", Topic.SUBTITLES, metavar="#RRGGBB"
    )

    @property
    def lays_out(self) -> bool:
        """True if an option is given that changes more than the style of ass."""
        return any(not name.startswith("ass_") for name in self.given)

    @property
    def given(self) -> tuple[str, ...]:
        """Names of the fields that differ from their defaults, and from their profile's values."""
        usual = _PROFILE_VALUES.get(self.profile or "", {})
        return tuple(
            one.name
            for one in dataclasses.fields(self)
            if getattr(self, one.name) != one.default
            and getattr(self, one.name) != usual.get(one.name, one.default)
        )

    @property
    def breaks_lines(self) -> bool:
        """True if cues no longer follow the segments, which times of words are needed for."""
        return self.split_sentences or any(
            limit is not None
            for limit in (
                self.max_line_width,
                self.max_line_count,
                self.max_words_per_line,
                self.max_duration_s,
            )
        )

    @property
    def needs_words(self) -> bool:
        """True if times of words are needed to keep to them."""
        return self.highlight_words or self.breaks_lines

    def __post_init__(self) -> None:
        if isinstance(self.profile, str):
            name = self.profile.lower()
            if name not in _PROFILE_VALUES:
                raise UsageError(unknown("profile", self.profile, _PROFILE_VALUES))
            object.__setattr__(self, "profile", name)
            for field_name, value in _PROFILE_VALUES[name].items():
                if getattr(self, field_name) in (None, False):
                    object.__setattr__(self, field_name, value)
        check(self)
        if not _FONT.fullmatch(self.ass_font):
            raise UsageError(
                f"ass font {quoted(self.ass_font)} is not a font's name: leave out commas, braces "
                "and line breaks"
            )
        for color in (self.ass_color, self.ass_outline_color):
            if not _COLOR.fullmatch(color):
                raise UsageError(f"{quoted(color)} is not a color: write it as #FFCC00")
        low, high = self.min_duration_s, self.max_duration_s
        if low is not None and high is not None and low > high:
            raise UsageError(f"min duration {low:.3g} is above max duration {high:.3g}: lower it")


_FONT = re.compile(r"@?\w[\w .'()&+-]{0,99}")
_COLOR = re.compile("#[0-9A-Fa-f]{6}")

# The source of each number. A word of English takes 5.7 characters with its space, so 180 words a
# minute are 17 characters a second, and 225 are 21.
_PROFILE_VALUES: dict[str, dict[str, Any]] = {
    # Netflix, Timed Text Style Guide: English, adults' programmes; two frames at 24 a second.
    "netflix": {
        "max_line_width": 42,
        "max_line_count": 2,
        "max_cps": 20.0,
        "min_cue_gap_s": 2 / 24,
        "min_duration_s": 5 / 6,
        "max_duration_s": 7.0,
    },
    # BBC, Subtitle Guidelines: teletext's 37 characters, 160 to 180 words a minute, a third of a
    # second for a word. They give no longest time: Netflix's stands in.
    "bbc": {
        "max_line_width": 37,
        "max_line_count": 2,
        "max_cps": 17.0,
        "min_duration_s": 0.33,
        "max_duration_s": 7.0,
    },
    # EBU Tech 3264: a row of teletext has 40 positions, of which codes take three. The EBU gives no
    # times: they are of Karamitroglou, A Proposed Set of Subtitling Standards in Europe (1998): 150
    # to 180 words a minute, 1.5 s for a word, 6 s for two lines, a quarter of a second between.
    "ebu": {
        "max_line_width": 37,
        "max_line_count": 2,
        "max_cps": 17.0,
        "min_cue_gap_s": 0.25,
        "min_duration_s": 1.5,
        "max_duration_s": 6.0,
    },
    # YouTube publishes no numbers: DCMP, Captioning Key: 32 characters, 40 frames at 30 a second to
    # 6 s, 225 words a minute.
    "youtube": {
        "max_line_width": 32,
        "max_line_count": 2,
        "max_cps": 21.0,
        "min_duration_s": 4 / 3,
        "max_duration_s": 6.0,
    },
    # No guideline: a line of lyrics at a time, each word marked while it is sung.
    "karaoke": {"max_line_width": 32, "max_line_count": 1, "highlight_words": True},
}

PROFILES = {name: SubtitleOptions(profile=name) for name in _PROFILE_VALUES}
"""Limits of guidelines, by name."""

NO_LIMITS = SubtitleOptions()
"""No options: a segment is a cue."""
