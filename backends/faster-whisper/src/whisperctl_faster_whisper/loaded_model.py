"""faster-whisper's own transcription loop, with what our options ask of it besides.

Its ``WhisperModel`` does the work. What is put in its place here is the text before a window, the
judgement whether decoding has failed, and that every long computation is measured and can be left.
"""

from __future__ import annotations

import math
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import ctranslate2
import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens

from whisperctl.engine import resources
from whisperctl.engine.toolkit import worker_thread
from whisperctl.transcript import Phase

Result = TypeVar("Result")

_POLL_S = 0.05
_GRACE_S = 0.6
"""How long to wait for a computation that is not wanted any more, before it is left behind."""

_SEED = 0
_SAMPLES_PER_TIMESTAMP = 320
_ENTROPY_TOKENS = 32
"""whisper.cpp's: so many tokens at the end are looked at, and shorter texts never fail."""


_ISA = "CT2_FORCE_CPU_ISA"
_NO_SLOWER = "avx512_vbmi2"
"""Of the processors with AVX-512, those with this do not slow down much by it: Ice Lake, Zen 4."""


class StoppedError(Exception):
    """The run was told to stop; what it was computing is left to itself."""


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A word as faster-whisper times it, and how many tokens it has."""

    start_s: float
    end_s: float
    probability: float
    n_tokens: int

    def shifted(self, by_s: float) -> WordSpan:
        """Return the word later by so many seconds."""
        return replace(self, start_s=self.start_s + by_s, end_s=self.end_s + by_s)


@dataclass(slots=True)
class Run:
    """One call of ``transcribe``: what it wants, and what is found out on the way.

    ``max_context`` is how many tokens of earlier text a window may get, ``carried`` those that
    every window gets before them. ``on_window`` is called when a window begins. ``drew`` says that
    random numbers were drawn, ``temperature`` is that of the text of the window under way.
    """

    entropy_threshold: float
    max_context: int
    carried: Sequence[int]
    on_window: Callable[[], None]
    stop: threading.Event
    drew: bool = False
    temperature: float = 0.0
    words: list[tuple[object, list[WordSpan]]] = field(default_factory=list)
    _spent: dict[str, tuple[float, int]] = field(default_factory=dict)

    def measured(
        self,
        phase: str,
        function: Callable[[], Result],
        count: Callable[[Result], int] = lambda result: 1,
    ) -> Result:
        """Call ``function`` in a thread that can be left behind, and add its time to a phase.

        Nothing can interrupt CTranslate2: it goes on with what it has begun, and whatever is asked
        of it next waits until then.

        Raises:
            StoppedError: ``stop`` was set meanwhile.
        """
        if self.stop.is_set():
            raise StoppedError
        outcome: queue.SimpleQueue[tuple[Result | None, BaseException | None]] = queue.SimpleQueue()

        def work() -> None:
            try:
                outcome.put((function(), None))
            except BaseException as error:
                outcome.put((None, error))

        started = time.perf_counter()
        thread = threading.Thread(target=work, name="whisperctl-ctranslate2", daemon=True)
        thread.start()
        stopped_at: float | None = None
        while True:
            try:
                result, error = outcome.get(timeout=_POLL_S)
            except queue.Empty:
                if not self.stop.is_set():
                    continue
                stopped_at = stopped_at or time.perf_counter()
                if time.perf_counter() - stopped_at < _GRACE_S:
                    continue
                worker_thread.detach(thread)
                raise StoppedError from None
            break
        thread.join()
        if self.stop.is_set():
            raise StoppedError
        if error is not None:
            raise error
        total_ms, runs = self._spent.get(phase, (0.0, 0))
        elapsed_ms = (time.perf_counter() - started) * 1000
        found: Result = result  # type: ignore[assignment]  # there is one where there is no error
        self._spent[phase] = total_ms + elapsed_ms, runs + count(found)
        return found

    def phases(self) -> dict[str, Phase]:
        """The time of each phase."""
        return {name: Phase(*spent) for name, spent in self._spent.items()}


@dataclass(slots=True, eq=False)
class Prepared:
    """A window that was decoded together with others: what ``WhisperModel`` would compute for it.

    ``samples`` are the window's, ``prompt`` the tokens that it was decoded after, ``result`` is
    CTranslate2's.
    """

    samples: npt.NDArray[np.float32]
    features: npt.NDArray[np.float32]
    encoded: Any
    prompt: list[int]
    result: Any


class LoadedModel(WhisperModel):  # type: ignore[misc]  # the library has no types
    """A loaded model; one ``run`` at a time.

    The next ``transcribe`` takes what is ``prepared`` for its recording, once.

    Args:
        directory: a model of CTranslate2's with its tokenizer.
        compute_type: what CTranslate2 computes with.
        threads: how many threads compute.
        max_length: how many tokens the decoder takes, prompt and text together.
    """

    def __init__(self, directory: Path, compute_type: str, threads: int, max_length: int) -> None:
        # Each of CTranslate2's threads begins with the seed that is set when it first draws.
        ctranslate2.set_random_seed(_SEED)
        with _wide_vectors():
            super().__init__(
                str(directory),
                device="cpu",
                compute_type=compute_type,
                cpu_threads=threads,
                local_files_only=True,
            )
        # What a prompt spells like a mark, "<|endoftext|>", is text, as for whisper.cpp.
        self.hf_tokenizer.encode_special_tokens = True
        self.run: Run
        self._alignment: Any = []
        self.max_length = max_length
        extractor: Any = self.feature_extractor
        self.feature_extractor: Any = _Measured(self, extractor)
        self._detecting = False
        self.prepared: Prepared | None = None

    def prepare(
        self, windows: Sequence[npt.NDArray[np.float32]], language: str, arguments: dict[str, Any]
    ) -> list[Prepared]:
        """Encode windows, and decode them all at once.

        The decoder reads its weights once for all of them. None gets earlier text.

        Args:
            windows: at least one; float32, shape (n_samples,), up to 30 s each.
            language: code of the language.
            arguments: those of ``transcribe``.

        Raises:
            StoppedError: the run was told to stop.
        """
        extractor, encode, run = self.feature_extractor, super().encode, self.run
        tokenizer = Tokenizer(
            self.hf_tokenizer,
            self.model.is_multilingual,
            task=arguments["task"],
            language=language,
        )
        prompt: list[int] = super().get_prompt(tokenizer, [])
        suppressed = get_suppressed_tokens(tokenizer, list(arguments["suppress_tokens"]))
        features = [extractor(samples) for samples in windows]
        encoded = [
            run.measured("encode", partial(encode, pad_or_trim(one[:, :-1]))) for one in features
        ]
        results = run.measured(
            "batchd",
            partial(
                self.model.generate,
                ctranslate2.StorageView.from_array(np.concatenate(encoded)),
                [prompt] * len(windows),
                beam_size=arguments["beam_size"],
                max_length=self.max_length,
                return_scores=True,
                return_no_speech_prob=True,
                suppress_tokens=suppressed,
            ),
            lambda found: sum(len(one.sequences_ids[0]) for one in found),
        )
        return [
            Prepared(samples, mel, states, prompt, result)
            for samples, mel, states, result in zip(
                windows, features, encoded, results, strict=True
            )
        ]

    def detect_language(self, *arguments: Any, **named: Any) -> Any:
        """As in ``WhisperModel``; no window of the transcription."""
        self._detecting = True
        try:
            return super().detect_language(*arguments, **named)
        finally:
            self._detecting = False

    def encode(self, features: Any) -> Any:
        """As in ``WhisperModel``; measured."""
        if not self._detecting:
            self.run.on_window()
        if self.prepared is not None:
            return self.prepared.encoded
        encode = super().encode
        return self.run.measured("encode", lambda: encode(features))

    def get_prompt(
        self,
        tokenizer: Any,
        previous_tokens: Sequence[int],
        without_timestamps: bool = False,
        prefix: str | None = None,
        hotwords: str | None = None,
    ) -> Any:
        """As in ``WhisperModel``, with as much text as the run's options give a window."""
        room = self.run.max_context
        before = list(self.run.carried[-room:] if room else ())
        room -= len(before)
        before += previous_tokens[-room:] if room else ()
        return super().get_prompt(tokenizer, before, without_timestamps, prefix, hotwords)

    def generate_with_fallback(
        self, encoder_output: Any, prompt: list[int], tokenizer: Any, options: Any
    ) -> Any:
        """As in ``WhisperModel``, but that entropy tells a loop, as in whisper.cpp.

        Of decodings that all failed the most probable is taken, as there, of those that do not
        loop if there are any.
        """
        generate = super().generate_with_fallback
        tried: list[tuple[bool, Any]] = []
        prepared, self.prepared = self.prepared, None
        for temperature in options.temperatures:
            self.run.drew |= temperature > 0
            alone = replace(
                options,
                temperatures=[temperature],
                compression_ratio_threshold=None,
                log_prob_threshold=None,
            )
            if prepared is not None and prepared.prompt == prompt and temperature == 0:
                result = prepared.result
                whole = _ended(result, len(prepared.samples), tokenizer.timestamp_begin)
                found = (whole, _mean_log_probability(result), temperature, 0.0)
            else:
                several = (options.best_of if temperature > 0 else options.beam_size) > 1
                found = self.run.measured(
                    "batchd" if several else "decode",
                    partial(generate, encoder_output, prompt, tokenizer, alone),
                    lambda found: len(found[0].sequences_ids[0]),
                )
            result, log_prob = found[:2]
            loops = _loops(result.sequences_ids[0], self.run.entropy_threshold)
            tried.append((loops, found))
            unsure = log_prob < options.log_prob_threshold
            silent = unsure and result.no_speech_prob > options.no_speech_threshold
            if silent or not (loops or unsure):
                break
        else:
            sound = [found for loops, found in tried if not loops]
            found = max(sound or [found for _, found in tried], key=lambda found: found[1])
        self.run.temperature = found[2]
        # The last temperature decides whether the next window gets this text.
        return (*found[:2], temperature, found[3])

    def find_alignment(self, *arguments: Any, **named: Any) -> Any:
        """As in ``WhisperModel``; measured as the pass over many tokens that it is."""
        find = super().find_alignment
        self._alignment = self.run.measured(
            "prompt", lambda: find(*arguments, **named), lambda found: sum(map(len, found))
        )
        return self._alignment

    def add_word_timestamps(self, segments: Any, *arguments: Any, **named: Any) -> Any:
        """As in ``WhisperModel``; ``run.words`` gets what it says, with the tokens of each word."""
        last_s = super().add_word_timestamps(segments, *arguments, **named)
        for parts, alignment in zip(segments, self._alignment, strict=True):
            aligned = (timing for timing in alignment if timing["word"])
            for part in parts:
                spans = [
                    WordSpan(
                        float(word["start"]),
                        float(word["end"]),
                        float(word["probability"]),
                        len(next(aligned)["tokens"]),
                    )
                    for word in part["words"]
                ]
                self.run.words.append((part["tokens"], spans))
        return last_s


@contextmanager
def _wide_vectors() -> Iterator[None]:
    """Have CTranslate2 compute with AVX-512, if its first model is loaded inside the ``with``.

    By itself it takes AVX2 for all but products of matrices. Nothing is changed if the user has
    chosen: https://opennmt.net/CTranslate2/environment_variables.html
    """
    if _ISA in os.environ or _NO_SLOWER not in resources.cpu_facts("flags"):
        yield
        return
    os.environ[_ISA] = "AVX512"
    try:
        yield
    finally:
        del os.environ[_ISA]


class _Measured:
    """The feature extractor, measured."""

    def __init__(self, loaded: LoadedModel, extract: Any) -> None:
        self._loaded = loaded
        self._extract = extract

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        prepared = self._loaded.prepared
        if prepared is not None and arguments[0] is prepared.samples:
            return prepared.features
        return self._loaded.run.measured("mel", lambda: self._extract(*arguments, **named))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._extract, name)


@dataclass(frozen=True, slots=True)
class _Whole:
    """Those fields of CTranslate2's result that ``WhisperModel`` reads."""

    sequences_ids: list[list[int]]
    scores: list[float]
    no_speech_prob: float


def _ended(result: Any, n_samples: int, first_timestamp: int) -> Any:
    """A result of a window that ends in a pause, with the last segment's end if it lacks that.

    Without, ``WhisperModel`` takes it for one that the window has cut, and decodes it again.
    """
    tokens: list[int] = result.sequences_ids[0]
    has_timestamps = any(token >= first_timestamp for token in tokens)
    if not has_timestamps or tokens[-1] >= first_timestamp:
        return result
    end = first_timestamp + round(n_samples / _SAMPLES_PER_TIMESTAMP)
    return _Whole([[*tokens, end]], result.scores, result.no_speech_prob)


def _mean_log_probability(result: Any) -> float:
    """Mean log probability of a result's tokens, as ``WhisperModel`` has it."""
    n_tokens = len(result.sequences_ids[0])
    return float(result.scores[0]) * n_tokens / (n_tokens + 1)


def _loops(tokens: Sequence[int], threshold: float) -> bool:
    """Whether so few tokens repeat that it is a loop: ``whisper_sequence_score`` in whisper.cpp."""
    if len(tokens) <= _ENTROPY_TOKENS:
        return False
    counts = Counter(tokens[-_ENTROPY_TOKENS:]).values()
    shares = [count / _ENTROPY_TOKENS for count in counts]
    return -sum(share * math.log(share) for share in shares) < threshold
