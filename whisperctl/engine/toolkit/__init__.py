"""Building blocks for backend authors: handles, the worker thread, whisper.cpp's terms."""
