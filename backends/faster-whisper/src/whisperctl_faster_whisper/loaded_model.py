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
_FRAMES_PER_TIMESTAMP = 2
_FRAMES = 3000
"""Frames of a spectrogram that the encoder takes, ten milliseconds each."""

_FEW_FRAMES = 1500
_FEW_SAMPLES = 10 * 16_000
"""Samples that are heard as well, in less than half the time, with half of the silence."""

_LEAST_REST = 3 * 16_000 // 10
"""Samples too few for a word: a window ends in the middle of a pause."""

_MOST_PARTS = 6
"""Parts of a window that are decoded ahead, and held; a text with more is a model's nonsense."""

_TOLD_BY = 30
"""Frames by which it is told what was computed for what."""

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
    _adding: threading.Lock = field(default_factory=threading.Lock)
    _spent: dict[str, tuple[float, int]] = field(default_factory=dict)

    def measured(
        self,
        phase: str,
        function: Callable[[], Result],
        count: Callable[[Result], int] = lambda result: 1,
        at_once: int = 1,
    ) -> Result:
        """Call ``function`` in a thread that can be left behind, and add its time to a phase.

        Nothing can interrupt CTranslate2: it goes on with what it has begun, and whatever is asked
        of it next waits until then. Of time that ``at_once`` such calls share, each has its part.

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
        elapsed_ms = (time.perf_counter() - started) * 1000 / at_once
        found: Result = result  # type: ignore[assignment]  # there is one where there is no error
        with self._adding:
            total_ms, runs = self._spent.get(phase, (0.0, 0))
            self._spent[phase] = total_ms + elapsed_ms, runs + count(found)
        return found

    def phases(self) -> dict[str, Phase]:
        """The time of each phase."""
        return {name: Phase(*spent) for name, spent in self._spent.items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """A window's samples, and all of their spectrogram."""

    samples: npt.NDArray[np.float32]
    spectrogram: npt.NDArray[np.float32]


@dataclass(slots=True, eq=False)
class Prepared:
    """A window decoded ahead, or the rest of one: what ``WhisperModel`` would compute for it.

    ``features`` are what was encoded of the window, ``prompt`` has the tokens that it was decoded
    after, ``result`` is CTranslate2's.
    """

    window: _Heard
    features: npt.NDArray[np.float32]
    encoded: Any
    prompt: list[int]
    result: Any

    def begins(self, features: npt.NDArray[np.float32]) -> bool:
        """Whether this was computed for these features, as their beginning tells."""
        return np.array_equal(features[:, :_TOLD_BY], self.features[:, :_TOLD_BY])


class LoadedModel(WhisperModel):  # type: ignore[misc]  # the library has no types
    """A loaded model; one ``run`` at a time.

    The next ``transcribe`` takes what is ``prepared`` for its recording, in order, each once.

    Args:
        directory: a model of CTranslate2's with its tokenizer.
        compute_type: what CTranslate2 computes with.
        threads: how many threads compute.
        max_length: how many tokens the decoder takes, prompt and text together.
    """

    model: Any  # WhisperModel's

    def __init__(
        self,
        directory: Path,
        compute_type: str,
        threads: int,
        max_length: int,
    ) -> None:
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
            self._workers: Any = self.model
            # It is at the first computation that CTranslate2 chooses, which loading int8 is not.
            nothing = np.zeros((1, self._workers.n_mels, 2), np.float32)
            self._workers.encode(ctranslate2.StorageView.from_array(nothing))
        self._directory, self._compute_type, self._threads = directory, compute_type, threads
        self.workers = 1
        # What a prompt spells like a mark, "<|endoftext|>", is text, as for whisper.cpp.
        self.hf_tokenizer.encode_special_tokens = True
        self.run: Run
        self._alignment: Any = []
        self.max_length = max_length
        extractor: Any = self.feature_extractor
        self.feature_extractor: Any = _Measured(self, extractor)
        self._detecting = False
        self.prepared: list[Prepared] = []

    def close(self) -> None:
        """Free the weights now: this is in cycles of references, which may stay for long.

        ``work_with`` reads them again, with random numbers that begin anew.
        """
        self.model = self._workers = None
        self.workers = 0
        self.prepared = []

    def work_with(self, workers: int) -> None:
        """Do so many computations at the same time, with the threads shared out among them.

        Several with a thread each do more than one with several threads, if there is so much to do.
        The weights are read again if it is another number than before.

        Raises:
            MemoryError: there is no memory for that.
            RuntimeError: the model cannot be read any more.
        """
        if workers != self.workers:
            self.close()  # first, as there may be no memory for two
            self.model = self._workers = self._read(workers)
            self.workers = workers

    def _read(self, workers: int) -> Any:
        return ctranslate2.models.Whisper(
            str(self._directory),
            device="cpu",
            compute_type=self._compute_type,
            inter_threads=workers,
            intra_threads=max(1, self._threads // workers),
        )

    def prepare(
        self,
        windows: Sequence[npt.NDArray[np.float32]],
        lengths: Sequence[int],
        language: str,
        arguments: dict[str, Any],
    ) -> list[list[Prepared]]:
        """Encode windows, and decode them all at once; then what their texts leave out at the end.

        The decoder reads its weights once for all of them. None gets earlier text. Threads may call
        this at the same time.

        Args:
            windows: at least one; float32, shape (n_samples,), up to 30 s each.
            lengths: how many of each window's samples are the recording's; silence follows.
            language: code of the language.
            arguments: those of ``transcribe``.

        Returns:
            For each window what was decoded of it, in order: one result, or two.

        Raises:
            StoppedError: the run was told to stop.
        """
        tokenizer = Tokenizer(
            self.hf_tokenizer,
            self._workers.is_multilingual,
            task=arguments["task"],
            language=language,
        )
        heard = [
            _Heard(one, self._measured("mel", partial(self.feature_extractor.extract, one)))
            for one in windows
        ]
        n_frames = _needed(max(lengths))
        whole = [(one, one.spectrogram[:, :n_frames]) for one in heard]
        decoded = self._decode(whole, super().get_prompt(tokenizer, []), tokenizer, arguments)
        return [
            self._with_rest(one, length, tokenizer, arguments)
            for one, length in zip(decoded, lengths, strict=True)
        ]

    def _with_rest(
        self, window: Prepared, length: int, tokenizer: Any, arguments: dict[str, Any]
    ) -> list[Prepared]:
        """A window of so many samples, and what its text leaves out at the end."""
        first = tokenizer.timestamp_begin
        spectrogram = window.window.spectrogram
        found = [window]
        at = 0
        while begins := _rest(found[-1].result.sequences_ids[0], first):
            last = found[-1]
            tokens = last.result.sequences_ids[0]
            left = length - (at + begins) * _SAMPLES_PER_TIMESTAMP
            if left < _LEAST_REST:
                last.result = _whole(last.result, tokens[:-1])
                return found
            if arguments["word_timestamps"]:
                return found  # WhisperModel goes on where the last word ends
            if len(found) == _MOST_PARTS:
                return found
            at += begins
            text = [token for one in found for token in one.result.sequences_ids[0][:-1]]
            before = text if arguments["condition_on_previous_text"] else []
            part = spectrogram[:, at * _FRAMES_PER_TIMESTAMP : _FRAMES]
            found += self._decode(
                [(window.window, _with_silence(part, _needed(left)))],
                self.get_prompt(tokenizer, before),
                tokenizer,
                arguments,
            )
        last = found[-1]
        # A text as long as CTranslate2 lets it be was cut: WhisperModel goes on after its last end.
        if len(last.result.sequences_ids[0]) < min(
            self.max_length // 2, self.max_length - len(last.prompt)
        ):
            rest = length - at * _SAMPLES_PER_TIMESTAMP
            last.result = _ended(last.result, rest, first)
        return found

    def _decode(
        self,
        parts: Sequence[tuple[_Heard, npt.NDArray[np.float32]]],
        prompt: list[int],
        tokenizer: Any,
        arguments: dict[str, Any],
    ) -> list[Prepared]:
        """Encode features of the same length one by one, and decode them all at once."""
        storage = ctranslate2.StorageView.from_array
        encoded = [
            self._measured(
                "encode",
                partial(self._workers.encode, storage(np.ascontiguousarray(features[np.newaxis]))),
            )
            for _, features in parts
        ]
        results = self._measured(
            "batchd",
            partial(
                self._workers.generate,
                storage(np.concatenate(encoded)) if len(encoded) > 1 else encoded[0],
                [prompt] * len(encoded),
                beam_size=arguments["beam_size"],
                max_length=self.max_length,
                return_scores=True,
                return_no_speech_prob=True,
                suppress_tokens=get_suppressed_tokens(
                    tokenizer, list(arguments["suppress_tokens"])
                ),
            ),
            lambda found: sum(len(one.sequences_ids[0]) for one in found),
        )
        return [
            Prepared(window, features, states, prompt, result)
            for (window, features), states, result in zip(parts, encoded, results, strict=True)
        ]

    def _measured(
        self,
        phase: str,
        function: Callable[[], Result],
        count: Callable[[Result], int] = lambda result: 1,
    ) -> Result:
        """As ``run.measured``, of one among as many computations as there are workers."""
        return self.run.measured(phase, function, count, at_once=self.workers)

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
        if self.prepared and self.prepared[0].begins(features):
            return self.prepared[0].encoded
        self.prepared.clear()
        return self._encode(features)

    def _encode(self, features: Any) -> Any:
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
        entropy = self.run.entropy_threshold
        tried: list[Any] = []
        prepared = self.prepared.pop(0) if self.prepared else None
        for temperature in options.temperatures:
            if prepared is not None and prepared.prompt == prompt and temperature == 0:
                result = prepared.result
                found = (result, _mean_log_probability(result), temperature, 0.0)
                if prepared.features.shape[1] < _FRAMES and _failed(found, options, entropy):
                    encoder_output = self._encode(_with_silence(prepared.features, _FRAMES))
                    found = self._generate(encoder_output, prompt, tokenizer, options, temperature)
            else:
                found = self._generate(encoder_output, prompt, tokenizer, options, temperature)
            tried.append(found)
            if not _failed(found, options, entropy):
                break
        else:
            sound = [found for found in tried if not _loops(found[0].sequences_ids[0], entropy)]
            found = max(sound or tried, key=lambda found: found[1])
        self.run.temperature = found[2]
        # The last temperature decides whether the next window gets this text.
        return (*found[:2], temperature, found[3])

    def _generate(
        self,
        encoder_output: Any,
        prompt: list[int],
        tokenizer: Any,
        options: Any,
        temperature: float,
    ) -> Any:
        """Decode at one temperature, as in ``WhisperModel``; measured."""
        if temperature > 0 and not self.run.drew:
            self.run.drew = True
            if self.workers > 1:
                # Which of several workers draws is left to chance, and each has its own numbers.
                self.model = self._read(1)
        several = (options.best_of if temperature > 0 else options.beam_size) > 1
        alone = replace(
            options,
            temperatures=[temperature],
            compression_ratio_threshold=None,
            log_prob_threshold=None,
        )
        generate = super().generate_with_fallback
        return self.run.measured(
            "batchd" if several else "decode",
            partial(generate, encoder_output, prompt, tokenizer, alone),
            lambda found: len(found[0].sequences_ids[0]),
        )

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
    """Have CTranslate2 compute with AVX-512, if it first computes inside the ``with``.

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
        self.extract = extract

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        prepared = self._loaded.prepared
        if prepared and arguments[0] is prepared[0].window.samples:
            return prepared[0].window.spectrogram
        return self._loaded.run.measured("mel", lambda: self.extract(*arguments, **named))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.extract, name)


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
    return _whole(result, [*tokens, first_timestamp + round(n_samples / _SAMPLES_PER_TIMESTAMP)])


def _whole(result: Any, tokens: list[int]) -> _Whole:
    return _Whole([tokens], result.scores, result.no_speech_prob)


def _rest(tokens: Sequence[int], first_timestamp: int) -> int:
    """Where the text after which a window goes on ends, in timestamps; 0 if it is all.

    The model says the beginning of a segment, and then nothing.
    """
    goes_on = len(tokens) > 1 and min(tokens[-2:]) >= first_timestamp
    return tokens[-1] - first_timestamp if goes_on else 0


def _needed(n_samples: int) -> int:
    """Number of a spectrogram's frames in which so many samples are heard well."""
    return _FEW_FRAMES if n_samples <= _FEW_SAMPLES else _FRAMES


def _with_silence(features: npt.NDArray[np.float32], n_frames: int) -> npt.NDArray[np.float32]:
    """The first frames of a spectrogram, and as quiet ones as its quietest behind them."""
    missing = max(0, n_frames - features.shape[1])
    padding = ((0, 0), (0, missing))
    return np.pad(features[:, :n_frames], padding, constant_values=features.min())


def _failed(found: Any, options: Any, entropy_threshold: float) -> bool:
    """Whether a decoding has to be tried at another temperature, as whisper.cpp decides."""
    result, log_probability = found[:2]
    unsure = log_probability < options.log_prob_threshold
    if unsure and result.no_speech_prob > options.no_speech_threshold:
        return False  # nobody speaks
    return unsure or _loops(result.sequences_ids[0], entropy_threshold)


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
