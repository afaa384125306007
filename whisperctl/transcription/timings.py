"""Adds up where the time of several runs went."""

from __future__ import annotations

from whisperctl.transcript import Phase, Timings


class TimingsSum:
    """What several runs of one session took together."""

    def __init__(self) -> None:
        self._phases: dict[str, Phase] = {}
        self._wall_ms = 0.0
        self._cpu_ms: float | None = 0.0
        self._peak_bytes: int | None = None
        self._last: Timings | None = None

    def add(self, timings: Timings) -> None:
        """Count one more run in."""
        for name, phase in timings.phases.items():
            if name == "load" and self._last is not None and phase == self._last.phases.get(name):
                continue  # to the hundredth of a millisecond: the same loading, told once more
            sofar = self._phases.get(name)
            if sofar is not None:
                phase = Phase(sofar.total_ms + phase.total_ms, sofar.runs + phase.runs)
            self._phases[name] = phase
        self._wall_ms += timings.wall_ms
        if self._cpu_ms is not None:
            # A part that nobody knows leaves the sum unknown.
            self._cpu_ms = None if timings.cpu_ms is None else self._cpu_ms + timings.cpu_ms
        if timings.peak_memory_bytes is not None:
            self._peak_bytes = max(self._peak_bytes or 0, timings.peak_memory_bytes)
        if timings.phases:  # a run that was stopped has no phases
            self._last = timings

    def total(self, audio_decode_ms: float) -> Timings:
        """The sum, with the time that reading the recording took."""
        last = self._last or Timings()
        return Timings(
            phases=dict(self._phases),
            wall_ms=self._wall_ms,
            audio_decode_ms=audio_decode_ms,
            module_compile_ms=last.module_compile_ms,
            instantiate_ms=last.instantiate_ms,
            peak_memory_bytes=self._peak_bytes,
            linear_memory_bytes=last.linear_memory_bytes,
            cpu_ms=self._cpu_ms,
        )
