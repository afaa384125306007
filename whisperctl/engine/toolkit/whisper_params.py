"""Options in whisper.cpp's terms, and its answers and its log in ours, for backends that run it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NoReturn, TypedDict

from whisperctl.engine.protocol import FRAME_S, Detection, SpeechSpan
from whisperctl.errors import UsageError
from whisperctl.options import DecodeOptions, VadOptions
from whisperctl.transcript import Phase

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

WHISPER_MAX_TEXT_CTX = 16384
"""whisper.cpp's own default for ``n_max_text_ctx``: no limit but the model's."""

# Bounded, as the log of a sandboxed engine may hold anything.
_NUMBER = r"[0-9]{1,12}(?:\.[0-9]{1,9})?"
_TIMING = re.compile(
    r"(?P<phase>load|mel|sample|encode|decode|batchd|prompt|total) time = {0,9}(?P<ms>"
    + _NUMBER
    + r") ms(?: / {0,9}(?P<runs>[0-9]{1,9}) runs)?"
)
_FALLBACKS = re.compile(r"fallbacks = {0,9}([0-9]{1,9}) p / {0,9}([0-9]{1,9}) h")
_LANGUAGE = re.compile(
    r"auto-detected language: (?P<code>[a-z]{2,3}) \(p = (?P<probability>[01]\.[0-9]{1,9})\)"
)
_FUNCTION = re.compile(r"^[a-z_][a-z0-9_]*: +", re.IGNORECASE)


class WhisperParams(TypedDict):
    """Fields of ``whisper_full_params``, by their names in whisper.h, and one of our own.

    ``forget_text`` asks that before every window but the first the text decoded so far be
    forgotten, and that of an initial prompt with it unless that is carried.
    """

    strategy: str
    best_of: int
    beam_size: int
    temperature: float
    temperature_inc: float
    entropy_thold: float
    logprob_thold: float
    no_speech_thold: float
    n_max_text_ctx: int
    no_context: bool
    translate: bool
    language: str
    initial_prompt: str
    carry_initial_prompt: bool
    suppress_nst: bool
    suppress_regex: str
    token_timestamps: bool
    forget_text: bool


def whisper_params(
    options: DecodeOptions, language: str, *, aligning: bool = False, batches: bool = False
) -> WhisperParams:
    """Every parameter of a run.

    Args:
        options: decoding options.
        language: the resolved code, or ``"auto"``.
        aligning: whether the session was opened to align tokens with the sound; without, their
            times come from whisper.cpp's ``token_timestamps`` where they are asked for.
        batches: whether the engine can decode several windows at once.

    Raises:
        UsageError: the regular expression is wrong, the initial prompt is not text, or several
            windows are to be decoded at once by an engine that cannot.
    """
    if not batches and (options.batch_size or 1) > 1:
        raise UsageError(
            "this backend decodes one window at a time: leave out --batch-size, or use a backend "
            "that can decode several"
        )
    # Spaces alone would change the style of the text, as any prompt does.
    prompt = options.initial_prompt if options.initial_prompt.strip() else ""
    if "\0" in prompt:  # where whisper.cpp would end it
        raise UsageError(
            "the initial prompt has a NUL character: remove it, or save a file in UTF-16 as UTF-8"
        )
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise UsageError("the initial prompt is not text in UTF-8") from error
    if options.suppress_regex:
        check_regex(options.suppress_regex)
    # `no_context` only forgets the text of the recording before, which must never reach the next
    # one's prompt; within a recording, the limit on the context is what conditions on earlier text.
    # A prompt needs room in that limit, so then it is the text that is forgotten.
    limit = WHISPER_MAX_TEXT_CTX if options.max_context is None else options.max_context
    if not options.condition_on_previous_text and not prompt:
        limit = 0
    # One token is the mark before the text. To carry a prompt whisper.cpp takes at least one more,
    # and with room for none it reads beyond the end of the text.
    if options.carry_initial_prompt and limit == 1:
        limit = 0
    return WhisperParams(
        strategy="beam_search" if options.beam_size > 1 else "greedy",
        best_of=options.best_of,
        beam_size=options.beam_size,
        temperature=options.temperature,
        temperature_inc=options.temperature_increment,
        entropy_thold=options.entropy_threshold,
        logprob_thold=options.logprob_threshold,
        no_speech_thold=options.no_speech_threshold,
        n_max_text_ctx=min(limit, WHISPER_MAX_TEXT_CTX),
        no_context=True,
        translate=options.task == "translate",
        language=language,
        initial_prompt=prompt,
        carry_initial_prompt=options.carry_initial_prompt,
        suppress_nst=options.suppress_nst,
        suppress_regex=options.suppress_regex,
        token_timestamps=options.word_timestamps and not aligning,
        forget_text=bool(prompt) and not options.condition_on_previous_text,
    )


def refused_regex(options: DecodeOptions, reason: str) -> UsageError | None:
    """The error for a run that ended with this reason, if it is about its regular expression."""
    if options.suppress_regex and ("regex" in reason or "regular expression" in reason):
        return UsageError(f'invalid --suppress-regex "{options.suppress_regex}": {reason}')
    return None


_UNLIMITED_S = 1e6
"""whisper.cpp takes every length above 100 000 s for none; a number, as JSON has no infinity."""


class VadParams(TypedDict):
    """Fields of ``whisper_vad_params``, by their names in whisper.h."""

    threshold: float
    min_speech_duration_ms: int
    min_silence_duration_ms: int
    max_speech_duration_s: float
    speech_pad_ms: int


def vad_params(options: VadOptions) -> VadParams:
    """Every parameter of a search for speech."""
    return VadParams(
        threshold=options.threshold,
        min_speech_duration_ms=options.min_speech_duration_ms,
        min_silence_duration_ms=options.min_silence_duration_ms,
        max_speech_duration_s=min(options.max_speech_duration_s, _UNLIMITED_S),
        speech_pad_ms=options.speech_pad_ms,
    )


def detection(
    spans: Iterable[tuple[float, float]],
    probabilities: npt.NDArray[np.float32],
    n_samples: int,
    options: VadOptions,
) -> Detection:
    """Convert whisper.cpp's answer to a search for speech.

    whisper.cpp cuts speech that is too long, but then joins spans that are less than 200 ms apart,
    which undoes the cuts. Here a span is cut where speech is least probable in the second half of
    the longest that is allowed.

    Args:
        spans: start and end of each, in hundredths of a second. The last may end after the
            recording does, which whisper.cpp pads to a whole frame.
        probabilities: float32, shape (n_frames,).
        n_samples: length of the recording, at 16 kHz.
        options: the options of the search.
    """
    end_s = n_samples / 16_000
    found = []
    for start, end in spans:
        span = SpeechSpan(start / 100, min(end / 100, end_s))
        while span.end_s - span.start_s > options.max_speech_duration_s:
            latest = int((span.start_s + options.max_speech_duration_s) / FRAME_S)
            earliest = int((span.start_s + options.max_speech_duration_s / 2) / FRAME_S)
            cut_s = (earliest + int(probabilities[earliest:latest].argmin())) * FRAME_S
            found.append(SpeechSpan(span.start_s, cut_s))
            span = SpeechSpan(cut_s, span.end_s)
        if span.start_s < span.end_s:
            found.append(span)
    return Detection(tuple(found), probabilities)


_MAX_REGEX_LENGTH = 1000
_MAX_REPEATS = 100
_MAX_DEPTH = 20
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(?P<least>\d{1,4})(?P<comma>,(?P<most>\d{0,4}))?\})\??")
# One character written as an escape, and a set of them.
_ESCAPED_CHARACTER = re.compile(r"\\(?:[tnvfr]|x[0-9A-Fa-f]{2}|[\^$\\.*+?()\[\]{}|/\-'\" ])")
_ESCAPED_SET = re.compile(r"\\[dDsSwW]")
_NAMED_SET = re.compile(
    r"\[:(?:alnum|alpha|blank|cntrl|digit|graph|lower|print|punct|space|upper|xdigit):\]"
)


def check_regex(pattern: str) -> None:
    """Check a regular expression for ``suppress_regex`` before an engine sees it.

    whisper.cpp hands it to ``std::regex`` (ECMAScript), whose two implementations differ at the
    edges and throw where nothing can catch it in the sandbox. What is accepted here both take
    alike.

    Raises:
        UsageError: it is not; the message says where it goes wrong.
    """
    _RegexParser(pattern).run()


class _RegexParser:
    """A descent over the grammar of ECMAScript's regular expressions."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.groups_closed = 0

    def run(self) -> None:
        try:
            self.pattern.encode()
        except UnicodeEncodeError:
            self._fail("it is not text in UTF-8")
        if len(self.pattern) > _MAX_REGEX_LENGTH:
            self._fail(f"it is longer than {_MAX_REGEX_LENGTH} characters")
        if "\0" in self.pattern:
            self._fail("it contains a null character")
        self._alternatives()
        if self.at < len(self.pattern):
            self._fail('")" closes nothing; a bracket to match is \\)')

    def _alternatives(self) -> None:
        self._terms()
        while self._take("|"):
            self._terms()

    def _terms(self) -> None:
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            if self._take("^") or self._take("$") or self._take(r"\b") or self._take(r"\B"):
                continue
            if self._take("(?=") or self._take("(?!"):
                self._group(counted=False)
                continue
            self._atom()
            self._quantifier()

    def _atom(self) -> None:
        if self._take("("):
            if self._take("?:"):
                self._group(counted=False)
            elif self._peek() == "?":
                self._fail('a group that begins with "(?" must be (?:…), (?=…) or (?!…)')
            else:
                self._group(counted=True)
        elif self._take("["):
            self._set()
        elif self._peek() == "\\":
            self._escape()
        elif self._peek() in "*+?{":
            self._fail(f'"{self._peek()}" repeats nothing; to match it, write \\{self._peek()}')
        elif self._peek() in "]}":
            self._fail(f'"{self._peek()}" closes nothing; to match it, write \\{self._peek()}')
        else:
            self.at += 1

    def _group(self, *, counted: bool) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            self._fail(f"its groups are more than {_MAX_DEPTH} deep")
        self._alternatives()
        if not self._take(")"):
            self._fail('a "(" is not closed')
        self.depth -= 1
        self.groups_closed += counted

    def _escape(self) -> None:
        if match := (
            _ESCAPED_CHARACTER.match(self.pattern, self.at)
            or _ESCAPED_SET.match(self.pattern, self.at)
        ):
            self.at = match.end()
            return
        number = re.compile(r"\\([1-9])(?!\d)").match(self.pattern, self.at)
        if number and int(number[1]) <= self.groups_closed:
            self.at = number.end()
            return
        self._fail(f'"{self.pattern[self.at : self.at + 2]}" has no meaning here')

    def _set(self) -> None:
        self._take("^")
        if self._peek() == "]":
            self._fail('a set "[]" is empty; to match the bracket, write \\]')
        while not self._take("]"):
            if self.at >= len(self.pattern):
                self._fail('a "[" is not closed')
            first = self._set_member()
            if self._peek() == "-" and self.pattern[self.at + 1 : self.at + 2] not in ("", "]"):
                self.at += 1
                last = self._set_member()
                if first is None or last is None or first > last:
                    self._fail("a range in a set goes backwards, or has a set for an end")

    def _set_member(self) -> str | None:
        """The character it is, or ``None`` if it is a set."""
        if match := (
            _NAMED_SET.match(self.pattern, self.at) or _ESCAPED_SET.match(self.pattern, self.at)
        ):
            self.at = match.end()
            return None
        if self._peek() == "\\":
            match = _ESCAPED_CHARACTER.match(self.pattern, self.at)
            if not match:
                self._fail(f'"{self.pattern[self.at : self.at + 2]}" has no meaning in a set')
            self.at = match.end()
            text = match[0]
            if text[1] == "x":
                return chr(int(text[2:], 16))
            return {"t": "\t", "n": "\n", "v": "\v", "f": "\f", "r": "\r"}.get(text[1], text[1])
        if self._peek() == "[":
            self._fail('a "[" in a set must be written \\[')
        character = self._peek()
        if not character.isascii():
            # std::regex takes one byte for one character.
            self._fail(f'"{character}" cannot be in a set; write (?:a|b) for [ab]')
        self.at += 1
        return character

    def _quantifier(self) -> None:
        if self._peek() not in tuple("*+?{"):
            return
        match = _QUANTIFIER.match(self.pattern, self.at)
        if not match:
            self._fail('a "{" begins no {n}, {n,} or {n,m}; to match it, write \\{')
        if match["least"]:
            least = int(match["least"])
            most = int(match["most"] or least)
            if most < least:
                self._fail(f"{match[0]} goes backwards")
            if most > _MAX_REPEATS:
                self._fail(f"{match[0]} is more than {_MAX_REPEATS} times")
        self.at = match.end()

    def _peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def _take(self, text: str) -> bool:
        if self.pattern.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def _fail(self, what: str) -> NoReturn:
        shown = self.pattern if len(self.pattern) <= 60 else self.pattern[:60] + "…"
        shown = shown.encode("utf-8", "replace").decode().replace("\n", " ")
        raise UsageError(f'invalid --suppress-regex "{shown}": {what} (at character {self.at + 1})')


def parse_timings(lines: Iterable[str]) -> dict[str, Phase]:
    """Phases from the lines of ``whisper_print_timings``; lines about anything else are skipped.

    The printed run count of a phase that never ran is 1 (whisper.cpp avoids dividing by zero), so
    a phase of 0.00 ms counts as no runs.
    """
    phases: dict[str, Phase] = {}
    for line in lines:
        match = _TIMING.search(line)
        if match:
            total_ms = float(match["ms"])
            runs = int(match["runs"] or 1)
            phases[match["phase"]] = Phase(total_ms, runs if total_ms > 0 else 0)
    return phases


def is_timing(line: str) -> bool:
    """Return true for a line of ``whisper_print_timings``, a part of a sum that is printed later.

    Backends leave these lines out of the log: whisper.cpp prints them after each run, with what it
    counted before that run too.
    """
    return line.startswith("whisper_print_timings")


def parse_fallbacks(lines: Iterable[str]) -> int | None:
    """Number of windows decoded again at a higher temperature, from ``whisper_print_timings``.

    whisper.cpp counts from when the model was loaded; ``whisper_reset_timings`` leaves this count
    alone. ``None`` if no line has it.
    """
    for line in lines:
        match = _FALLBACKS.search(line)
        if match:
            return int(match[1])
    return None


def parse_language(lines: Iterable[str]) -> tuple[str, float] | None:
    """The detected language's code and its probability; ``None`` when none was detected."""
    for line in lines:
        match = _LANGUAGE.search(line)
        if match:
            return match["code"], float(match["probability"])
    return None


def message(line: str) -> str:
    """A line of the log for a person: one line, without the C function's name in front."""
    return _FUNCTION.sub("", " ".join(line.split()))
