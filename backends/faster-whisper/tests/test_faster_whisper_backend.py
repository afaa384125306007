"""The faster-whisper backend."""

from whisperctl.engines import OPTIONAL


def test_the_package_is_known_by_name() -> None:
    assert OPTIONAL["faster-whisper"] == "whisperctl-faster-whisper"
