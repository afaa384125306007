"""The record that a build leaves beside the modules."""

from __future__ import annotations

from pathlib import Path

import pytest

from whisperctl.errors import BackendError
from whisperctl_wasi import modules


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 100_000,
        b'{"whisper": "1", "ffmpeg": "5", "modules": []}',
        b'{"whisper": "1", "ffmpeg": "5", "modules": {}}',
        b'{"whisper": "1", "ffmpeg": "5", "modules": {"media": {"sha256": 1}}}',
    ],
    ids=lambda record: record[:60],
)
def test_a_record_that_describes_no_module_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: bytes
) -> None:
    monkeypatch.setattr(modules, "__file__", str(tmp_path / "modules.py"))
    (tmp_path / "media.wasm").write_bytes(b"\0asm")
    (tmp_path / "build.json").write_bytes(record)

    with pytest.raises(BackendError) as caught:
        modules.media()

    assert str(caught.value) == (
        "build.json does not describe media.wasm: install the whisperctl-wasi wheel again, or run "
        "`make wasm` in a checkout"
    )


def test_a_package_without_its_modules_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "__file__", str(tmp_path / "modules.py"))
    said = r"^media\.wasm is missing from the installed package; install "
    with pytest.raises(BackendError, match=said):
        modules.media()
    (tmp_path / "build.json").write_bytes(b"[]")
    with pytest.raises(BackendError, match=said):
        modules.media()
