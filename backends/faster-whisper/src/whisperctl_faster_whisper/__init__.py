"""whisperctl's faster-whisper backend: Whisper on CTranslate2, from the same ggml models."""

from whisperctl_faster_whisper.backend import FasterWhisperBackend

__all__ = ["FasterWhisperBackend"]
