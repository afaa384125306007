"""Subtitle files that exist: reading them, turning one format into another, checking them.

``reading.read`` gives segments whatever the format; ``convert`` writes them with the writers of
``whisperctl.formats``; ``lint`` says what is wrong with them.
"""
