"""WebVTT subtitles (https://www.w3.org/TR/webvtt1/): writing, reading and recognizing them.

Times inside a cue's text, such as YouTube's ``Hello<00:00:01.500><c> there</c>``, are read as those
of words.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import unescape
from itertools import accumulate, pairwise
from typing import TextIO

from whisperctl.formats import Likelihood
from whisperctl.formats.cue_files import CueBlock, Lines, cue_blocks, report_texts, retimed
from whisperctl.options import NO_LIMITS, SubtitleOptions
from whisperctl.subtitles import markup
from whisperctl.subtitles.cues import one_line
from whisperctl.subtitles.document import Found
from whisperctl.subtitles.layout import highlighted, layout
from whisperctl.text import clock, parse_time
from whisperctl.transcript import Segment, Transcript, Word

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

_VOICE = re.compile(r"\s*+<v(?:\.[^\s>]*+)?\s++([^>]++)>")
_LANGUAGE = re.compile(r"Language\s*+:\s*+([A-Za-z]{2,3})(?:-[A-Za-z0-9-]{1,30})?\s*+", re.ASCII)
_HEADER = re.compile(r"[A-Za-z-]++\s*+[:=]")
_BRIEF_S = 0.05
"""Longest cue that repeats a finished line: YouTube shows it for a hundredth of a second."""
_STAMP = re.compile(r"<((?:\d{1,9}+:)?\d{1,9}+:\d{1,9}+(?:[.,]\d*+)?)>", re.ASCII)
_LINE_SETTING = re.compile(r"(?<![^ \t])line:(\d{1,3}+(?:\.\d{1,9}+)?)(%?)", re.ASCII)
_TOP_LINES, _TOP_PERCENT, _MIDDLE_PERCENT = 4, 33, 66
"""The last line, and shares of the height, of the upper and middle part of a picture."""
_PLACE = "\ufdee"
_SPACES = f" \t\n\u3000{markup.BREAK}"
_WORD = re.compile(f"[{_SPACES}]*+[^{_SPACES}]++")


def write_vtt(transcript: Transcript, out: TextIO, options: SubtitleOptions = NO_LIMITS) -> None:
    r"""Write cues as openai-whisper does, with hours from the first hour on.

    ``&``, ``<`` and ``>`` are escaped (section 4.2.2), so ``-->``, which no cue may hold, is too.
    Who speaks is the cue's voice. Where it is in the picture (``{\an8}``) are its settings.
    """
    out.write("WEBVTT\n\n")
    for cue in layout(transcript, options, speaker_in_text=False):
        for shown in highlighted(cue) if options.highlight_words else (cue,):
            start = clock(shown.start_ms, hours_always=False)
            end = clock(shown.end_ms, hours_always=False)
            text = (
                markup.without_tags(shown.text)[0].translate(_ESCAPES).translate(markup.HTML_TAGS)
            )
            out.write(
                f"{start} --> {end}{_settings(shown.text)}\n{_voice(shown.speaker)}{text}\n\n"
            )


def _settings(text: str) -> str:
    r"""The cue settings for ``\an``, whose numbers are laid out like the keys of a calculator."""
    place = markup.place(text)
    if not place.startswith(r"\an"):
        return ""
    row, column = divmod(int(place[3]) - 1, 3)
    return ("", " line:50%", " line:0")[row] + (" align:left", "", " align:right")[column]


def _height(settings: str) -> str:
    r"""``\an8`` or ``\an5`` for a cue in the upper or middle part of the picture, else nothing.

    Left and right are not read: YouTube sets them for every cue, where people expect the middle.
    """
    found = _LINE_SETTING.search(settings)
    if found is None:
        return ""
    line = float(found[1])
    if not found[2]:
        return r"\an8" if line <= _TOP_LINES else ""
    return r"\an8" if line < _TOP_PERCENT else r"\an5" if line < _MIDDLE_PERCENT else ""


def _voice(speaker: str | None) -> str:
    name = one_line(speaker or "").strip()
    return f"<v {name.translate(_ESCAPES)}>" if name else ""


def read_vtt(text: str) -> Found:
    """Cues of WebVTT, their voices as speakers, times in their texts as those of words.

    Of captions that roll up, each line is taken once.

    Raises:
        ValueError: it is not WebVTT.
    """
    text = text.lstrip("\n")
    if not re.match(r"WEBVTT(?:[ \t\n]|$)", text):
        raise ValueError("it does not begin with WEBVTT")
    found = Found()
    head, *cues = cue_blocks(text, found, comments=True)
    _read_head(head.lines, found)
    rolling = _STAMP.search(text) is not None
    before: CueBlock | None = None
    n_repeated = 0
    for cue in cues:
        payload, others = _payload(cue.lines)
        report_texts(others, found)
        if not cue.readable:
            continue
        lines = [line for _, line in payload]
        kept = _rolled(before, cue, lines) if rolling else lines
        before = cue
        cue.lines = payload
        n_repeated += sum(map(_has_text, lines)) - sum(map(_has_text, kept))
        if kept or not lines:
            found.add(_vtt_segment(cue, "\n".join(kept)))
    if n_repeated:
        found.notes.append(f"{n_repeated} repeated lines of captions that roll up were left out")
    return found


def retime_vtt(text: str, move: Callable[[float], float]) -> str:
    """``text`` with its times moved, those of words in it as well."""
    return retimed(text, move, ".")


def sniff_vtt(head: str) -> Likelihood:
    """Declared by the first line, which every WebVTT file has."""
    return Likelihood.DECLARED if head.startswith("WEBVTT") else Likelihood.NO


def _payload(lines: Sequence[tuple[int, str]]) -> tuple[Lines, list[Lines]]:
    """A WebVTT cue's own lines, which end at an empty one, and the blocks after them."""
    blocks: list[Lines] = [[]]
    for line in lines:
        if line[1]:
            blocks[-1].append(line)
        else:
            blocks.append([])
    return blocks[0], [block for block in blocks[1:] if any(line.strip() for _, line in block)]


def _read_head(lines: Sequence[tuple[int, str]], found: Found) -> None:
    _, blocks = _payload(lines)
    for _, line in lines:
        if (language := _LANGUAGE.fullmatch(line)) is not None:
            found.language = language[1].lower()
    # Some programs put a blank line before the rest of their header.
    texts = [block for block in blocks if not all(_HEADER.match(line) for _, line in block)]
    report_texts(texts, found)


def _rolled(before: CueBlock | None, cue: CueBlock, lines: Sequence[str]) -> list[str]:
    """The lines of a cue that the one right before it did not end with.

    A cue of nothing but such lines is left out if it is as brief as YouTube's.
    """
    shown = [line for line in lines if line.strip()]
    if before is None or not before.readable or abs(cue.start_s - before.end_s) > _BRIEF_S:
        return list(lines)
    earlier = [_bare(line) for _, line in before.lines if line.strip()]
    for n in range(min(len(shown), len(earlier), 8), 0, -1):
        repeated = shown[:n] == earlier[-n:]  # what is said now has times in it: it is not the same
        if repeated and (n < len(shown) or cue.end_s - cue.start_s <= _BRIEF_S):
            return shown[n:]
    return list(lines)


def _has_text(line: str) -> bool:
    return bool(line.strip())


def _bare(line: str) -> str:
    return re.sub(r"<[^<>]*+>", "", line)


def _vtt_segment(cue: CueBlock, lines: str) -> Segment:
    voice = _VOICE.match(lines)
    speaker = unescape(voice[1]).strip() if voice else None
    held, times = _held_times(lines)
    shown = unescape(markup.from_html(held)).replace("\n", markup.BREAK)
    if markup.plain(shown).strip():
        shown = markup.placed(shown.lstrip(_SPACES), _height(cue.settings))
    text, words = _timed_words(shown, times, cue.start_s, cue.end_s)
    return Segment(cue.start_s, cue.end_s, text, words=tuple(words), speaker=speaker or None)


def _held_times(text: str) -> tuple[str, list[float]]:
    """``text`` with a placeholder for each time in it, and the times."""
    times: list[float] = []

    def place(match: re.Match[str]) -> str:
        try:
            times.append(parse_time(match[1], lenient=True))
        except ValueError:
            return ""
        return _PLACE

    return _STAMP.sub(place, text), times


def _timed_words(
    text: str, times: list[float], start_s: float, end_s: float
) -> tuple[str, list[Word]]:
    """A text spaced and without its placeholders, and its words.

    A word begins at the time before it; one that shares its time with others has its part of it, by
    characters. Times that go back, or lie outside the cue, are left out.

    Args:
        text: as ``_held_times`` gave it, whatever was done to the rest.
        times: as ``_held_times`` gave them.
        start_s: of the cue, in seconds.
        end_s: of the cue, in seconds.

    Returns:
        The text, and the words, which joined are the text; none if no time is left.
    """
    parts = text.split(_PLACE)
    plain = "".join(parts)
    shown = markup.spaced(plain)
    if len(parts) == 1 or not shown:
        return shown, []
    # Where each part begins in the plain text, and when.
    places = list(accumulate(map(len, parts), initial=0))[:-1]
    anchors: list[tuple[int, float]] = [(0, start_s)]
    for place, time_s in zip(places[1:], times, strict=False):
        if anchors[-1][1] <= time_s <= end_s:
            anchors.append((place, time_s))
    if len(anchors) == 1:
        return shown, []
    line = _Line.through(plain, [*anchors, (len(plain), end_s)])
    words = []
    position = 0
    for match in _WORD.finditer(plain.rstrip(_SPACES)):
        begin = match.end() - len(match[0].lstrip(_SPACES))
        begin_s = line.starts_at(begin)
        # Only spaces differ between the two.
        until = shown.index(plain[begin : match.end()], position) + match.end() - begin
        text = shown[position:until]
        words.append(Word(begin_s, max(begin_s, line.ends_at(match.end())), text, 1.0))
        position = until
    return shown, words


@dataclass(frozen=True, slots=True)
class _Line:
    """Times of characters: parts of a text from ``begins`` to ``ends``, each with two times."""

    begins: list[int]
    ends: list[int]
    times: list[tuple[float, float]]

    @classmethod
    def through(cls, plain: str, anchors: list[tuple[int, float]]) -> _Line:
        """Interpolation through points in the text with their times, the last at its end."""
        line = cls([], [], [])
        for (begin, start_s), (end, end_s) in pairwise(anchors):
            part = plain[begin:end]
            if part.strip(_SPACES):
                line.begins.append(end - len(part.lstrip(_SPACES)))
                line.ends.append(begin + len(part.rstrip(_SPACES)))
                line.times.append((start_s, end_s))
        return line

    def starts_at(self, place: int) -> float:
        """Start of the text that begins at ``place``."""
        return self._time(max(0, bisect_right(self.begins, place) - 1), place)

    def ends_at(self, place: int) -> float:
        """End of the text that ends before ``place``."""
        return self._time(min(len(self.ends) - 1, bisect_left(self.ends, place)), place)

    def _time(self, part: int, place: int) -> float:
        start_s, end_s = self.times[part]
        length = self.ends[part] - self.begins[part]
        share = min(1.0, max(0.0, (place - self.begins[part]) / length))
        return round(start_s + (end_s - start_s) * share, 3)
