"""faster-whisper with real speech and a real model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faster_whisper import WhisperModel

from whisperctl import audio as audio_files
from whisperctl.audio import Audio
from whisperctl.engine import registry
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.engine.session import HostSession
from whisperctl.engine.toolkit.words import words_of
from whisperctl.errors import BackendError, ModelError, UsageError
from whisperctl.models import store
from whisperctl.models.quantize import quantize
from whisperctl.options import DecodeOptions
from whisperctl.transcript import PHASES, Segment
from whisperctl_faster_whisper import FasterWhisperBackend, listening, loaded_model, suppression
from whisperctl_faster_whisper.session import FasterWhisperSession

GREEDY = DecodeOptions(language="en", beam_size=1, temperature_increment=0.0)
SPOKEN = "ask not what your country can do for you"


@pytest.fixture(scope="module")
def tiny_en() -> Path:
    return store.resolve("tiny.en").absolute()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("WHISPERCTL_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def jfk() -> Audio:
    # In this process: the cache of these tests has no machine code of the sandbox's decoder.
    sample = Path(__file__).parents[3] / "samples" / "jfk.wav"
    return audio_files.load(sample, decoder="soundfile")


@pytest.fixture(scope="module")
def two_windows(jfk: Audio) -> Audio:
    return Audio(np.tile(jfk.samples, 3), "two windows")


@pytest.fixture(scope="module")
def session(tiny_en: Path, cache: Path) -> Iterator[FasterWhisperSession]:
    with FasterWhisperBackend().open(Model.inspect(tiny_en), OpenOptions(1)) as opened:
        yield opened


def words(text: str) -> str:
    return " ".join("".join(c for c in text.lower() if c.isalpha() or c == " ").split())


LOADED = """
import sys
from pathlib import Path
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl_faster_whisper import FasterWhisperBackend
FasterWhisperBackend().open(Model.inspect(Path(sys.argv[1])), OpenOptions(1)).close()
with open("/proc/self/maps") as maps:
    print(sorted({line.split("/")[-1] for line in maps if "libav" in line}))
import av, faster_whisper.audio
assert faster_whisper.audio.av.open is av.open
print(av.codec.Codec("aac", "r").name)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks at what is mapped")
def test_ffmpeg_is_loaded_only_by_who_uses_it(tiny_en: Path, cache: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, str(tiny_en)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["[]", "aac"]


@pytest.mark.slow
def test_transcribes_speech(session: FasterWhisperSession, jfk: Audio, tiny_en: Path) -> None:
    streamed: list[Segment] = []
    progress: list[float] = []
    threads: set[threading.Thread] = set()

    def on_segment(segment: Segment) -> None:
        streamed.append(segment)
        threads.add(threading.current_thread())

    transcript = session.transcribe(jfk, GREEDY, on_segment=on_segment, on_progress=progress.append)

    assert SPOKEN in words(transcript.text)
    assert transcript.segments == tuple(streamed)
    assert threads == {threading.current_thread()}
    assert (progress[0], progress[-1]) == (0.0, 1.0)
    assert (transcript.language, transcript.language_probability) == ("en", None)
    assert "CTranslate2" in transcript.system_info
    assert transcript.phases["decode"].runs > 20  # tokens
    for segment in transcript.segments:
        assert b"".join(token.data for token in segment.tokens).decode() == segment.text
        assert all(0 < token.probability <= 1 for token in segment.tokens)
        assert 0 <= segment.start_s < segment.end_s <= jfk.duration_s
        assert segment.temperature == 0.0
        assert segment.no_speech_probability is not None


@pytest.mark.slow
def test_its_tokens_are_whisper_cpps(
    session: FasterWhisperSession, jfk: Audio, tiny_en: Path
) -> None:
    with registry.open_session(registry.Engine("native"), tiny_en, threads=1) as native:
        segments = native.transcribe(jfk, GREEDY).segments

    assert session._loaded is not None
    encode = session._loaded.hf_tokenizer.encode
    for segment in segments:
        assert encode(segment.text, add_special_tokens=False).ids == [t.id for t in segment.tokens]
        assert all(session._text[t.id] == t.data for t in segment.tokens)


@pytest.mark.slow
def test_the_time_of_each_phase_is_of_this_run(session: FasterWhisperSession, jfk: Audio) -> None:
    timings = HostSession(session).transcribe(jfk, replace(GREEDY, beam_size=2)).timings
    phases = timings.phases

    assert set(phases) == {"load", "mel", "encode", "batchd", "total"}
    assert list(phases) == [name for name in PHASES if name in phases]
    assert phases["encode"].runs == 1
    assert phases["batchd"].runs > 20  # tokens
    parts_ms = sum(phases[name].total_ms for name in ("mel", "encode", "batchd"))
    assert 0 < parts_ms <= phases["total"].total_ms <= timings.wall_ms
    assert timings.peak_memory_bytes is not None


@pytest.mark.slow
def test_word_timestamps_give_tokens_times(session: FasterWhisperSession, jfk: Audio) -> None:
    transcript = session.transcribe(jfk, replace(GREEDY, word_timestamps=True))

    assert transcript.phases["prompt"].runs > 20
    last_s = 0.0
    for segment in transcript.segments:
        for token in segment.tokens:
            assert token.start_s is not None
            assert token.end_s is not None
            assert last_s - 1e-3 <= token.start_s <= token.end_s <= jfk.duration_s
            last_s = token.end_s
        assert "".join(word.text for word in words_of(segment, "en")) == segment.text
    found = {w.text.strip(): w for s in transcript.segments for w in words_of(s, "en")}
    # When "Americans" is spoken, seen in the waveform.
    assert 1.5 < found["Americans"].start_s < found["Americans"].end_s < 2.6
    assert len({token.probability for s in transcript.segments for token in s.tokens}) > 10


@pytest.mark.slow
def test_a_prompt_that_spells_special_tokens_is_text(
    session: FasterWhisperSession, jfk: Audio
) -> None:
    marked = replace(GREEDY, initial_prompt="<|endoftext|><|startoftranscript|> hello <|0.00|>")

    assert "fellow Americans" in session.transcribe(jfk, marked).text


@pytest.fixture(scope="module")
def first_window() -> list[object]:
    """What was decoded of it, once for all options, as they are about what comes before it."""
    return []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        ({}, [], "text"),
        ({"initial_prompt": "So"}, ["So"], "So+text"),
        ({"initial_prompt": "So", "condition_on_previous_text": False}, ["So"], []),
        ({"initial_prompt": "So", "carry_initial_prompt": True, "max_context": 4}, ["So"], 3),
        (
            {
                "initial_prompt": "So",
                "carry_initial_prompt": True,
                "condition_on_previous_text": False,
            },
            ["So"],
            ["So"],
        ),
        ({"max_context": 6}, [], 5),
        ({"max_context": 0, "batch_size": 1}, [], []),
    ],
)
def test_each_window_gets_the_text_that_was_asked_for(
    session: FasterWhisperSession,
    two_windows: Audio,
    first_window: list[object],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    first: object,
    second: object,
) -> None:
    prompts: list[list[str]] = []

    class Enough(Exception):
        pass

    def watched(
        self: loaded_model.LoadedModel, output: object, prompt: list[int], *rest: object
    ) -> object:
        marked = [self.hf_tokenizer.id_to_token(i).removeprefix("Ġ") for i in prompt]
        assert marked[-1] == "<|startoftranscript|>"
        assert len(marked) == 1 or marked[0] == "<|startofprev|>"
        prompts.append(marked[1:-1])
        if len(prompts) == 2:
            raise Enough
        if not first_window:
            first_window.append(generate(self, output, prompt, *rest))
        return first_window[0]

    generate = WhisperModel.generate_with_fallback
    if first_window:
        monkeypatch.setattr(WhisperModel, "encode", lambda self, features: None)
    monkeypatch.setattr(WhisperModel, "generate_with_fallback", watched)
    with pytest.raises(Enough):
        session.transcribe(two_windows, replace(GREEDY, **options))  # type: ignore[arg-type]  # a row of the table

    assert prompts[0] == first
    if isinstance(second, int):
        assert len(prompts[1]) == second
        assert prompts[1][:1] == ["So"] or "carry_initial_prompt" not in options
    elif isinstance(second, str):
        assert "country" in prompts[1]
        assert (prompts[1][0] == "So") == second.startswith("So+")
    else:
        assert prompts[1] == second


@pytest.mark.slow
def test_what_is_suppressed_is_not_decoded(session: FasterWhisperSession, jfk: Audio) -> None:
    transcript = session.transcribe(
        jfk, replace(GREEDY, suppress_nst=True, suppress_regex=" ?[Cc]ountry")
    )

    assert "my fellow" in words(transcript.text)
    assert "country" not in words(transcript.text)


@pytest.mark.parametrize(
    ("pattern", "tokens"),
    [
        (".*a.*", [" a", "ab", "[a]"]),
        (" ?a", [" a"]),
        ("[[:alpha:]]+", ["ab", "B"]),
        (r"[^\w\s]|\[.*", ["[a]", "!"]),
        (r"\W{2}$", ["&&", "é"]),
        ("[&-B]b?|é", ["B", "é"]),
        ("(?!a)[a-z]*b", []),
        (r"\x42", ["B"]),
        ("[|&]+", ["&&"]),
        (".", ["!", "B"]),
    ],
)
def test_expressions_are_read_as_whisper_cpp_reads_them(pattern: str, tokens: list[str]) -> None:
    known = [" a", "ab", "[a]", "!", "&&", "B", "\n", "é"]

    found = suppression.matching(pattern, [token.encode() for token in known])

    assert [known[i] for i in found] == tokens


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "what"),
    [
        (DecodeOptions(language="de"), "is English-only"),
        (DecodeOptions(task="translate"), "cannot translate"),
        (DecodeOptions(suppress_regex="("), "not closed"),
        (DecodeOptions(initial_prompt="\ud800"), "UTF-8"),
    ],
)
def test_options_that_cannot_be_are_refused(
    session: FasterWhisperSession, jfk: Audio, options: DecodeOptions, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        session.transcribe(jfk, options)


def test_temperatures_rise_as_in_whisper_cpp() -> None:
    assert listening._temperatures(0.0, 0.2) == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert listening._temperatures(0.5, 0.3) == pytest.approx([0.5, 0.8])
    assert listening._temperatures(0.3, 0.0) == [0.3]
    assert listening._temperatures(1.0, 0.2) == [1.0]


def test_a_loop_is_told_by_its_entropy() -> None:
    assert loaded_model._loops([1, 2, 3] * 20, 2.4)
    assert not loaded_model._loops([1, 2, 3] * 10, 2.4)  # too short to tell
    assert not loaded_model._loops(list(range(60)), 2.4)
    assert not loaded_model._loops([1, 2, 3] * 20, 1.0)


@pytest.mark.slow
def test_a_window_that_fails_is_decoded_again_hotter_and_draws_the_same_each_time(
    session: FasterWhisperSession, jfk: Audio
) -> None:
    clip = Audio(jfk.samples[: 4 * 16_000], "clip")
    failing = DecodeOptions(
        language="en",
        beam_size=1,
        best_of=2,
        logprob_threshold=5.0,
        temperature_increment=1.0,
        no_speech_threshold=1.0,
    )
    sampling = replace(GREEDY, temperature=0.9, best_of=2)

    tried = session.transcribe(clip, failing)
    drawn = [session.transcribe(clip, sampling).segments for _ in range(2)]

    assert {"decode", "batchd"} <= set(tried.phases)  # at 0, and at 1
    assert drawn[0] == drawn[1]
    assert drawn[0][0].temperature == 0.9


@pytest.mark.slow
def test_closing_from_a_callback_ends_the_run(tiny_en: Path, cache: Path, jfk: Audio) -> None:
    session = FasterWhisperBackend().open(Model.inspect(tiny_en), OpenOptions(1))

    with pytest.raises(BackendError, match="session was closed"):
        session.transcribe(jfk, GREEDY, on_progress=lambda _: session.close())
    with pytest.raises(BackendError, match="session is already closed"):
        session.transcribe(jfk, GREEDY)


INTERRUPTED = """
import sys, time
from pathlib import Path
import numpy as np
from whisperctl.audio import Audio
from whisperctl.options import DecodeOptions
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl_faster_whisper import FasterWhisperBackend
from whisperctl_faster_whisper.loaded_model import LoadedModel

encode = LoadedModel.__mro__[1].encode
def slowly(self, features):  # as a large model does
    print("go", flush=True)
    for _ in range(3):
        encoded = encode(self, features)
    return encoded
LoadedModel.__mro__[1].encode = slowly

audio = Audio(np.zeros(16_000 * 60, np.float32), "silence")
session = FasterWhisperBackend().open(Model.inspect(Path(sys.argv[1])), OpenOptions(1))
try:
    session.transcribe(audio, DecodeOptions(language="en"))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.slow
def test_ctrl_c_does_not_wait_for_what_cannot_be_stopped(tiny_en: Path, cache: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", INTERRUPTED, tiny_en],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(0.1)
        sent = time.perf_counter()
        os.kill(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n"
        assert time.perf_counter() - sent < 1.0
        # The end of the process does, or it would crash.
        _, error = process.communicate(timeout=60)

    assert (process.returncode, error) == (0, "")


@pytest.mark.slow
def test_int8_and_a_quantized_model_are_understood_as_well(
    tiny_en: Path, cache: Path, jfk: Audio, tmp_path: Path
) -> None:
    (tmp_path / tiny_en.name).symlink_to(tiny_en)
    made = quantize("tiny.en", "q5_1", registry.open_quantizer, store=store.Store(tmp_path))
    with FasterWhisperBackend().open(Model.inspect(made.path), OpenOptions(2, "int8")) as session:
        transcript = session.transcribe(jfk, GREEDY)

    assert SPOKEN in words(transcript.text)
    assert transcript.system_info.endswith("int8")


@pytest.mark.slow
def test_what_is_damaged_in_the_cache_is_said(
    session: FasterWhisperSession, tiny_en: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "model"
    broken.mkdir()
    for file in session._directory.iterdir():
        (broken / file.name).write_bytes(file.read_bytes()[:100_000])
    monkeypatch.setattr("whisperctl_faster_whisper.cache.converted", lambda *_: broken)

    with pytest.raises(ModelError, match=r"refused what it was converted to.*remove"):
        FasterWhisperBackend().open(Model.inspect(tiny_en), OpenOptions(1))


def test_what_is_no_model_is_refused_before_anything_is_converted(
    tmp_path: Path, cache: Path, tiny_en: Path
) -> None:
    cut = tmp_path / "cut.bin"
    with tiny_en.open("rb") as file:
        cut.write_bytes(file.read(1_000_000))

    with pytest.raises(ModelError, match="truncated"):
        registry.open_session(registry.Engine("faster-whisper"), cut, threads=1)
    # One that became what it is after it was checked.
    info = Model.inspect(tiny_en).info
    with pytest.raises(ModelError, match=r"cut\.bin"):
        FasterWhisperBackend().open(Model(cut, info), OpenOptions(1))
    with pytest.raises(ModelError, match="does not exist"):
        FasterWhisperBackend().open(Model(tmp_path / "none.bin", info), OpenOptions(1))
