"""Filters that come with whisperctl: gain, highpass, lowpass, normalize, trim.

All but gain and trim are FFmpeg's, through PyAV, which is loaded when one of them is opened. FFmpeg
filters one channel at a time here, so that speakers on separate channels are treated separately.
Another package may replace any of them, see ``registry.FILTERS``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, ClassVar

from whisperctl.audio.filters import AudioFormat, FilterInfo, Parameter, Processor
from whisperctl.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.audio.filters import Block

_SETTLED_S = 3.2
"""A recording shorter than this is measured by FFmpeg's loudnorm as a whole."""

_MEASURABLE_S = 0.4
"""Length of the blocks that EBU R128 measures; nothing shorter has a loudness."""

_AUDIBLE = 10 ** (-70 / 20)
"""Level of EBU R128's absolute gate: what is quieter has no loudness."""


class Gain:
    """Amplification by a constant factor."""

    name = "gain"
    contract = 1

    def describe(self) -> FilterInfo:
        """See ``Filter.describe``."""
        return FilterInfo(
            summary="Amplify or attenuate.",
            version="1",
            parameters=(
                Parameter("db", "float", 0.0, -120.0, 60.0, "dB", "Gain; 6 doubles the amplitude."),
            ),
        )

    def open(self, audio: AudioFormat, values: Mapping[str, Any]) -> Processor:
        """See ``Filter.open``."""
        return _Gain(values["db"])


class _Gain(Processor):
    def __init__(self, db: float) -> None:
        self._factor = 10 ** (db / 20)

    def process(self, block: Block) -> Block:
        import numpy as np

        with np.errstate(over="ignore"):  # the host sees what is not finite
            return block * np.float32(self._factor)


class Trim:
    """Silence at the start and the end."""

    name = "trim"
    contract = 1

    def describe(self) -> FilterInfo:
        """See ``Filter.describe``."""
        return FilterInfo(
            summary="Silence everything before and after a stretch; times stay as they are.",
            version="1",
            parameters=(
                Parameter("start", "float", 0.0, 0.0, 1e7, "s", "Start of the stretch to keep."),
                Parameter(
                    "end",
                    "float",
                    None,
                    0.0,
                    1e7,
                    "s",
                    "End of the stretch; by default, the end of the recording.",
                ),
            ),
        )

    def open(self, audio: AudioFormat, values: Mapping[str, Any]) -> Processor:
        """See ``Filter.open``."""
        start_s, end_s = values["start"], values["end"]
        if end_s is not None and end_s <= start_s:
            raise UsageError(
                f'filter "trim": end ({end_s:g} s) must be greater than start ({start_s:g} s)'
            )
        return _Trim(start_s, math.inf if end_s is None else end_s, audio.sample_rate_hz)


class _Trim(Processor):
    def __init__(self, start_s: float, end_s: float, rate: int) -> None:
        self.audible_s = (start_s, end_s)
        self._start = round(start_s * rate)
        self._end = None if math.isinf(end_s) else round(end_s * rate)
        self._position = 0

    def process(self, block: Block) -> Block:
        start = max(0, self._start - self._position)
        end = len(block) if self._end is None else max(0, self._end - self._position)
        self._position += len(block)
        if start == 0 and end >= len(block):
            return block
        silenced = block.copy()
        silenced[:start] = 0
        silenced[end:] = 0
        return silenced


class _Pass:
    """A Butterworth filter of second order, 12 dB per octave, from FFmpeg."""

    name: ClassVar[str]
    contract = 1
    _default_hz: ClassVar[float]
    _passes: ClassVar[str]

    def describe(self) -> FilterInfo:
        """See ``Filter.describe``."""
        return FilterInfo(
            summary=f"Attenuate frequencies {self._passes} a cutoff, by 12 dB per octave.",
            version="1",
            parameters=(
                Parameter(
                    "frequency",
                    "float",
                    self._default_hz,
                    1.0,
                    7_999.0,
                    "Hz",
                    "Cutoff, where the level is 3 dB lower.",
                ),
            ),
        )

    def open(self, audio: AudioFormat, values: Mapping[str, Any]) -> Processor:
        """See ``Filter.open``."""
        # In double precision, as a low limit is lost in the rounding errors of floats.
        return _Channels(audio, [(self.name, f"f={values['frequency']!r}:precision=f64")])


class Highpass(_Pass):
    """Attenuation of low frequencies, such as rumble and hum."""

    name = "highpass"
    _default_hz = 80.0
    _passes = "below"


class Lowpass(_Pass):
    """Attenuation of high frequencies, such as hiss."""

    name = "lowpass"
    _default_hz = 7_000.0
    _passes = "above"


class Normalize:
    """Loudness normalization by EBU R128, with FFmpeg's loudnorm in a single pass."""

    name = "normalize"
    contract = 1

    def describe(self) -> FilterInfo:
        """See ``Filter.describe``."""
        return FilterInfo(
            summary="Normalize loudness by EBU R128, continuously and with limited peaks.",
            version="1",
            parameters=(
                Parameter("target", "float", -23.0, -70.0, -5.0, "LUFS", "Integrated loudness."),
                Parameter("peak", "float", -1.0, -9.0, 0.0, "dBTP", "Maximum true peak."),
            ),
        )

    def open(self, audio: AudioFormat, values: Mapping[str, Any]) -> Processor:
        """See ``Filter.open``."""
        return _Normalize(audio, values["target"], values["peak"])


class _Graph:
    """A chain of FFmpeg's filters on one channel."""

    def __init__(self, rate: int, filters: Sequence[tuple[str, str]]) -> None:
        import av.filter

        self._rate = rate
        self._position = 0
        self._graph = av.filter.Graph()
        last = self._graph.add_abuffer(
            sample_rate=rate, format="fltp", layout="mono", time_base=Fraction(1, rate)
        )
        shape = f"sample_fmts=fltp:sample_rates={rate}:channel_layouts=mono"
        for name, options in (*filters, ("aformat", shape), ("abuffersink", "")):
            added = self._graph.add(name, options or None)
            last.link_to(added)
            last = added
        self._graph.configure()

    def push(self, samples: NDArray[np.float32] | None) -> Iterator[NDArray[np.float32]]:
        """Filter samples of shape (n_samples,); ``None`` ends the recording."""
        import av
        import numpy as np

        frame = None
        if samples is not None:
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(samples[np.newaxis]), format="fltp", layout="mono"
            )
            frame.sample_rate = self._rate
            frame.time_base = Fraction(1, self._rate)
            frame.pts = self._position
            self._position += len(samples)
        self._graph.push(frame)
        while True:
            try:
                filtered = self._graph.pull()
            except (av.BlockingIOError, av.EOFError):
                return
            assert isinstance(filtered, av.AudioFrame)
            yield filtered.to_ndarray()[0]


class _Channels(Processor):
    """FFmpeg's filters on each channel, which give the same number of samples for each."""

    def __init__(self, audio: AudioFormat, filters: Sequence[tuple[str, str]]) -> None:
        self._graphs = [_Graph(audio.sample_rate_hz, filters) for _ in range(audio.n_channels)]

    def process(self, block: Block) -> Block:
        return self._pushed([block[:, n] for n in range(block.shape[1])])

    def flush(self) -> Block | None:
        return self._pushed([None] * len(self._graphs))

    def close(self) -> None:
        self._graphs = []

    def _pushed(self, channels: Sequence[NDArray[np.float32] | None]) -> Block:
        import numpy as np

        nothing = np.empty(0, np.float32)
        return np.stack(
            [
                np.concatenate([nothing, *graph.push(samples)])
                for graph, samples in zip(self._graphs, channels, strict=True)
            ],
            axis=1,
        )


class _Normalize(_Channels):
    def __init__(self, audio: AudioFormat, target: float, peak: float) -> None:
        super().__init__(audio, [("loudnorm", f"I={target!r}:TP={peak!r}")])
        self._rate = audio.sample_rate_hz
        self._beginning: list[Block] = []
        self._n_in = 0
        self._n_out = 0

    def process(self, block: Block) -> Block:
        self._n_in += len(block)
        if self._n_in <= _SETTLED_S * self._rate:
            self._beginning.append(block.copy())
        else:
            self._beginning = []
        filtered = super().process(block)
        self._n_out += len(filtered)
        return filtered

    def flush(self) -> Block | None:
        import numpy as np

        rest = super().flush()
        if not self._beginning:
            return rest
        # Of a recording too short or too quiet to measure, loudnorm makes noise or NaN.
        whole = np.concatenate(self._beginning)
        measurable = len(whole) >= _MEASURABLE_S * self._rate and np.abs(whole).max() > _AUDIBLE
        return rest if measurable else whole[self._n_out :]
