"""A recording, opened with the decoders that can read it.

Each decoder in turn is given the recording until one reads it to its end. One that gives up in the
midst is followed by the next, from where the samples end. None follows one that is sandboxed.

Decoders get an open file descriptor rather than a name. A name can then not be taken for a protocol
(``concat:``, ``http:``), and a playlist in disguise opens nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from whisperctl.audio.decoders import (
    Decoder,
    Media,
    MediaInfo,
    check_track,
    choose_track,
    is_sandboxed,
    registry,
    track_remark,
)
from whisperctl.audio.source import Source, open_source
from whisperctl.errors import AudioError, DecoderStoppedError, PluginError, WhisperctlError
from whisperctl.storage.files import reason

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from whisperctl.audio.decoders import Block

_LATER_S = 0.5
"""What a header states is wrong if more than this was decoded past it."""

_PAGE_BYTES = 1024
"""Bytes at the start of a web page in which it says what it is."""

_LOG = logging.getLogger(__name__)


class MediaReader:
    """One open recording; a context manager that holds a file descriptor.

    ``warnings`` are one-line notes, and ``decoders`` names those that gave samples, in order; both
    are complete when ``blocks`` is exhausted.
    """

    def __init__(
        self,
        source: str | Path | Source,
        *,
        track: str | None = None,
        decoder: str = registry.AUTO,
    ) -> None:
        """Open a recording.

        Args:
            source: a path, or ``"-"`` for standard input.
            track: number, from 1, or language of the audio track to read; ``None`` is the default
                one, else the first.
            decoder: name of the only decoder to use, or ``"auto"``.

        Raises:
            AudioError: it is missing, may not be read, is not a file or pipe, or is empty.
            PluginError: the decoder cannot be loaded, or one that may be the sandboxed one.
            UsageError: ``track`` is neither a number from 1 nor a language, or the decoder is not
                installed.
        """
        if track is not None:
            check_track(track)
        self._decoder = decoder
        self._decoders: Sequence[Decoder] = registry.choose(decoder)
        self.source = source if isinstance(source, Source) else open_source(source)
        self.warnings: list[str] = []
        self.decoders: list[str] = []
        self._track = track
        self._stated_s: float | None = None
        self._expected_s: float | None = None
        self._decoded_s = 0.0
        if decoder == registry.AUTO:
            for name in registry.not_loaded():
                self.warn(
                    f'is read without decoder "{name}", which does not load: '
                    'run "whisperctl doctor"'
                )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stated_s(self) -> float | None:
        """Seconds its header states, once the first block was read and if it states any.

        What is not true any more is not stated: more was decoded.
        """
        if self._stated_s is None or self._decoded_s > self._stated_s + _LATER_S:
            return None
        return self._stated_s

    @property
    def expected_s(self) -> float | None:
        """Seconds it may last, a guess if its header states nothing."""
        known = self.stated_s or self._expected_s
        return None if known is None else max(known, self._decoded_s)

    def stop(self) -> None:
        """Make a read in another thread end at once, if it may take long."""
        self.source.stop()

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self.source.file.close()

    def warn(self, what: str) -> None:
        """Note something about the recording, as the rest of a sentence."""
        self.warnings.append(f"{self.source.label} {what}")

    def probe(self) -> tuple[str, MediaInfo]:
        """Name of the first decoder that opens the recording, and what it finds there.

        Raises:
            AudioError: no decoder can open it.
            PluginError: the decoder lacks a library.
        """
        failures: list[tuple[Decoder, WhisperctlError]] = []
        for decoder in self._decoders:
            try:
                with self._opened(decoder) as media:
                    return decoder.name, media.probe()
            except (AudioError, PluginError) as error:
                failures.append((decoder, error))
        raise self._failure(failures)

    def reaches_s(self, end_s: float) -> float:
        """End of the recording, but no further than a block after ``end_s``, in seconds.

        Decodes from the start, and leaves ``blocks`` and what is known from it alone.

        Raises:
            AudioError: as ``blocks``.
        """
        reached_s = 0.0
        other = MediaReader(self.source, track=self._track, decoder=self._decoder)
        with closing(other._all_blocks()) as blocks:
            for rate, block in blocks:
                reached_s += len(block) / max(1, rate)
                if reached_s > end_s:
                    break
        return reached_s

    def blocks(self) -> Iterator[Block]:
        """Decode from the start.

        Yields:
            The sample rate in Hz and some samples: float32, shape (n_samples, n_channels). Rate and
            channels can change within a file.

        Raises:
            AudioError: it is not media, contains no audio, or is damaged from the start.
            PluginError: the decoder failed, or lacks a library.
        """
        for rate, block in self._all_blocks():
            self._decoded_s += len(block) / max(1, rate)
            yield rate, block

    def _all_blocks(self) -> Generator[Block]:
        n_decoded = 0
        failures: list[tuple[Decoder, WhisperctlError]] = []
        for decoder in self._decoders:
            n_skipped = n_decoded
            try:
                for rate, block in self._blocks_of(decoder):
                    new = block[n_skipped:]
                    n_skipped -= len(block) - len(new)
                    n_decoded += len(new)
                    if len(new):
                        if decoder.name not in self.decoders:
                            self.decoders.append(decoder.name)
                        yield rate, new
            except DecoderStoppedError:
                raise
            except (AudioError, PluginError) as error:
                _LOG.debug("decoder %s: %s", decoder.name, error)
                failures.append((decoder, error))
                continue
            if n_decoded:
                return
            empty = AudioError(
                f"{self.source.label} contains no audio (its audio track is empty or damaged): "
                "copy or record it again"
            )
            failures.append((decoder, empty))
        if not n_decoded:
            raise self._failure(failures)
        self.warn("is cut short or damaged: its end could not be read")

    def _blocks_of(self, decoder: Decoder) -> Iterator[Block]:
        """Decode with one decoder, and take over its warnings as they come."""
        with self._opened(decoder) as media:
            info = media.probe()
            chosen = choose_track(info.tracks, self._track, self.source.label)
            self._stated_s = chosen.stated_s
            self._expected_s = chosen.stated_s or info.expected_s
            _LOG.debug("%s: read by decoder %s", self.source.label, decoder.name)
            if remark := track_remark(info.tracks, chosen, self._track):
                self.warn(remark)
            n_warnings = 0
            for rate, block in media.blocks(chosen.number):
                yield _checked(decoder, rate, block)
                n_warnings = self._take_warnings(media, n_warnings)
            self._take_warnings(media, n_warnings)

    @contextmanager
    def _opened(self, decoder: Decoder) -> Iterator[Media]:
        with _translated(decoder, self.source), closing(decoder.open(self.source)) as media:
            yield media

    def _take_warnings(self, media: Media, n_before: int) -> int:
        warnings = list(media.warnings)
        for warning in warnings[n_before:]:
            self.warn(warning)
        return len(warnings)

    def _failure(self, failures: Sequence[tuple[Decoder, WhisperctlError]]) -> WhisperctlError:
        """The error to raise of those of all decoders: that of one that reads such files."""
        for kind in (AudioError, PluginError):
            if telling := [found for found in failures if type(found[1]) is kind]:
                decoder, error = telling[-1]
                natively = _natively(decoder)
                if kind is PluginError and natively:
                    return PluginError(f"{error}, or {natively}")
                return error
        decoder, error = failures[-1]
        if _is_web_page(self.source):
            return AudioError(
                f"{self.source.label} is a web page, not a recording: "
                "name the recording itself, or download it first"
            )
        if natively := _natively(decoder):
            return AudioError(f"{error}: {natively}")
        if self._decoder == registry.AUTO:
            return AudioError(f"{error}: convert it to wav")
        usable = registry.options(registry.others(self._decoder))
        hint = f"use {usable}, or leave --decoder out" if usable else "convert it"
        return AudioError(f'{error}, so decoder "{self._decoder}" cannot read it: {hint}')


def _is_web_page(source: Source) -> bool:
    head = source.peek(_PAGE_BYTES).lower()
    return b"<!doctype html" in head or b"<html" in head


def _natively(decoder: Decoder) -> str:
    """What to do about a recording that a sandboxed decoder does not read; empty for others."""
    usable = registry.options(registry.outside_sandboxes()) if is_sandboxed(decoder) else ""
    return f"use {usable} to decode it natively" if usable else ""


@contextmanager
def _translated(decoder: Decoder, source: Source) -> Iterator[None]:
    """Turn errors of files and of plugins into our own.

    Raises:
        AudioError: the file cannot be read.
        PluginError: the decoder failed.
    """
    try:
        yield
    except (WhisperctlError, MemoryError):
        raise
    except OSError as error:
        raise AudioError(f"{source.label} cannot be read ({reason(error)}): try again") from error
    except Exception as error:
        raise PluginError(
            f'decoder "{decoder.name}" failed on {source.label}: {type(error).__name__}: {error}'
        ) from error


def _checked(decoder: Decoder, rate: int, block: NDArray[np.float32]) -> Block:
    """A block, if type and shape are those that the protocol states.

    Raises:
        PluginError: they are not.
    """
    if block.dtype != "float32" or block.ndim != 2 or not block.shape[1]:
        raise PluginError(
            f'decoder "{decoder.name}" gave samples of type {block.dtype} and shape '
            f"{block.shape}: report it to its author"
        )
    return rate, block
