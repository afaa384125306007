"""Which of a recording's audio tracks is read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from whisperctl import languages
from whisperctl.errors import AudioError, UsageError
from whisperctl.text import quoted

if TYPE_CHECKING:
    from av import AudioStream

_MOST_LISTED = 12


def check(wanted: str) -> None:
    """Check how a track is asked for: a number from 1, or a language.

    Raises:
        UsageError: it is neither.
    """
    wanted = wanted.strip()
    if not wanted or (wanted.isdecimal() and _number(wanted) < 1):
        raise UsageError(
            f'audio track "{wanted}" is invalid: give a number from 1, or a language such as "en"'
        )


def choose(tracks: Sequence[AudioStream], wanted: str | None, label: str) -> AudioStream:
    """The track that is asked for; else the default one, else the first, that can be decoded.

    Args:
        tracks: those of the recording.
        wanted: a number from 1, or a language, as for ``check``; of several in the language the
            default one, else the first.
        label: the recording's name, as messages show it.

    Raises:
        AudioError: there is no track, none like the one asked for, or it cannot be decoded.
    """
    if not tracks:
        raise AudioError(f"{label} has no audio track: check that it is the right one")
    fitting = list(tracks) if wanted is None else _fitting(tracks, wanted)
    if not fitting:
        only = "only " if len(tracks) == 1 else ""
        raise AudioError(
            f"{label} has no audio track {quoted(wanted or '')}: it has {only}{describe(tracks)}"
        )
    # PyAV's types leave out that this is missing when FFmpeg has no decoder for the coding.
    known = [track for track in fitting if getattr(track, "codec_context", None) is not None]
    if not known:
        raise AudioError(f"{label} has audio in an unknown coding: convert it to wav")
    return next((track for track in known if _is_default(track)), known[0])


def remark(tracks: Sequence[AudioStream], chosen: AudioStream, wanted: str | None) -> str | None:
    """What to say of the choice, as the rest of a sentence, where there was one."""
    fitting = list(tracks) if wanted is None else _fitting(tracks, wanted)
    if len(fitting) < 2:
        return None
    what = f"has {len(fitting)} audio tracks" + (f" for {quoted(wanted)}" if wanted else "")
    number = list(tracks).index(chosen) + 1
    listed = describe(tracks if wanted is None else fitting, all_tracks=tracks)
    return f"{what} ({listed}): track {number} is used; --audio-track chooses another"


def describe(tracks: Sequence[AudioStream], all_tracks: Sequence[AudioStream] = ()) -> str:
    """Numbers of tracks with what is known of each, such as ``1 English, 2 German (default)``."""
    numbers = {id(track): n for n, track in enumerate(all_tracks or tracks, 1)}
    shown = [_one(numbers[id(track)], track) for track in tracks[:_MOST_LISTED]]
    more = len(tracks) - _MOST_LISTED
    return ", ".join([*shown, f"and {more} more"] if more > 0 else shown)


def _one(number: int, track: AudioStream) -> str:
    code = _language(track)
    known = languages.code_of(code) if code else None
    parts = [str(number)]
    if code:
        parts.append(languages.LANGUAGES[known].title() if known else quoted(code))
    if title := track.metadata.get("title", ""):
        parts.append(quoted(title[:40]))
    if _is_default(track):
        parts.append("(default)")
    return " ".join(parts)


def _fitting(tracks: Sequence[AudioStream], wanted: str) -> list[AudioStream]:
    wanted = wanted.strip()
    if wanted.isdecimal():
        number = _number(wanted)
        return list(tracks[number - 1 : number])
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


def _language(track: AudioStream) -> str:
    """The language's code in the file; nothing for "undetermined"."""
    tag = track.metadata.get("language", "").strip()
    return "" if tag.casefold() == "und" else tag


def _is_default(track: AudioStream) -> bool:
    from av.stream import Disposition

    return Disposition.default in track.disposition
