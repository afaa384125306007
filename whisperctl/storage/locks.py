"""Locks on open files, which end with the process that holds them."""

from __future__ import annotations


def take(descriptor: int) -> None:
    """Take a file's lock at once; nothing where the system has none.

    Raises:
        OSError: another process has it, or the file system has no locks.
    """
    try:
        import fcntl
    except ImportError:  # no POSIX system
        return
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
