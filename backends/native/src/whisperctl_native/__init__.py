"""whisperctl's native backend: whisper.cpp as machine code, through pywhispercpp."""

import os

from whisperctl_native.backend import NativeBackend

# ggml reads it when it is loaded: with it, an abort starts no debugger.
os.environ.setdefault("GGML_NO_BACKTRACE", "1")

__all__ = ["NativeBackend"]
