"""Transcription of one recording of any length: everything around the engine.

``transcriber`` opens an engine and transcribes with it. ``run`` is one run over one recording, with
its checkpoints: ``chunking`` cuts the recording, ``chunk_decoder`` has the engine decode each chunk
in the language that ``spoken_language`` found, and retries what ``repetition`` holds back; then the
segments pass the ``stages``. ``quality`` warns of suspicious transcripts. Reading files is the part
of ``audio``, writing them of ``formats``, and many recordings of ``jobs``.
"""
