"""Jobs: many recordings in one run, their results, and how a stopped run continues.

``sources`` finds recordings, ``plan`` names results and decides what to skip, ``runner`` hands
recordings to one of the ``executors``, ``journal`` keeps the work of a killed run, ``deliver``
writes results. How one recording is transcribed is in ``whisperctl.transcription``. Nothing prints.
"""
