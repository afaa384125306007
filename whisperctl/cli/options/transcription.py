"""Options of ``whisperctl transcribe``, and those it shares with ``compare``.

``TranscribeFlags.resolve`` turns what was typed into the checked ``Settings`` of a run.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from whisperctl.audio.decoders import registry as decoders
from whisperctl.cli.options import Flags
from whisperctl.cli.options.running import (
    InputFlags,
    MessageFlags,
    OutputFlags,
    PartFlags,
    RunFlags,
)
from whisperctl.engine import resources
from whisperctl.errors import UsageError
from whisperctl.formats import FORMATS
from whisperctl.options import (
    DecodeOptions,
    SubtitleOptions,
    Topic,
    TranscriptionOptions,
    VadOptions,
    option,
    same_as,
)
from whisperctl.storage.files import reason
from whisperctl.text import quoted

_PROMPT_BYTES = 1 << 20
"""Upper limit of a prompt's file: a model looks at its last 224 tokens only."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked options of a run.

    ``decoding`` is that of ``transcription`` too. ``vad_model`` is the name or path of a voice
    activity model, as typed; ``None`` is the default one.
    """

    model: Path
    threads: int
    decoding: DecodeOptions
    transcription: TranscriptionOptions
    subtitles: SubtitleOptions = field(default_factory=SubtitleOptions)
    vad_model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFlags(Flags):
    """Model, engine and threads."""

    backend: str | None = option(
        None,
        'Run the model with this backend; "auto" is the engine that whisperctl tune found fastest.',
        Topic.ENGINE,
        short="b",
        metavar="NAME[/RUNTIME]",
        default="the first that works",
        completes="engines",
    )
    runtime: str | None = option(
        None,
        "Use this runtime of the backend.",
        Topic.ENGINE,
        metavar="RUNTIME",
        default="the first that works",
        completes="runtimes",
    )
    model: str | None = option(
        None,
        "Transcribe with this model: the name of an installed one, or a ggml file.",
        Topic.ENGINE,
        short="m",
        metavar="NAME|PATH",
        default="base if it is installed, else tiny.en",
        completes="models",
        openai="--model",
        whisper_cli="-m --model",
        remark="a name or a ggml file",
    )
    threads: int | None = option(
        None,
        "Compute with this many threads.",
        Topic.ENGINE,
        short="t",
        metavar="N",
        default="one per processor, at most 4",
        minimum=1,
        openai="--threads",
        whisper_cli="-t --threads",
    )

    def settings(self, transcription: TranscriptionOptions) -> Settings:
        """Find the model, and check that the options fit it.

        Raises:
            UsageError: an option does not fit the model.
            ModelError: the model is unknown, not installed, or damaged.
        """
        from whisperctl.models import store

        model = store.resolve(self.model)
        check_fit(model, transcription.decoding)
        return Settings(model, self._threads(), transcription.decoding, transcription)

    def _threads(self) -> int:
        """Return the number of threads that was asked for, or a default."""
        from whisperctl.engine import registry

        if self.threads is not None:
            return self.threads
        if self.backend == registry.AUTO:
            found, _ = registry.fastest()
            if found is not None:
                return found.threads
        return resources.default_threads()


def check_fit(model: Path, decoding: DecodeOptions) -> None:
    """Check that a model knows the language, and is capable of the task.

    Raises:
        UsageError: an option does not fit the model.
        ModelError: the model is damaged.
    """
    from whisperctl import languages
    from whisperctl.models import ggml

    info = ggml.inspect(model)
    languages.resolve(
        decoding.language, info.multilingual, decoding.task, cantonese=info.n_languages > 99
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFlags(Flags):
    """A prompt too long for a command line."""

    initial_prompt_file: Path | None = option(
        None,
        "Read the prompt for the first window from this text file.",
        Topic.SPEECH,
        metavar="FILE",
    )

    def complete(self, decoding: DecodeOptions, *, word_timestamps: bool) -> DecodeOptions:
        """Return ``decoding`` with the file's prompt, and times of words or none.

        Raises:
            UsageError: there are two prompts, the file cannot be read, or text holds a NUL.
        """
        prompt = decoding.initial_prompt
        if self.initial_prompt_file is not None:
            if prompt:
                raise UsageError("give --initial-prompt or --initial-prompt-file, not both")
            prompt = _read_prompt(self.initial_prompt_file)
        if "\0" in prompt + decoding.suppress_regex:
            raise UsageError("a prompt or regular expression cannot hold a null character")
        return dataclasses.replace(decoding, initial_prompt=prompt, word_timestamps=word_timestamps)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodingFlags(Flags):
    """Options of every command that decodes speech."""

    decoding: DecodeOptions = field(default_factory=DecodeOptions)
    prompt: PromptFlags = field(default_factory=PromptFlags)

    def options(self, *, word_timestamps: bool = False) -> DecodeOptions:
        """Return the options, checked as far as that is possible without a model.

        Raises:
            UsageError: the prompt's file cannot be read, or there are two prompts.
        """
        return self.prompt.complete(self.decoding, word_timestamps=word_timestamps)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecoderFlags(Flags):
    """Decoder, for commands without other options of ``TranscriptionOptions``."""

    decoder: str = same_as(TranscriptionOptions, "decoder")

    def checked(self) -> str:
        """Return its name.

        Raises:
            UsageError: it is not installed.
            PluginError: two packages provide it.
        """
        decoders.check(self.decoder)
        return self.decoder


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackFlags(Flags):
    """Audio track and filters, for commands without other options of ``TranscriptionOptions``."""

    audio_track: str | None = same_as(TranscriptionOptions, "audio_track")
    filters: tuple[str, ...] = same_as(TranscriptionOptions, "filters")


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechFlags(Flags):
    """Detection of speech; its numbers are ``VadOptions``."""

    vad: bool | None = option(
        None,
        "Remove everything but speech before decoding; setting any number below implies it.",
        Topic.SILENCE,
        negatable=True,
        openai="--vad_filter",
        whisper_cli="--vad",
        remark="`--vad_filter` is whisper-ctranslate2's",
    )
    vad_model: str | None = option(
        None,
        "Detect speech with this Silero model, for --vad and --speech-check.",
        Topic.SILENCE,
        metavar="NAME|PATH",
        default="silero, if it is installed",
        completes="vad_models",
        whisper_cli="-vm --vad-model",
    )

    def vad_options(self, given: VadOptions | None) -> VadOptions | None:
        """Return how to remove what is not speech; ``None`` is not at all.

        Args:
            given: the numbers, ``None`` if none of them was typed.

        Raises:
            UsageError: there are numbers, and detection is turned off.
        """
        if given is not None and self.vad is False:
            raise UsageError("give --no-vad or numbers such as --vad-threshold, not both")
        return given or (VadOptions() if self.vad else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtitleFlags(Flags):
    """Words, and lines of subtitles."""

    word_timestamps: bool | None = option(
        None,
        "Find start, end and probability of each word.",
        Topic.SUBTITLES,
        default="if another option needs it",
        negatable=True,
        openai="--word_timestamps",
        whisper_cli="-dtw --dtw",
        remark="on by itself if another option needs it",
    )
    limits: SubtitleOptions = field(default_factory=SubtitleOptions)

    def words(self) -> bool:
        """Return true if times of words are asked for, or needed by the limits.

        Raises:
            UsageError: they are needed, and were turned off.
        """
        limits = self.limits
        if self.word_timestamps is None:
            return limits.needs_words
        if limits.needs_words and not self.word_timestamps:
            needing = next(
                name
                for name in (
                    *("profile", "highlight_words", "split_sentences", "max_words_per_line"),
                    *("max_line_count", "max_line_width", "max_duration_s"),
                )
                if getattr(limits, name)
            )
            raise UsageError(f"{_flag(needing)} needs times of words: remove --no-word-timestamps")
        return self.word_timestamps


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeFlags(Flags):
    """Every option of ``transcribe``, as typed."""

    input: InputFlags
    engine: EngineFlags
    output: OutputFlags
    run: RunFlags
    subtitles: SubtitleFlags
    parts: PartFlags
    speech: SpeechFlags
    transcription: TranscriptionOptions
    prompt: PromptFlags
    messages: MessageFlags

    def resolve(self) -> Settings:
        """Check every option, find the model, and check that the options fit it.

        Raises:
            UsageError: an option is out of its range, contradicts another or does not fit the
                model.
            ModelError: the model is unknown, not installed, or damaged.
        """
        from whisperctl.cli.support import console

        typed = self.transcription
        decoders.check(typed.decoder)
        if self.speech.vad is False and typed.speakers_from_channels:
            raise UsageError(
                "give --no-vad or --speaker-from-channels, not both: each channel is silent while "
                "others speak, and times are wrong around long silence"
            )
        transcription = dataclasses.replace(
            typed,
            decoding=self.prompt.complete(typed.decoding, word_timestamps=self.subtitles.words()),
            clips=self.parts.clips(),
            vad=self.speech.vad_options(typed.vad),
        )
        if console.is_dialog() and not self.run.dry_run:
            from whisperctl.cli.models import offer_missing

            offer_missing(self.engine.model)
        settings = dataclasses.replace(
            self.engine.settings(transcription),
            subtitles=self.subtitles.limits,
            vad_model=self.speech.vad_model,
        )
        if self.messages.verbose or self.messages.log_file is not None:
            _log(settings)
        return settings


def ignored(formats: Iterable[str], limits: SubtitleOptions) -> str | None:
    """Return a warning of options that have no effect in a format that is written.

    Args:
        formats: names of formats.
        limits: limits of subtitles.

    Returns:
        One line, or ``None`` if every option changes something in every format.
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in formats:
        if names := FORMATS[name].ignores(limits):
            alike.setdefault(names, []).append(name)
    if not alike:
        return None
    parts = (
        f"{', '.join(map(_flag, names))} {'have' if len(names) > 1 else 'has'} no effect on "
        f"the lines of {', '.join(some)}"
        for names, some in alike.items()
    )
    return f"warning: {'; '.join(parts)}"


def _flag(field_name: str) -> str:
    return f"--{field_name.removesuffix('_s').replace('_', '-')}"


def _read_prompt(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_PROMPT_BYTES + 1)
    except OSError as error:
        raise UsageError(f"prompt file {quoted(path)} cannot be read: {reason(error)}") from error
    if len(data) > _PROMPT_BYTES:
        raise UsageError(f"{quoted(path)} is too long for a prompt: keep it to about 200 words")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise UsageError(f"{quoted(path)} is not UTF-8 text: save it as UTF-8") from error


def _log(settings: Settings) -> None:
    """Log every option of a run."""
    logger = logging.getLogger("whisperctl.options")
    logger.debug("model file: %s", settings.model)
    logger.debug("threads: %d", settings.threads)
    for options in (settings.decoding, settings.transcription, settings.subtitles):
        for one in dataclasses.fields(options):
            if one.name != "decoding":
                logger.debug("%s: %s", one.name.replace("_", " "), getattr(options, one.name))
