"""A backend that fulfils the contract without a model's arithmetic, for tests that need no speech.

It is installed for nobody. A test that wants it has ``install`` name it in an entry point, in a
directory on ``PYTHONPATH``.

It takes any ggml model, such as the tiny one that ``write_model`` makes. Every two seconds of audio
that are not silent are a segment, whose words are drawn by a hash of their samples, the language
and the other options, so that a mix-up of recordings, chunks, prompts or options shows in the text.
The same call always gives the same.

The runtime decides how it works. ``fake`` and ``slow`` do all that is asked; the others go wrong
in the midst of recordings longer than ten seconds, and do shorter ones like ``fake``:

- ``fake`` takes no time.
- ``slow`` takes a tenth of a second for a segment.
- ``fail`` raises ``BackendError``.
- ``crash`` ends the process with SIGSEGV.
- ``hang`` makes no more progress, until it is stopped.
- ``memory`` holds half a gibibyte more, and is slow from then on.

With the runtime ``slow`` it passes the conformance suite but for what needs real speech: the words
of the sample and other scripts (promises 4 to 6), options that a listener notices (promise 10),
and CPU time, as it only waits.
``fake`` is too quick for promise 8: a run has ended before it is interrupted.
"""

from __future__ import annotations

import hashlib
import math
import signal
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from whisperctl import __version__
from whisperctl.engine.protocol import (
    BackendInfo,
    Model,
    OnLanguage,
    OnProgress,
    OnSegment,
    OpenOptions,
    RuntimeInfo,
    SessionResult,
)
from whisperctl.engine.toolkit.handle import Handle
from whisperctl.errors import BackendError, UsageError
from whisperctl.models.ggml.files import reading
from whisperctl.transcript import Segment, SpokenLanguage, Token

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from whisperctl.audio import Audio
    from whisperctl.options import DecodeOptions

RUNTIMES = ("fake", "slow", "fail", "crash", "hang", "memory")

SEGMENT_S = 2.0
"""Length of a segment; the last one of a recording is shorter."""

GOES_WRONG_S = 10.0
"""Length of audio that the failing runtimes transcribe before they fail."""

_SLOW_S = 0.1
_LEAST_S = 0.1
_SILENT = 1e-3
_HELD_BYTES = 2**29
_PROBABILITY = 0.9
_N_WORDS = 4
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]


class FakeBackend:
    """See ``whisperctl.engine.protocol.Backend``."""

    name = "fake"
    contract = 1
    preference = 0

    def describe(self) -> BackendInfo:
        """Say what this backend is; every runtime works everywhere."""
        runtimes = tuple(RuntimeInfo(name, __version__) for name in RUNTIMES)
        return BackendInfo(self.name, __version__, "hashes instead of a model", runtimes)

    def open(self, model: Model, options: OpenOptions) -> FakeSession:
        """Look at a model; see ``whisperctl.engine.protocol.Backend.open``."""
        runtime = options.runtime or RUNTIMES[0]
        if runtime not in RUNTIMES:
            raise BackendError(
                f'backend "fake" has no runtime "{runtime}"; choose from {", ".join(RUNTIMES)}'
            )
        with reading(model.path):
            return FakeSession(model, runtime)


class FakeSession(Handle):
    """A session; see ``whisperctl.engine.protocol.Session``. It computes in the caller's thread."""

    def __init__(self, model: Model, runtime: str) -> None:
        super().__init__("session")
        self._info = model.info
        self._runtime = runtime
        self._stop = threading.Event()
        self._held = b""

    def transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        *,
        on_segment: OnSegment | None = None,
        on_progress: OnProgress | None = None,
        on_language: OnLanguage | None = None,
    ) -> SessionResult:
        """See ``whisperctl.engine.protocol.Session.transcribe``."""
        with self.use():
            return self._transcribe(audio, options, on_segment, on_progress, on_language)

    def _request_stop(self) -> None:
        self._stop.set()

    def _free(self) -> None:
        self._held = b""

    def _transcribe(
        self,
        audio: Audio,
        options: DecodeOptions,
        on_segment: OnSegment | None,
        on_progress: OnProgress | None,
        on_language: OnLanguage | None,
    ) -> SessionResult:
        from whisperctl import languages

        for name in ("suppress_regex", "suppress_nst"):
            if getattr(options, name):
                raise UsageError(f'backend "fake" has no tokens to suppress: leave out {name}')
        language = languages.resolve(
            options.language,
            self._info.multilingual,
            options.task,
            cantonese=self._info.n_languages > 99,
        )
        spoken = SpokenLanguage(language)
        if language == languages.AUTO:
            spoken = SpokenLanguage("en", _PROBABILITY)
        if on_language is not None:
            on_language(spoken)
        segments: list[Segment] = []
        decoding = replace(options, language=spoken.code)
        for segment, end_s in _segments(audio.samples, decoding):
            self._work(end_s)
            if segment is not None:
                segments.append(segment)
                if on_segment is not None:
                    on_segment(segment)
            if on_progress is not None:
                on_progress(min(1.0, end_s / audio.duration_s))
        return SessionResult(tuple(segments), spoken.code, spoken.probability)

    def _work(self, end_s: float) -> None:
        """Take the time, and more, that a segment takes that ends at ``end_s``."""
        goes_wrong = end_s > GOES_WRONG_S
        if goes_wrong and self._runtime == "fail":
            raise BackendError("the fake engine failed, as it was asked to")
        if goes_wrong and self._runtime == "crash":
            signal.raise_signal(signal.SIGSEGV)
        if goes_wrong and self._runtime == "memory" and not self._held:
            self._held = b"1" * _HELD_BYTES
        if goes_wrong and self._runtime == "hang":
            while not self._stop.wait(_SLOW_S):  # in short waits, which Ctrl-C gets in between
                pass
        elif self._runtime == "slow" or self._held:
            self._stop.wait(_SLOW_S)
        self._check_open()


def _segments(
    samples: npt.NDArray[np.float32], options: DecodeOptions
) -> Iterator[tuple[Segment | None, float]]:
    """Each stretch's segment, or none if it is silent or too short, and its end in seconds."""
    import numpy as np

    from whisperctl.audio import SAMPLE_RATE

    n_stretch = round(SEGMENT_S * SAMPLE_RATE)
    first, later = (_key(options, first=first) for first in (True, False))
    for start in range(0, len(samples), n_stretch):
        stretch = samples[start : start + n_stretch]
        start_s, end_s = start / SAMPLE_RATE, (start + len(stretch)) / SAMPLE_RATE
        segment = None
        if len(stretch) >= _LEAST_S * SAMPLE_RATE and np.abs(stretch).max() > _SILENT:
            data = np.rint(np.clip(stretch, -1, 1) * 32767).astype("<i2").tobytes()
            segment = _segment(data, start_s, end_s, later if start else first)
        yield segment, end_s


def _key(options: DecodeOptions, *, first: bool) -> bytes:
    """Key of the hash that draws the words: the options that matter."""
    told = replace(options, word_timestamps=False)
    if options.max_context == 0:
        told = replace(told, initial_prompt="", max_context=None)
    elif not (first or options.carry_initial_prompt):
        told = replace(told, initial_prompt="")
    return hashlib.blake2b(repr(told).encode()).digest()


def _segment(data: bytes, start_s: float, end_s: float, key: bytes) -> Segment:
    drawn = iter(hashlib.blake2b(data, key=key).digest())
    word_s = (end_s - start_s) / _N_WORDS
    tokens = []
    for i in range(_N_WORDS):
        number = next(drawn) * 256 + next(drawn)
        word = "".join(_SYLLABLES[n % len(_SYLLABLES)] for n in (number, next(drawn)))
        end = "." if i == _N_WORDS - 1 else ""
        token_s = start_s + i * word_s
        tokens.append(
            Token(
                number % 256,
                f" {word}{end}".encode(),
                0.5 + next(drawn) / 512,
                token_s,
                token_s + word_s,
            )
        )
    text = b"".join(token.data for token in tokens).decode()
    return Segment(start_s, end_s, text, tuple(tokens), no_speech_probability=0.0)


def install(folder: Path) -> None:
    """Have this backend found where a directory is in ``sys.path``, or in ``PYTHONPATH``."""
    record = folder / "whisperctl_fake-1.dist-info"
    record.mkdir()
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: whisperctl-fake\nVersion: 1\n")
    (record / "entry_points.txt").write_text(
        "[whisperctl.backends]\nfake = whisperctl.testing.fake:FakeBackend\n"
    )


def write_model(
    path: Path,
    *,
    multilingual: bool = False,
    says: Sequence[bytes | float] = (),
    certain: bool = False,
) -> Path:
    """Write a ggml model of one narrow layer: well-formed, 2 MB, and deaf.

    Its text tokens are bytes and pairs of bytes. Attention and layers do nothing, so it depends on
    the position alone which token comes next: real engines hear the same in every window, in a
    small part of the time that tiny takes.

    Args:
        path: the file to write.
        multilingual: whether it claims to know other languages than English.
        says: what it says at the end of a prompt without any text before: bytes, each a token, and
            numbers, which are timestamps in seconds. Then comes the end of the text. By default the
            weights are zero.
        certain: whether all other tokens have no chance at all, not even a small one.

    Returns:
        ``path``.
    """
    import numpy as np

    from whisperctl.models.ct2 import END_OF_TEXT
    from whisperctl.models.ggml import layout

    n_text = 50257 - (not multilingual)
    tokens = _token_ids(says, n_text) if says else []
    each = sorted(set(tokens))
    state = max(16, (2 * len(each) + 15) // 16 * 16)
    n_vocab = layout.FIRST_MULTILINGUAL_VOCAB - (not multilingual)
    parameters = layout.Hyperparameters(n_vocab, 1500, state, 1, 1, 448, state, 1, 1, 80, 1)

    # What the last norm lets through is mean-free, so each token has a direction of two numbers.
    # Others keep a chance that is not rounded to zero: whisper.cpp compares those of timestamps.
    sure = 20 / math.sqrt(state)
    embedding = np.zeros((n_vocab, state), np.float16)
    for i, token in enumerate(each):
        embedding[token, [i, i + state // 2]] = sure, -sure
    # The position outweighs the token that is there. An English model's prompt is one token.
    positions = np.zeros((parameters.n_text_ctx, state), np.float32)
    first = 2 if multilingual else 0
    positions[first : first + len(tokens)] = 10 * embedding[tokens].astype(np.float32)
    written: dict[str, npt.NDArray[np.generic]] = {
        "decoder.positional_embedding": positions,
        "decoder.token_embedding.weight": embedding,
        "decoder.ln.weight": np.full(state, bool(tokens) * (4 if certain else 1), np.float32),
    }
    # As published: the last text token of multilingual ones is empty, and English ones have an end.
    texts = [bytes([byte]) for byte in range(256)] + [bytes(divmod(i, 256)) for i in range(50000)]
    texts.append(b"" if multilingual else END_OF_TEXT.encode())
    with path.open("wb") as out:
        out.write(struct.pack("<I", layout.MAGIC) + parameters.pack())
        out.write(struct.pack("<2i", parameters.n_mels, layout.N_FFT))
        out.write(bytes(4 * parameters.n_mels * layout.N_FFT))
        out.write(struct.pack("<i", len(texts)))
        for text in texts:
            out.write(struct.pack("<i", len(text)) + text)
        for spec in layout.tensors(parameters):
            name = spec.name.encode()
            kind = spec.type_in(parameters)
            out.write(struct.pack("<3i", len(spec.dims), len(name), kind.id))
            out.write(struct.pack(f"<{len(spec.dims)}i", *spec.dims) + name)
            values = written.get(spec.name)
            out.write(bytes(spec.n_bytes(parameters)) if values is None else values.tobytes())
    return path


def _token_ids(says: Sequence[bytes | float], n_text: int) -> list[int]:
    """Tokens of what a model says, and the end of the text."""
    # After the text: its end, the start, 99 languages, and six more before the times.
    first_time = n_text + 2 + 99 + 6
    ids: list[int] = []
    for part in says:
        ids += list(part) if isinstance(part, bytes) else [first_time + round(part / 0.02)]
    return [*ids, n_text]
