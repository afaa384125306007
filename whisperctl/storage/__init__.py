"""Files on disk: caches, state, locks, temporary files, and records as JSON."""
