"""The promises of a decoder; each class is about one of ``docs/decoders.md``.

The recordings are written by these tests, in formats of the web, of recorders and of films. A
decoder may read few of them, or none if ``--media`` names one that it reads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from whisperctl.audio.decoders import CONTRACT, Decoder, Media
from whisperctl.audio.decoders.registry import DECODERS
from whisperctl.audio.source import Source, open_source
from whisperctl.errors import AudioError, UnsupportedMediaError
from whisperctl.testing.plugin import PLUGIN

Samples = NDArray[np.float32]

_RATE = 48_000
_SECONDS = 3
_TONES_HZ = (440, 1000)
_MOST_SAMPLES = 1 << 20
_QUICK_S = 1.0
_CODECS = {"mkv": "pcm_s16le", "m4a": "aac", "mp3": "libmp3lame", "opus": "libopus", "flac": "flac"}
FORMATS = ("wav", *_CODECS)

_COMPILED = """
import importlib, sys, sysconfig
importlib.import_module(sys.argv[1])
own = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
files = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
print(*sorted({
    file for file in files
    if file.endswith((".so", ".pyd")) and (not file.startswith(own) or "-packages" in file)
}))
"""


@pytest.fixture(scope="session")
def decoder(request: pytest.FixtureRequest) -> Decoder:
    """The decoder under test."""
    found = request.config.stash.get(PLUGIN, None)
    if found is None:
        raise pytest.UsageError(
            "run these tests with: pytest -p whisperctl.testing.plugin "
            "--pyargs whisperctl.testing --decoder NAME"
        )
    return cast(Decoder, found)


@pytest.fixture(scope="session")
def name(request: pytest.FixtureRequest) -> str:
    """Name of its entry point."""
    return str(request.config.getoption("--decoder"))


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session", params=[*FORMATS, "media"])
def recording(request: pytest.FixtureRequest, decoder: Decoder, folder: Path) -> Path:
    """A recording that the decoder reads: a tone on the left, another on the right."""
    if request.param == "media":
        path = _named(request.config)
    else:
        path = folder / f"stereo.{request.param}"
        if not path.exists():
            write(path, stereo())
    with source_of(path) as source:
        try:
            decoder.open(source).close()
        except UnsupportedMediaError as error:
            pytest.skip(f"not read, as it may: {error}")
    return path


@pytest.fixture(scope="session")
def whole(decoder: Decoder, recording: Path) -> tuple[Samples, int, list[str]]:
    """The recording decoded: samples of shape (n_samples, n_channels), rate, warnings."""
    return decoded(decoder, recording)


def _named(config: pytest.Config) -> Path:
    name = config.getoption("--media")
    if not name:
        pytest.skip("no recording is named by --media")
    return Path(str(name)).absolute()


class source_of:
    """A recording's source, open within a ``with`` block, at some place in the midst."""

    def __init__(self, path: Path) -> None:
        self._source = open_source(path)

    def __enter__(self) -> Source:
        os.lseek(self._source.descriptor, self._source.size_bytes // 2, os.SEEK_SET)
        return self._source

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # a decoder may have closed it, which a test of its own is about
            self._source.file.close()


def stereo() -> Samples:
    """Two tones that fade, so that no moment is like another; shape (2, n_samples)."""
    at_s = np.arange(_SECONDS * _RATE) / _RATE
    fade = np.linspace(0.1, 0.6, len(at_s))
    return np.stack([fade * np.sin(2 * np.pi * hz * at_s) for hz in _TONES_HZ]).astype(np.float32)


def write(path: Path, *tracks: Samples, languages: tuple[str, ...] = ()) -> None:
    """Write tracks of shape (n_channels, n_samples) in the format that the name says."""
    if path.suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setnchannels(len(tracks[0]))
            file.setsampwidth(2)
            file.setframerate(_RATE)
            file.writeframes((tracks[0].T * 32767).astype("<i2").tobytes())
        return
    import av
    from av.stream import Disposition

    with av.open(str(path), "w") as container:
        codec = _CODECS[path.suffix[1:]]
        layouts = ["stereo" if len(track) == 2 else "mono" for track in tracks]
        streams = [cast(Any, container.add_stream(codec, _RATE, layout=one)) for one in layouts]
        for number, stream in enumerate(streams):
            stream.disposition = Disposition.default if number == 1 else Disposition(0)
            if languages:
                stream.metadata["language"] = languages[number]
                stream.metadata["title"] = f"title {number + 1}"
        for stream, track, layout in zip(streams, tracks, layouts, strict=True):
            packed = np.ascontiguousarray(track.T).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, "flt", layout)
            frame.sample_rate = _RATE
            context = stream.codec_context
            resampler = av.AudioResampler(
                context.format.name, layout, _RATE, context.frame_size or 1024
            )
            for part in [*resampler.resample(frame), *resampler.resample(None), None]:
                container.mux(stream.encode(part))


def decoded(decoder: Decoder, path: Path, track: int = 1) -> tuple[Samples, int, list[str]]:
    """All samples, their rate, and the warnings."""
    with source_of(path) as source, closing(decoder.open(source)) as media:
        media.probe()
        blocks = list(media.blocks(track))
        (rate,) = {rate for rate, _ in blocks}
        return np.concatenate([block for _, block in blocks]), rate, list(media.warnings)


def attempt(decoder: Decoder, path: Path) -> list[str]:
    """The warnings about a damaged recording, or its one line of error."""
    warnings: list[str] = []
    n_samples = 0
    try:
        with source_of(path) as source, closing(decoder.open(source)) as media:
            try:
                for track in media.probe().tracks[:1]:
                    for _, block in media.blocks(track.number):
                        n_samples += len(block)
            finally:
                warnings += media.warnings
    except AudioError as error:
        assert str(error).strip() and "\n" not in str(error), "an error is one line"
        assert path.name in str(error), "an error names the recording, by source.label"
        warnings.append(str(error))
    # whisperctl says of a recording without a sample that it contains no audio.
    return warnings if n_samples else [*warnings, "contains no audio"]


def loudest_hz(samples: Samples, rate: int) -> float:
    """Frequency of the loudest tone in one channel."""
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


class TestDescription:
    """Promise 1. Description.

    The class that the entry point names is called without arguments. `name` is the entry point's,
    `contract` the number that whisperctl has, `preference` a whole number; `sandboxed`, if it has
    that, is true or false. `describe` never raises and is quick: it imports no library, and says in
    `problem` what is missing. The module that the entry point names imports no compiled code;
    `open` does.
    """

    def test_it_says_what_it_is(self, decoder: Decoder, name: str) -> None:
        info = decoder.describe()

        assert decoder.name == name, "the decoder's name is the entry point's name"
        assert info.name == name, "describe().name is the entry point's name"
        assert decoder.contract == CONTRACT
        assert type(decoder.preference) is int
        assert type(getattr(decoder, "sandboxed", False)) is bool
        assert info.version and info.library, "version of the decoder, and of what it decodes with"
        assert "\n" not in info.version + info.library, "each is part of one line"
        assert info.problem is None, "nothing can be tested where it does not work"

    def test_describing_it_is_quick(self, decoder: Decoder) -> None:
        started = time.monotonic()
        decoder.describe()
        assert time.monotonic() - started < _QUICK_S

    def test_importing_it_loads_no_library(self, name: str) -> None:
        module = DECODERS.installed()[name].module

        done = subprocess.run(
            [sys.executable, "-c", _COMPILED, module], capture_output=True, text=True, check=False
        )

        assert done.returncode == 0, done.stderr
        assert done.stdout.split() == [], f"import these inside open(), not in {module}"


class TestOpening:
    """Promise 2. Opening.

    `open` takes a file that is open for reading, whatever its position. The content decides what it
    is, never its name. A kind of file that the decoder does not read is an `UnsupportedMediaError`,
    so that another is asked; what is damaged or empty is an `AudioError`. A file that names others,
    such as a playlist, opens none of them.
    """

    def test_some_recording_is_read(
        self, decoder: Decoder, folder: Path, request: pytest.FixtureRequest
    ) -> None:
        if request.config.getoption("--media"):
            return
        for name in FORMATS:
            path = folder / f"stereo.{name}"
            if not path.exists():
                write(path, stereo())
            with source_of(path) as source:
                try:
                    decoder.open(source).close()
                except UnsupportedMediaError:
                    continue
                return
        pytest.fail(f"it reads none of {', '.join(FORMATS)}: name one that it reads by --media")

    def test_the_name_does_not_matter(
        self,
        decoder: Decoder,
        recording: Path,
        whole: tuple[Samples, int, list[str]],
        tmp_path: Path,
    ) -> None:
        renamed = tmp_path / "concat:a.txt"
        renamed.write_bytes(recording.read_bytes())

        np.testing.assert_array_equal(decoded(decoder, renamed)[0], whole[0])

    @pytest.mark.parametrize("kind", ["text", "noise", "zeros", "playlist", "list"])
    def test_what_is_no_recording_is_one_line(
        self, decoder: Decoder, tmp_path: Path, kind: str
    ) -> None:
        other = tmp_path / "other.wav"
        write(other, stereo())
        path = tmp_path / "a.bin"
        path.write_bytes(
            {
                "text": b"This is no recording. " * 500,
                "noise": np.random.default_rng(1).bytes(20_000),
                "zeros": bytes(20_000),
                "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n"
                + os.fsencode(other)
                + b"\n#EXT-X-ENDLIST\n",
                "list": b"ffconcat version 1.0\nfile '" + os.fsencode(other) + b"'\n",
            }[kind]
        )

        assert attempt(decoder, path), "it is an error, and no recording without a sample"


class TestProbe:
    """Promise 3. Probe.

    `probe` names the container and the audio tracks, numbered from 1, with the codec, sample rate
    and channels that `blocks` then gives, and language, title and default as the file states them.
    `stated_s` is what a header says, or `None`; `expected_s` may be a guess.
    """

    def test_it_tells_of_the_tracks_what_is_then_decoded(
        self, decoder: Decoder, recording: Path
    ) -> None:
        with source_of(recording) as source, closing(decoder.open(source)) as media:
            info = media.probe()
            first = info.tracks[0]
            rate, block = next(iter(media.blocks(first.number)))

        assert info.container
        assert [track.number for track in info.tracks] == list(range(1, len(info.tracks) + 1))
        assert first.codec
        assert (first.sample_rate, first.channels) == (rate, block.shape[1])

    def test_durations_are_in_seconds(
        self, decoder: Decoder, recording: Path, whole: tuple[Samples, int, list[str]]
    ) -> None:
        with source_of(recording) as source, closing(decoder.open(source)) as media:
            info = media.probe()
        samples, rate, _ = whole

        for said_s in (info.tracks[0].stated_s, info.expected_s):
            assert said_s is None or said_s == pytest.approx(len(samples) / rate, abs=0.2)

    def test_of_several_tracks_each_is_told_and_can_be_decoded(
        self, decoder: Decoder, folder: Path
    ) -> None:
        path = folder / "film.mkv"
        left, right = stereo()[:, np.newaxis]
        write(path, left, right, languages=("eng", "ger"))
        with source_of(path) as source:
            try:
                media = decoder.open(source)
            except UnsupportedMediaError as error:
                pytest.skip(f"not read, as it may: {error}")
            with closing(media):
                one, two = media.probe().tracks

        assert (one.language, one.title, one.default) == ("eng", "title 1", False)
        assert (two.language, two.title, two.default) == ("ger", "title 2", True)
        for number, hz in enumerate(_TONES_HZ, 1):
            samples, rate, _ = decoded(decoder, path, number)
            assert loudest_hz(samples[:, 0], rate) == pytest.approx(hz, abs=2)


class TestSamples:
    """Promise 4. Samples.

    `blocks` gives float32 of shape (n_samples, n_channels), with full scale at 1, at the rate of
    the recording: neither mixed nor resampled. Blocks are small, whatever the recording: memory
    does not grow with its length. A sample's place is its time, from the start of the recording;
    silence stands in for what is missing. Decoded twice, a recording is the same.
    """

    def test_their_type_shape_and_size(self, decoder: Decoder, recording: Path) -> None:
        with source_of(recording) as source, closing(decoder.open(source)) as media:
            media.probe()
            for rate, block in media.blocks(1):
                assert isinstance(rate, int)
                assert block.dtype == np.float32
                assert block.ndim == 2
                assert 0 < len(block) <= _MOST_SAMPLES

    def test_channels_are_kept_apart_and_in_time(
        self, recording: Path, whole: tuple[Samples, int, list[str]]
    ) -> None:
        if not recording.name.startswith("stereo."):
            pytest.skip("of somebody else's recording nothing is known")
        samples, rate, warnings = whole

        assert samples.shape[1] == 2
        assert len(samples) / rate == pytest.approx(_SECONDS, abs=0.1)
        for channel, hz in enumerate(_TONES_HZ):
            assert loudest_hz(samples[:, channel], rate) == pytest.approx(hz, abs=2)
        middle = samples[rate : 2 * rate, 0]
        expected = 0.35 / np.sqrt(2)
        assert float(np.sqrt(np.mean(middle**2))) == pytest.approx(expected, rel=0.1), (
            "full scale is 1"
        )
        assert warnings == [], "nothing is wrong with it"

    def test_twice_they_are_the_same(
        self, decoder: Decoder, recording: Path, whole: tuple[Samples, int, list[str]]
    ) -> None:
        np.testing.assert_array_equal(decoded(decoder, recording)[0], whole[0])


class TestDamage:
    """Promise 5. Damage.

    A recording that is cut short or damaged gives what can be read of it, and a warning or an
    `AudioError` of one line that names the recording; never another exception, nor an end of the
    process. Each of `warnings` is the rest of a sentence that begins with the recording's name.
    Nothing is printed.
    """

    def test_a_recording_cut_short_is_noticed(
        self, decoder: Decoder, recording: Path, tmp_path: Path
    ) -> None:
        if recording.suffix not in (".wav", ".flac", ".m4a", ".mkv"):
            pytest.skip("nothing in it states its length")
        whole = recording.read_bytes()
        path = tmp_path / f"cut{recording.suffix}"
        path.write_bytes(whole[: len(whole) // 2])

        warnings = attempt(decoder, path)

        assert warnings
        assert all("\n" not in warning for warning in warnings)

    @pytest.mark.parametrize("seed", range(5))
    def test_damage_is_no_other_exception_and_nothing_is_printed(
        self,
        decoder: Decoder,
        recording: Path,
        tmp_path: Path,
        seed: int,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        random = np.random.default_rng(seed)
        data = bytearray(recording.read_bytes())
        for at in random.integers(0, len(data), 40):
            data[at] = int(random.integers(256))
        path = tmp_path / f"damaged{recording.suffix}"
        path.write_bytes(data)

        attempt(decoder, path)

        assert capfd.readouterr() == ("", "")


class TestClosing:
    """Promise 6. Closing.

    `close` releases everything but the source, which stays open, and may be called twice, also
    while `blocks` is under way. Recordings that are open at the same time do not disturb each
    other, and none leaves a file open.
    """

    def test_the_source_stays_open_and_is_read_again(
        self, decoder: Decoder, recording: Path
    ) -> None:
        lengths = []
        with source_of(recording) as source:
            for _ in range(2):
                media = decoder.open(source)
                media.probe()
                lengths.append(sum(len(block) for _, block in media.blocks(1)))
                media.close()
                media.close()
                os.fstat(source.descriptor)  # still open
        assert lengths[0] == lengths[1]

    def test_it_can_be_left_in_the_midst(self, decoder: Decoder, recording: Path) -> None:
        before = _open_files()
        for _ in range(3):
            with source_of(recording) as source:
                media = decoder.open(source)
                media.probe()
                blocks: Iterator[Any] = iter(media.blocks(1))
                next(blocks)
                media.close()
                del blocks, media
        assert _open_files() == before

    def test_two_recordings_are_read_at_once(self, decoder: Decoder, recording: Path) -> None:
        with source_of(recording) as first, source_of(recording) as second:
            opened: list[Media] = [decoder.open(first), decoder.open(second)]
            for media in opened:
                media.probe()
            pairs = list(zip(*(media.blocks(1) for media in opened), strict=True))
            for (_, one), (_, two) in pairs:
                np.testing.assert_array_equal(one, two)
            for media in opened:
                media.close()


def _open_files() -> int:
    import psutil

    return psutil.Process().num_fds() if hasattr(psutil.Process, "num_fds") else 0
