"""What is remarked after a run: one line a subject, however often it happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from whisperctl.transcription.chunk_decoder import Resolved

_SHOWN = 40


@dataclass(slots=True)
class Tally:
    """What happened in a run so far."""

    n_dropped: int = 0
    speech_detected: bool = False

    def lines(self, source: str, n_segments: int) -> Iterator[str]:
        """The remarks.

        Args:
            source: the recording's name, as messages show it.
            n_segments: how many segments the transcript has.
        """
        if not n_segments and self.speech_detected:
            yield (
                f"{source} holds speech, but the model made no text of it: "
                "try --vad, a multilingual or larger model, or name its --language"
            )
        elif not n_segments:
            yield f"{source} holds no speech"
        elif self.n_dropped:
            yield f"dropped {_count(self.n_dropped, 'segment')} where no speech is heard"


def repetition_line(loop: Resolved, at_s: float) -> str:
    """The remark on one loop, which began at ``at_s`` of the recording."""
    text = loop.text if len(loop.text) <= _SHOWN else loop.text[: _SHOWN - 1] + "…"
    text = text.replace("\n", " ")
    where = f'a repetition loop at {clock(at_s)} ("{text}")'
    if not loop.given_up:
        return f"{where} was decoded again"
    return f"{where} comes again at every temperature: one copy of it is kept"


def clock(seconds: float) -> str:
    """``1:02:03`` or ``2:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
