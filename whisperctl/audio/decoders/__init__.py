"""Decoders of media files: the protocol that they keep, and the choice of an audio track.

``docs/decoders.md`` lists what a decoder promises, and ``whisperctl.testing`` tests it.

A decoder is a class named by an entry point in the group ``whisperctl.decoders``::

    [project.entry-points."whisperctl.decoders"]
    acme = "whisperctl_acme:AcmeDecoder"

It is called without arguments to give a ``Decoder``. Its module imports no large package: a run
without ``--decoder`` imports the modules of all decoders, and opens a recording with the first that
can read it. A decoder that reads recordings in a sandbox says so by an attribute ``sandboxed``
that is true; none is tried after it, as that would undo what the sandbox is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from whisperctl import languages
from whisperctl.errors import AudioError, UnsupportedMediaError, UsageError
from whisperctl.text import quoted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.audio.source import Source

    Block: TypeAlias = tuple[int, NDArray[np.float32]]

_MOST_LISTED = 12

CONTRACT = 1
"""Number of the contract on this page; a decoder states the one it was written for."""

BLOCK_SAMPLES = 65_536
"""Samples in a block, of each channel, about; a decoder may give smaller or larger ones."""


@dataclass(frozen=True, slots=True)
class DecoderInfo:
    """A decoder and whether it works here.

    ``library`` names what it decodes with, and its version. ``problem`` is one line that says what
    is missing and what to install; ``None`` if the decoder works.
    """

    name: str
    version: str
    library: str
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """An audio track.

    ``number`` counts the recording's audio tracks from 1. ``codec`` is empty if the decoder has
    none for it. ``language`` is as the file has it, empty if it states none. ``stated_s`` is where
    the header says that the track ends, in seconds from the start of the recording; ``None`` if it
    does not say so: a guess from a bit rate is none.
    """

    number: int
    codec: str
    sample_rate: int
    channels: int
    language: str = ""
    title: str = ""
    default: bool = False
    stated_s: float | None = None


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """A recording before it is decoded.

    ``expected_s`` is its likely duration in seconds, which may be a guess; ``None`` without one.
    """

    container: str
    tracks: tuple[Track, ...]
    expected_s: float | None = None


class Media(Protocol):
    """One open recording, whose samples are decoded once, from the start."""

    @property
    def warnings(self) -> Sequence[str]:
        """Flaws found so far, each the rest of a sentence that begins with the recording's name.

        Such as "is cut short: its header states 60.0 s, only 12.3 s could be read".
        """
        ...

    def probe(self) -> MediaInfo:
        """Container and audio tracks; called before ``blocks``.

        Raises:
            AudioError: see ``Decoder.open``.
        """
        ...

    def blocks(self, track: int) -> Iterator[Block]:
        """Decode one track; called at most once.

        Silence stands in for what timestamps leave out, so that times stay true.

        Args:
            track: its number.

        Yields:
            The sample rate in Hz and samples: float32, shape (n_samples, n_channels), full scale is
            [-1, 1]. Rate and channels may change from block to block.

        Raises:
            AudioError: the rest cannot be decoded. What was given stays in use.
        """
        ...

    def close(self) -> None:
        """Release everything but the source; may be called more than once."""
        ...


class Decoder(Protocol):
    """A reader of media files."""

    name: str
    """Name of its entry point."""

    contract: int
    """``CONTRACT`` of the version of whisperctl that it was written for."""

    preference: int
    """Without ``--decoder`` the one with the highest number is tried first. Ours are above zero:
    a decoder with zero or less reads what they cannot, where none of them is sandboxed."""

    def describe(self) -> DecoderInfo:
        """Version and state; quick, imports no library, and never raises for a missing one."""
        ...

    def open(self, source: Source) -> Media:
        """Open a recording.

        Args:
            source: an open file that can be sought. The content decides what it is, never the name.
                The caller closes it, after the ``Media``.

        Raises:
            UnsupportedMediaError: the decoder does not read this kind of file; another may.
            AudioError: the recording is damaged, or contains no audio.
            PluginError: a library that the decoder needs is missing.
        """
        ...


def is_sandboxed(decoder: Decoder) -> bool:
    """True if it has an attribute ``sandboxed`` that is true."""
    return getattr(decoder, "sandboxed", False) is True


# ----------------------------------------------------------------------- choice of a track


def check_track(wanted: str) -> None:
    """Check that a choice is a number from 1, or a language.

    Raises:
        UsageError: it is neither.
    """
    wanted = wanted.strip()
    if not wanted or (wanted.isdecimal() and _track_number(wanted) < 1):
        raise UsageError(
            f'audio track "{wanted}" is invalid: give a number from 1, or a language such as "en"'
        )


def choose_track(tracks: Sequence[Track], wanted: str | None, label: str) -> Track:
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
    fitting = list(tracks) if wanted is None else _fitting_tracks(tracks, wanted)
    if not fitting:
        only = "only " if len(tracks) == 1 else ""
        raise AudioError(
            f"{label} has no audio track {quoted(wanted or '')}: it has {only}"
            f"{describe_tracks(tracks)}"
        )
    known = [track for track in fitting if track.codec]
    if not known:
        raise UnsupportedMediaError(f"{label} has audio in an unknown codec")
    return next((track for track in known if track.default), known[0])


def track_remark(tracks: Sequence[Track], chosen: Track, wanted: str | None) -> str | None:
    """Rest of a sentence about the choice; ``None`` if there was only one track to take."""
    fitting = list(tracks) if wanted is None else _fitting_tracks(tracks, wanted)
    if len(fitting) < 2:
        return None
    what = f"has {len(fitting)} audio tracks" + (f" for {quoted(wanted)}" if wanted else "")
    listed = describe_tracks(tracks if wanted is None else fitting)
    return f"{what} ({listed}): track {chosen.number} is used; --audio-track chooses another"


def describe_tracks(tracks: Sequence[Track]) -> str:
    """Numbers of tracks with what is known of each, such as ``1 English, 2 German (default)``."""
    shown = [_described(track) for track in tracks[:_MOST_LISTED]]
    more = len(tracks) - _MOST_LISTED
    return ", ".join([*shown, f"and {more} more"] if more > 0 else shown)


def language_name(track: Track) -> str:
    """English name of a track's language, its code if that is unknown, or nothing."""
    code = _track_language(track)
    known = languages.code_of(code) if code else None
    return languages.LANGUAGES[known].title() if known else code


def _described(track: Track) -> str:
    code = _track_language(track)
    parts = [str(track.number)]
    if code:
        parts.append(language_name(track) if languages.code_of(code) else quoted(code))
    if track.title:
        parts.append(quoted(track.title[:40]))
    if track.default:
        parts.append("(default)")
    return " ".join(parts)


def _fitting_tracks(tracks: Sequence[Track], wanted: str) -> list[Track]:
    wanted = wanted.strip()
    if wanted.isdecimal():
        number = _track_number(wanted)
        return [track for track in tracks if track.number == number]
    code = languages.code_of(wanted) or wanted.casefold()
    of_tracks = [(track, _track_language(track)) for track in tracks]
    return [
        track
        for track, tag in of_tracks
        if tag and code == (languages.code_of(tag) or tag.casefold())
    ]


def _track_number(digits: str) -> int:
    """A number, or a large one for more digits than Python takes."""
    return int(digits[:18])


def _track_language(track: Track) -> str:
    """The language's code in the file; nothing for "undetermined"."""
    tag = track.language.strip()
    return "" if tag.casefold() == "und" else tag
