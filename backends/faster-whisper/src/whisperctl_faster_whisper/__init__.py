"""The faster-whisper backend: Whisper on CTranslate2."""
