"""The ``sandbox`` decoder: its description, and opening a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisperctl.audio.decoders import CONTRACT, DecoderInfo

if TYPE_CHECKING:
    from whisperctl.audio.decoders import Media
    from whisperctl.audio.source import Source

# Imports are in the methods: every run without --decoder imports this module.


class SandboxDecoder:
    """FFmpeg in a WebAssembly sandbox; see ``whisperctl.audio.decoders.Decoder``."""

    name = "sandbox"
    contract = CONTRACT
    preference = 30
    sandboxed = True

    def describe(self) -> DecoderInfo:
        """Version and state; starts no guest."""
        from importlib.metadata import version

        from whisperctl.errors import WhisperctlError
        from whisperctl_wasi import modules, runtimes
        from whisperctl_wasi.media.starting import decoder_order

        own = version("whisperctl-wasi")
        try:
            module = modules.media()
            runtime = runtimes.first_installed(decoder_order())
        except WhisperctlError as error:
            return DecoderInfo(self.name, own, "FFmpeg", str(error))
        return DecoderInfo(self.name, own, f"FFmpeg {module.ffmpeg_version} on {runtime}")

    def open(self, source: Source) -> Media:
        """Open a recording; see ``whisperctl.audio.decoders.Decoder.open``."""
        from whisperctl_wasi.media.starting import Starting

        starting = Starting()
        try:
            # NumPy and the rest are loaded while the guest starts.
            from whisperctl_wasi.media.demuxer import SandboxMedia
        except BaseException:
            starting.kill()
            raise
        return SandboxMedia.open(source, starting)
