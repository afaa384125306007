"""The process of a guest, which can start before it is known what the guest is.

Nothing heavy is imported here: the sooner the process starts, the more of its start takes place
while the host imports the rest.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from typing import Self

from whisperctl.errors import GuestError

DISTRIBUTIONS = {"wasmer": "wasmer-sdk", "wasmtime": "wasmtime"}
"""The runtimes in order of preference, and the distribution that each comes in."""

CHILD = "whisperctl_wasi.host.child"
"""The module that the process of a guest runs."""


class Process:
    """A process that loads a runtime and then waits for its order, until it is killed.

    ``popen`` has its streams, which are the guest's. ``control`` is the host's end of the socket
    that ``whisperctl_wasi.host.child`` describes; when it closes, the process ends.

    Args:
        runtime: ``"wasmtime"`` or ``"wasmer"``.

    Raises:
        GuestError: the system cannot start a process.
    """

    def __init__(self, runtime: str) -> None:
        self.runtime = runtime
        self.control, theirs = map(_above_streams, socket.socketpair())
        try:
            self.popen = subprocess.Popen(  # noqa: S603 - our own module
                # -P, or modules of the current directory would come before the installed ones.
                [sys.executable, "-P", "-m", CHILD, str(theirs.fileno()), runtime],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(theirs.fileno(),),
                bufsize=0,
                # Ctrl-C is for the host, which stops the guest as it likes.
                start_new_session=True,
            )
        except OSError as error:
            self.control.close()
            raise GuestError(f"cannot start a process for the sandbox: {error.strerror}") from error
        finally:
            theirs.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def kill(self) -> None:
        """Stop a process that no guest took, and release everything."""
        with self.popen as popen:
            popen.kill()
        self.control.close()


def _above_streams(end: socket.socket) -> socket.socket:
    """A socket whose number is not a standard stream's, which it may be where those are closed."""
    if end.fileno() > 2:
        return end
    import fcntl

    with end:
        return socket.socket(fileno=fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 3))
