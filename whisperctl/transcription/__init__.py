"""From a recording of any length to a transcript: everything around the engine.

A recording is read chunk by chunk, each chunk goes through the engine, and what comes back is put
in the recording's own time, checked and joined. See ``options``, ``checkpoint``, ``transcriber``.
"""
