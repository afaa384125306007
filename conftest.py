"""What holds for the tests of every distribution."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Let Ctrl-C reach the tests and what they start.

    A shell that starts them in the background has them ignore it, and so would every child.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
