"""Segments as whisper-cli prints them."""

from __future__ import annotations

from collections.abc import Iterator

from whisperctl.subtitles.cues import label, one_line
from whisperctl.text import timestamp, visible
from whisperctl.transcript import Segment

_COLORS = (160, 166, 208, 215, 227, 114, 71)
"""Terminal colours, from red to green: those nearest to whisper-cli's, after Paul Tol."""
_RESET = "\x1b[0m"


def line(segment: Segment, *, times: bool = True, colors: bool = False) -> str:
    """``[00:00:00.000 --> 00:00:08.000]   text``, with the text as the model wrote it.

    The speaker, if known, precedes the text.

    Args:
        segment: the segment to print.
        times: print the times; without them the text is stripped.
        colors: colour the text by the tokens' probabilities, as whisper-cli's
            ``--print-colors`` does, for terminals that know ``ESC[38;5;Nm``.
    """
    shown = segment.visible()
    pieces = [(one_line(text), probability) for text, probability in _pieces(shown, colors)]
    speaker = label(shown.speaker)
    if speaker or not times:
        pieces = _stripped(pieces)
    text = "".join(
        piece if probability is None else f"\x1b[38;5;{_color(probability)}m{piece}{_RESET}"
        for piece, probability in pieces
    )
    if not times:
        return f"{speaker}{text}"
    start, end = timestamp(segment.start_s), timestamp(segment.end_s)
    return f"[{start} --> {end}]  {f' {speaker}' if speaker else ''}{text}"


def _pieces(segment: Segment, colors: bool) -> Iterator[tuple[str, float | None]]:
    """Parts of the text, each with its probability if that is known."""
    if colors:
        for pieces in (_tokens(segment), [(w.text, w.probability) for w in segment.words]):
            if "".join(text for text, _ in pieces) == segment.text:
                yield from pieces
                return
    yield segment.text, None


def _tokens(segment: Segment) -> list[tuple[str, float]]:
    """Texts of tokens; those that share a character are one, with the lowest probability."""
    pieces: list[tuple[str, float]] = []
    data, probability = b"", 1.0
    for token in segment.tokens:
        data += token.data
        probability = min(probability, token.probability)
        try:
            pieces.append((data.decode(), probability))
        except UnicodeDecodeError:
            continue  # the rest of the character is in the next token
        data, probability = b"", 1.0
    if data:
        pieces.append((data.decode(errors="replace"), probability))
    return [(visible(text, prose=True), probability) for text, probability in pieces]


def _color(probability: float) -> int:
    # whisper-cli's scale: most probabilities are high, and are to be told apart.
    step = int(probability**3 * len(_COLORS))
    return _COLORS[max(0, min(step, len(_COLORS) - 1))]


def _stripped(pieces: list[tuple[str, float | None]]) -> list[tuple[str, float | None]]:
    """``pieces`` without space before the first and after the last."""
    if pieces:
        pieces[0] = (pieces[0][0].lstrip(), pieces[0][1])
        pieces[-1] = (pieces[-1][0].rstrip(), pieces[-1][1])
    return pieces
