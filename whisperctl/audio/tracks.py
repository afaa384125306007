"""Choice of an audio track, by its number or language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whisperctl import languages
from whisperctl.errors import AudioError, UnsupportedMediaError, UsageError
from whisperctl.text import quoted

if TYPE_CHECKING:
    from whisperctl.audio.decoders import Track

_MOST_LISTED = 12


def check(wanted: str) -> None:
    """Check that a choice is a number from 1, or a language.

    Raises:
        UsageError: it is neither.
    """
    wanted = wanted.strip()
    if not wanted or (wanted.isdecimal() and _number(wanted) < 1):
        raise UsageError(
            f'audio track "{wanted}" is invalid: give a number from 1, or a language such as "en"'
        )


def choose(tracks: Sequence[Track], wanted: str | None, label: str) -> Track:
    """The track asked for; else the default track, else the first, of those that can be decoded.

    Args:
        tracks: the recording's.
        wanted: a number from 1, or a language; of several in the language the default one is
            taken, else the first.
        label: the recording's name, as messages show it.

    Raises:
        UnsupportedMediaError: the decoder knows no codec for it.
        AudioError: there is no track, or none like the one asked for.
    """
    if not tracks:
        raise AudioError(f"{label} has no audio track: check that it is the right file")
    fitting = list(tracks) if wanted is None else _fitting(tracks, wanted)
    if not fitting:
        only = "only " if len(tracks) == 1 else ""
        raise AudioError(
            f"{label} has no audio track {quoted(wanted or '')}: it has {only}{describe(tracks)}"
        )
    known = [track for track in fitting if track.codec]
    if not known:
        raise UnsupportedMediaError(f"{label} has audio in an unknown codec")
    return next((track for track in known if track.default), known[0])


def remark(tracks: Sequence[Track], chosen: Track, wanted: str | None) -> str | None:
    """Rest of a sentence about the choice; ``None`` if there was only one track to take."""
    fitting = list(tracks) if wanted is None else _fitting(tracks, wanted)
    if len(fitting) < 2:
        return None
    what = f"has {len(fitting)} audio tracks" + (f" for {quoted(wanted)}" if wanted else "")
    listed = describe(tracks if wanted is None else fitting)
    return f"{what} ({listed}): track {chosen.number} is used; --audio-track chooses another"


def describe(tracks: Sequence[Track]) -> str:
    """Numbers of tracks with what is known of each, such as ``1 English, 2 German (default)``."""
    shown = [_one(track) for track in tracks[:_MOST_LISTED]]
    more = len(tracks) - _MOST_LISTED
    return ", ".join([*shown, f"and {more} more"] if more > 0 else shown)


def language_name(track: Track) -> str:
    """English name of a track's language, its code if that is unknown, or nothing."""
    code = _language(track)
    known = languages.code_of(code) if code else None
    return languages.LANGUAGES[known].title() if known else code


def _one(track: Track) -> str:
    code = _language(track)
    parts = [str(track.number)]
    if code:
        parts.append(language_name(track) if languages.code_of(code) else quoted(code))
    if track.title:
        parts.append(quoted(track.title[:40]))
    if track.default:
        parts.append("(default)")
    return " ".join(parts)


def _fitting(tracks: Sequence[Track], wanted: str) -> list[Track]:
    wanted = wanted.strip()
    if wanted.isdecimal():
        number = _number(wanted)
        return [track for track in tracks if track.number == number]
    code = languages.code_of(wanted) or wanted.casefold()
    of_tracks = [(track, _language(track)) for track in tracks]
    return [
        track
        for track, tag in of_tracks
        if tag and code == (languages.code_of(tag) or tag.casefold())
    ]


def _number(digits: str) -> int:
    """A number, or a large one for more digits than Python takes."""
    return int(digits[:18])


def _language(track: Track) -> str:
    """The language's code in the file; nothing for "undetermined"."""
    tag = track.language.strip()
    return "" if tag.casefold() == "und" else tag
