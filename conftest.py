"""What holds for the tests of every distribution."""

from __future__ import annotations

import os
import signal

# Threads of OpenMP that wait for others spin, and where two tests share a processor they would keep
# from running the one they wait for. Read when the library is loaded, here and in what tests start.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def pytest_configure() -> None:
    """Let Ctrl-C reach the tests and what they start.

    A shell that starts them in the background has them ignore it, and so would every child.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
