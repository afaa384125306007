"""Prints where a transcription's time goes, by operation and shape, with modules built for that.

Usage: python wasm-build/profiling.py MODEL MEDIA [RUNTIME] [THREADS]

MODEL is a model's name or file, RUNTIME wasmtime or wasmer. Run by ``make profile``. (Not called
profile, which is a module of Python's own that others import.)
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import build
import compiler
import source
from whisperctl import audio
from whisperctl.engine.protocol import Model, OpenOptions
from whisperctl.errors import WhisperctlError
from whisperctl.models import store
from whisperctl.options import DecodeOptions
from whisperctl_wasi import modules, session


def profiling_module(build_dir: Path) -> modules.Module:
    """The module with threads, built to time itself, below ``build_dir``."""
    name = f"profile/{modules.THREADS}"
    build.build(build_dir, build_dir, jobs=2, only=[name], profile=True)
    path = build_dir / f"{name}.wasm"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return modules.Module(path, digest, "")


def main(model: str, media: str, runtime: str = "wasmtime", threads: str = "1") -> None:
    """Runs one greedy transcription in English and prints the table."""
    opened = Model.inspect(store.resolve(model))
    module = profiling_module(source.DEFAULT_BUILD_DIR)
    options = DecodeOptions(language="en", beam_size=1)
    with session.WasiSession(module, opened, OpenOptions(int(threads), runtime)) as running:
        print(running.transcribe(audio.load(Path(media)), options).phases)
        guest = running.guest
    # The guest prints its table when it ends by itself, which it does when the session closes.
    print(guest.errors)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:5])
    except (WhisperctlError, compiler.BuildError, source.SourceError) as error:
        sys.exit(f"profile: error: {error}")
