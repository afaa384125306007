"""Subtitles: cues and their layout, styles, converting a file into another format, and lint.

``layout`` turns segments into cues for the writers of ``whisperctl.formats``, ``document`` holds
what their readers found, and ``lint`` checks it. Formats themselves are not in here.
"""
