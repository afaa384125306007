"""Files on disk: atomic writes, locks, temporary files, the user's directories, JSON records."""
