"""Prints where a transcription's time goes, by operation and shape, with modules built for that.

Usage: python wasm-build/tests/profile.py MODEL MEDIA [RUNTIME] [THREADS]
"""

from __future__ import annotations

import hashlib
import sys
import time
from pathlib import Path

WASM_BUILD = Path(__file__).resolve().parents[1]
BUILD_DIR = WASM_BUILD.parent / "build/wasm"

sys.path.insert(0, str(WASM_BUILD))

import build  # noqa: E402

from whisperctl import audio, decoding  # noqa: E402
from whisperctl_wasi import modules, session  # noqa: E402
from whisperctl_wasi.backend import guest_class  # noqa: E402
from whisperctl_wasi.guest import Guest  # noqa: E402


def main(model: str, media: str, runtime: str = "wasmtime", threads: str = "1") -> None:
    """Builds the modules, runs one greedy transcription in one, and prints its table."""
    folder = BUILD_DIR / "profile"
    folder.mkdir(parents=True, exist_ok=True)
    build.build(folder, BUILD_DIR, jobs=2, profile=True)
    path = folder / f"{modules.THREADS}.wasm"
    module = modules.Module(
        modules.THREADS, path, hashlib.sha256(path.read_bytes()).hexdigest(), ""
    )
    guests: list[Guest] = []
    runtime_class: type[Guest] = guest_class(runtime)

    class PrintingGuest(runtime_class):  # type: ignore[misc, valid-type]  # chosen at run time
        def __init__(self, module: modules.Module) -> None:
            super().__init__(module)
            guests.append(self)

        def _on_stderr(self, data: bytes) -> None:
            sys.stdout.write(data.decode("utf-8", "replace"))

    running = session.WasiSession(PrintingGuest, module, Path(model), threads=int(threads))
    transcript = running.transcribe(
        audio.load(Path(media)), decoding.DecodeOptions(strategy="greedy", language="en")
    )
    print(transcript.timings)
    # The table is printed by a guest that ends by itself, when its input does.
    guests[0].finish()
    time.sleep(0.1)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:5])
