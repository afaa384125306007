"""whisperctl's native backend: whisper.cpp as machine code, through pywhispercpp."""

from whisperctl_native.backend import NativeBackend

__all__ = ["NativeBackend"]
