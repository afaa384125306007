"""Says through ``logging`` where the time of a run went."""

from __future__ import annotations

import logging

from whisperctl.transcript import Transcript

_LOGGER = logging.getLogger("whisperctl.timings")


def log(transcript: Transcript) -> None:
    """Log whisper.cpp's phases and what the host saw, a line each, for whoever listens."""
    if not _LOGGER.isEnabledFor(logging.DEBUG):
        return
    times = transcript.timings
    for name, phase in times.phases.items():
        _LOGGER.debug("time of %s: %.1f ms, runs: %d", name, phase.total_ms, phase.runs)
    for name, value_ms in (
        ("reading audio", times.audio_decode_ms),
        ("module compile", times.module_compile_ms),
        ("instantiate", times.instantiate_ms),
        ("engine in all", times.wall_ms),
    ):
        if value_ms is not None:
            _LOGGER.debug("time of %s: %.1f ms", name, value_ms)
    if transcript.duration_s > 0:
        factor = times.wall_ms / 1000 / transcript.duration_s
        _LOGGER.debug("real-time factor: %.3f of %.1f s", factor, transcript.duration_s)
    if times.peak_memory_bytes is not None:
        _LOGGER.debug("peak memory: %.0f MiB", times.peak_memory_bytes / 2**20)
