"""What the tests of the faster-whisper backend share."""
