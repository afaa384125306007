"""One run of whisper.cpp over one recording, in the engine's thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt

import _pywhispercpp as pw
from whisperctl.engine.toolkit.token_times import TokenTimes
from whisperctl.engine.toolkit.whisper_params import WhisperParams, parse_fallbacks, parse_language
from whisperctl.engine.toolkit.words import Utf8Joiner
from whisperctl.errors import BackendError
from whisperctl.transcript import Segment, SpokenLanguage
from whisperctl_native import convert, library, log, objects
from whisperctl_native.stop import Stop

Event = Segment | SpokenLanguage | float
Emit = Callable[[Event], None]

_SHORTEST_ALIGNED = 16
"""Hundredths of a second; whisper.cpp aborts the process when it filters the alignment of less."""


class StateFreedError(BackendError):
    """whisper_full failed and freed its state, which whisper_free would then free again."""


_STATE_FREED = -7


class Run:
    """Calls ``whisper_full`` once, and gives what it finds to ``emit``.

    Args:
        context: the loaded model.
        wanted: every parameter.
        threads: how many to compute with.
        stop: is asked between graphs.
        emit: gets the language if it is detected, segments as they are decided, and fractions from
            0 to 1.
        times: gives tokens their times; ``None`` for none.
        aligning: whether the model was loaded to align.
    """

    def __init__(
        self,
        context: pw.whisper_context,
        wanted: WhisperParams,
        *,
        threads: int,
        stop: Stop,
        emit: Emit,
        times: TokenTimes | None,
        aligning: bool,
    ) -> None:
        self._context = context
        self._address = objects.context_address(context)
        self._wanted = wanted
        self._threads = threads
        self._stop = stop
        self._emit = emit
        self._times = times
        self._aligning = aligning
        self._said = log.Log()
        self._failures: list[Exception] = []
        self._joiner = Utf8Joiner()
        self._delivered = 0
        self._windows = 0
        self._fallbacks = 0
        self._never = library.StopFlag()
        self._never.set()

    def run(self, samples: npt.NDArray[np.float32]) -> log.Log:
        """Compute; gives what whisper.cpp logged.

        Raises:
            BackendError: it failed, or was told to stop.
        """
        params = self._params()
        shortest = objects.TimestampFilter(self._context) if self._aligning else None
        if shortest is not None:
            shortest.put_into(params)
        self._fallbacks = self._count_fallbacks()
        with log.capture() as said:
            self._said = said
            pw.whisper_reset_timings(self._context)
            try:
                with library.backends_with(self._flag_of_alignment):
                    status = pw.whisper_full(self._context, params, samples, len(samples))
            except Exception as error:  # a C++ exception, such as bad_alloc
                reason = "out of memory" if isinstance(error, MemoryError) else str(error)
                raise BackendError(
                    f"whisper.cpp failed: {reason or type(error).__name__}"
                ) from error
            if status == 0:
                pw.whisper_print_timings(self._context)
        if status == _STATE_FREED:
            raise StateFreedError(f"whisper.cpp failed (status {status}): {said.reason()}")
        if self._failures:
            raise self._failures[0]
        if self._stop.requested():
            raise BackendError("the run was stopped because its session was closed")
        if status != 0:
            raise BackendError(f"whisper.cpp failed (status {status}): {said.reason()}")
        return said

    def _params(self) -> pw.whisper_full_params:
        params = convert.full_params(self._wanted, self._threads)
        # While it aligns, whisper.cpp gives wrong counts of new segments, and gives them before
        # they have their times: there they go out with the window's end, where it tells progress.
        if not self._aligning:
            params.set_new_segment_callback(lambda _context, _n: self._give(self._new_segments))
        params.print_progress = True  # or the bindings keep the callback from being called
        params.set_progress_callback(self._on_window_end)
        params.set_encoder_begin_callback(self._on_window_begin)
        params.set_abort_callback(self._stop.on_pass)
        return params

    def _give(self, events: Callable[[], Iterable[Event]]) -> None:
        # An exception must not travel through whisper.cpp.
        try:
            for event in events():
                self._emit(event)
        except Exception as error:
            self._failures.append(error)
            self._stop.request()

    def _on_window_end(self, percent: int) -> None:
        self._give(self._new_segments)
        self._fallbacks = self._count_fallbacks()
        self._give(lambda: [min(1.0, percent / 100)])

    def _on_window_begin(self, _context: pw.whisper_context) -> bool:
        self._windows += 1
        if self._windows == 1 and (detected := parse_language(self._said.lines)):
            self._emit(SpokenLanguage(*detected))
        if self._windows > 1 and self._wanted["forget_text"]:
            self._forget_text()
        return self._stop.on_window()

    def _new_segments(self) -> Iterator[Segment]:
        """Segments that were not given yet, all of one window."""
        n = pw.whisper_full_n_segments(self._context)
        if self._delivered == n:
            return
        temperature = self._temperature(self._count_fallbacks() - self._fallbacks)
        while self._delivered < n:
            i = self._delivered
            self._delivered += 1
            silence = None
            if self._address is not None:
                silence = objects.no_speech_probability(self._address, i)
            segment = convert.segment(
                self._context,
                i,
                no_speech_probability=silence,
                temperature=temperature,
                times=self._times,
            )
            yield self._joiner.add(segment)

    def _temperature(self, fallbacks: int) -> float:
        """That of a window: whisper.cpp tries one after the other, up to 1."""
        now, step = self._wanted["temperature"], self._wanted["temperature_inc"]
        for _ in range(fallbacks):
            if not now + step < 1.0 + 1e-6:
                break
            now += step
        return round(now, 6)

    def _count_fallbacks(self) -> int:
        """Number of failed decodings since the model was loaded, which only the log has."""
        with log.capture() as said:
            pw.whisper_print_timings(self._context)
        return parse_fallbacks(said.lines) or 0

    def _forget_text(self) -> None:
        """Empty the text that the next window would be conditioned on.

        whisper.cpp does so at the start of a run with ``no_context``. A run of no samples and no
        more than the shortest duration does nothing else but forget the segments, which were given.
        """
        language = pw.whisper_lang_str(pw.whisper_full_lang_id(self._context))
        params = convert.forgetting_params(self._wanted, language)
        pw.whisper_full(self._context, params, np.zeros(1, np.float32), 0)
        self._delivered = 0

    def _flag_of_alignment(self) -> library.StopFlag | None:
        """For the backend that whisper.cpp makes to compute an alignment.

        What is left of a recording may be 110 to 150 ms, of which the alignment is not computed:
        its tokens then get times that are anywhere in this rest. Nothing tells where a window
        begins, but its first segment never begins before it.
        """
        if not self._aligning:
            return None
        t0 = pw.whisper_full_get_segment_t0(self._context, self._delivered)
        long_enough = 0 <= t0 <= pw.whisper_n_len(self._context) - _SHORTEST_ALIGNED
        return None if long_enough else self._never
