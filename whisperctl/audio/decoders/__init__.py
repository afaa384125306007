"""Decoders of media files: libsndfile, and FFmpeg through PyAV."""
