"""One recording on its way through faster-whisper, in the engine's thread."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from whisperctl.engine.toolkit.token_times import TokenTimes
from whisperctl.engine.toolkit.whisper_params import WhisperParams
from whisperctl.engine.toolkit.words import Utf8Joiner, text_of
from whisperctl.errors import BackendError
from whisperctl.languages import AUTO
from whisperctl.transcript import Segment, SpokenLanguage, Token
from whisperctl_faster_whisper import batches, windows
from whisperctl_faster_whisper.loaded_model import LoadedModel, Run, WordSpan

Event = Segment | SpokenLanguage | float
Emit = Callable[[Event], None]

_RATE = windows.RATE
_WINDOW_S = windows.LONGEST / _RATE
_CALLBACK_S = 0.05
_MIN_SAMPLES = 1600
"""whisper.cpp hears nothing in less than a tenth of a second, and so does this."""


class Listening:
    """One run of a model over one recording.

    Args:
        loaded: the model.
        text: the bytes of its text tokens, in the order of their ids.
        params: our options in whisper.cpp's terms.
        word_timestamps: whether words get times.
        suppressed: ids of tokens that are not to be decoded.
        batch_size: windows to decode at once; with more than one, none gets the text before it.
        stop: ends the run when it is set.

    ``handled`` is to be set by who has handled what was emitted last.
    """

    def __init__(
        self,
        loaded: LoadedModel,
        text: Sequence[bytes],
        params: WhisperParams,
        *,
        word_timestamps: bool,
        suppressed: Sequence[int],
        batch_size: int,
        stop: threading.Event,
    ) -> None:
        self._loaded = loaded
        self._batch_size = batch_size
        self._text = text
        self._params = params
        self._word_timestamps = word_timestamps
        self._suppressed = suppressed
        self._joiner = Utf8Joiner()
        self._at_s = self._offset_s = self._until_s = 0.0
        self._begun = self._heard = False
        self._emit: Emit = _ignore
        self._times: TokenTimes | None = None
        self._duration_s = 0.0
        self.handled = threading.Event()
        carried = params["carry_initial_prompt"] and params["initial_prompt"].strip()
        self.run = Run(
            entropy_threshold=params["entropy_thold"],
            # One of whisper.cpp's tokens of context is the mark before the text.
            max_context=max(0, min(params["n_max_text_ctx"], loaded.max_length // 2) - 1),
            carried=loaded.hf_tokenizer.encode(f" {carried}", add_special_tokens=False).ids
            if carried
            else (),
            on_window=self._on_window,
            stop=stop,
        )
        loaded.run = self.run

    def listen(self, samples: npt.NDArray[np.float32], emit: Emit) -> SpokenLanguage:
        """Transcribe; gives the language.

        Args:
            samples: float32, shape (n_samples,), 16 kHz.
            emit: gets the language first, then each segment as it is decided, and the share of the
                recording done.

        Raises:
            StoppedError: the run was told to stop.
            BackendError: faster-whisper failed.
        """
        self._emit = emit
        try:
            return self._listen(samples)
        except MemoryError as error:
            raise BackendError("faster-whisper needs more memory than there is") from error
        # What comes out of CTranslate2 are RuntimeError and ValueError; of numpy, anything.
        except (RuntimeError, ValueError, IndexError, TypeError) as error:
            raise BackendError(f"faster-whisper failed: {error}") from error

    def _listen(self, samples: npt.NDArray[np.float32]) -> SpokenLanguage:
        loaded = self._loaded
        spoken = SpokenLanguage(self._params["language"])
        if spoken.code == AUTO:
            # Here, because transcribe would do it before there is anything to iterate over, and
            # because it takes a language of a recording that has no samples for granted.
            head = samples[: round(_WINDOW_S * _RATE)]
            head = np.pad(head, (0, max(0, _MIN_SAMPLES - len(head))))
            language, probability, _ = loaded.detect_language(head)
            spoken = SpokenLanguage(language, float(probability))
        self._emit(spoken)
        if len(samples) >= _MIN_SAMPLES:
            if self._word_timestamps:
                self._times = TokenTimes(samples, aligned=True)
            self._duration_s = self._until_s = len(samples) / _RATE
            if self._batch_size > 1 and len(samples) > windows.LONGEST:
                self._transcribe_windows(samples, spoken.code)
            else:
                self._transcribe(samples, spoken.code)
        return spoken

    def _transcribe_windows(self, samples: npt.NDArray[np.float32], language: str) -> None:
        """Decode windows at once, and each again alone where that failed or left something out.

        The first may get earlier text, and one that does not end in a pause has to be cut by its
        text: these are decoded alone from the start.
        """
        ahead = batches.decoded(
            self._loaded,
            windows.cut(samples),
            samples,
            language,
            self._arguments(),
            self._batch_size,
        )
        try:
            with closing(ahead):
                for window, part, prepared in ahead:
                    self._loaded.prepared = prepared
                    self._offset_s = self._at_s = window.start / _RATE
                    self._until_s = window.end / _RATE
                    self._begun = False
                    self._transcribe(part, language)
        finally:
            self._loaded.prepared = []  # what was skipped is not for the next recording

    def _transcribe(self, samples: npt.NDArray[np.float32], language: str) -> None:
        """Decode samples that begin at ``_offset_s``, window by window."""
        arguments = self._arguments()
        if self._offset_s:
            arguments["initial_prompt"] = None
        found, _ = self._loaded.transcribe(samples, language=language, **arguments)
        for segment in found:
            self._heard = True
            if self._offset_s + float(segment.start) >= self._until_s:
                continue  # heard in the silence with which a window is filled
            self._at_s = self._offset_s + float(segment.end)
            self._emit(self._joiner.add(self._converted(segment)))

    def _arguments(self) -> dict[str, Any]:
        """All but the recording and its language, for ``WhisperModel.transcribe``."""
        p = self._params
        start_of_transcript = len(self._text) + 1
        return {
            "task": "translate" if p["translate"] else "transcribe",
            "beam_size": p["beam_size"],
            "best_of": p["best_of"],
            "temperature": _temperatures(p["temperature"], p["temperature_inc"]),
            "log_prob_threshold": p["logprob_thold"],
            "no_speech_threshold": p["no_speech_thold"],
            "compression_ratio_threshold": None,  # entropy is what is looked at
            "condition_on_previous_text": self.run.max_context > 0 and not p["forget_text"],
            "initial_prompt": None if self.run.carried else p["initial_prompt"].strip() or None,
            # With no token at all it would suppress no special ones either; -1 stands for those
            # that are no speech. A list of its own, as faster-whisper adds to it.
            "suppress_tokens": [
                -1 if p["suppress_nst"] else start_of_transcript,
                *self._suppressed,
            ],
            "word_timestamps": self._word_timestamps,
            "vad_filter": False,
        }

    def _on_window(self) -> None:
        """Tell how far the run is; of a window in which nobody spoke there is no other sign."""
        if not self._heard and self._begun:
            self._at_s += _WINDOW_S
        self._begun, self._heard = True, False
        self.handled.clear()
        self._emit(min(1.0, self._at_s / self._duration_s) if self._duration_s else 0.0)
        # A callback that wants to end the run ends it here, before a computation nobody can stop.
        self.handled.wait(_CALLBACK_S)

    def _converted(self, segment: Any) -> Segment:
        ids = [i for i in segment.tokens if i < len(self._text)]
        probability = min(1.0, math.exp(segment.avg_logprob))
        tokens = [Token(i, self._text[i], probability) for i in ids]
        if self._word_timestamps:
            spans = [self._heard_in(span) for span in self._spans(segment.tokens)]
            tokens = _timed(tokens, spans, self._until_s)
        # faster-whisper's times may lie in the silence with which a window is filled.
        start_s = min(self._offset_s + float(segment.start), self._until_s)
        return Segment(
            start_s=start_s,
            end_s=max(start_s, min(self._offset_s + float(segment.end), self._until_s)),
            text=text_of(tokens),
            tokens=tuple(tokens),
            no_speech_probability=float(segment.no_speech_prob),
            temperature=self.run.temperature,
        )

    def _heard_in(self, span: WordSpan) -> WordSpan:
        """A word's time in the recording, without the pause before or after it."""
        span = span.shifted(self._offset_s)
        if self._times is None:
            return span
        start_s, end_s = self._times.without_pauses(span.start_s, max(span.start_s, span.end_s))
        return replace(span, start_s=start_s, end_s=end_s)

    def _spans(self, tokens: object) -> list[WordSpan]:
        """What was found out about the words of a segment, known by the very list of its tokens."""
        return next((spans for those, spans in reversed(self.run.words) if those is tokens), [])


def _timed(tokens: Sequence[Token], spans: Sequence[WordSpan], until_s: float) -> list[Token]:
    """Tokens with times up to ``until_s``: those of one word share its time evenly."""
    timed: list[Token] = []
    for span in spans:
        part = tokens[len(timed) : len(timed) + span.n_tokens]
        step_s = (span.end_s - span.start_s) / max(1, len(part))
        for i, token in enumerate(part):
            start_s, end_s = span.start_s + i * step_s, span.start_s + (i + 1) * step_s
            timed.append(
                replace(
                    token,
                    probability=min(1.0, span.probability),
                    start_s=min(round(start_s, 3), until_s),
                    end_s=min(round(end_s, 3), until_s),
                )
            )
    return [*timed, *tokens[len(timed) :]]


def _temperatures(first: float, increment: float) -> list[float]:
    """Those that are tried one after the other, as in whisper.cpp: up to 1."""
    if increment <= 0:
        return [first]
    n = 1 + math.floor((1 - first) / increment + 1e-6)
    return [round(first + i * increment, 6) for i in range(n)]


def _ignore(event: Event) -> None:
    """Nobody listens yet."""
