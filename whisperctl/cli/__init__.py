"""The command line: one module a command; parsing and printing only.

This module turns every way a command can end into an exit code and at most one line on standard
error. It imports nothing but the standard library, so that even an interrupted start is quiet.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import stat
import sys
from types import FrameType

SUCCESS = 0
FAILED = 1
USAGE = 2
_SIGNALLED = 128
_ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
_AGAIN_S = 0.01
INTERRUPTED = 130
PIPE_CLOSED = 141

DEBUG_VARIABLE = "WHISPERCTL_DEBUG"
COMPLETION_VARIABLE = "_WHISPERCTL_COMPLETE"
"""Environment variable with a shell's request for completions."""

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


class _Terminated(BaseException):
    """Raised by a signal to terminate; unwinds the stack to close sessions and child processes."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> int:
    """Run the command that ``sys.argv`` asks for.

    Returns:
        The exit code: 0 success, 1 at least one recording failed, 2 usage error, 128 + n if
        terminated by signal n.
    """
    code = _main()
    engine_thread = sys.modules.get("whisperctl.engine.toolkit.worker_thread")
    if engine_thread is not None and engine_thread.is_detached():
        engine_thread.exit_at_once(code)  # who pressed Ctrl-C does not wait for a large model
    return code


def _main() -> int:
    try:
        _catch_signals()
        _prepare_streams()
        _keep_numpy_to_one_thread()
        code = _run(sys.argv[1:])
        # Here rather than at exit, where Python would print a traceback of its own.
        sys.stdout.flush()
        return code
    except _Terminated as error:
        return _ended_by(error.number)
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        drop_stdout()
        return PIPE_CLOSED
    except Exception as error:
        number = signal_behind(error)
        return _failed(error) if number is None else _ended_by(number)


def _keep_numpy_to_one_thread() -> None:
    """Have OpenBLAS, which NumPy loads, compute in the thread that asks.

    It computes little here, and its other threads spin for a while after each product, on a
    processor that the engine needs.
    """
    os.environ.setdefault(_BLAS_THREADS, "1")


def signal_behind(error: BaseException | None) -> int | None:
    """Return the number of the signal behind an error, if there is one.

    Cleaning up may fail because of what the signal tells of: a terminal that is closed takes
    nothing any more, which is an OSError that comes before the signal or after it.
    """
    if isinstance(error, OSError) and error.errno == errno.EIO and error.filename is None:
        with contextlib.suppress(OSError):
            if any(stat.S_ISCHR(os.fstat(number).st_mode) for number in (1, 2)):
                return int(signal.SIGHUP)
    while error is not None:
        if isinstance(error, _Terminated):
            return error.number
        error = error.__context__
    return None


def _ended_by(number: int) -> int:
    _say(f"terminated by {signal.Signals(number).name}")
    return _SIGNALLED + number


def _run(arguments: list[str]) -> int:
    if not os.environ.get(DEBUG_VARIABLE) and not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")  # libraries' notes to developers

    import typer.main

    from whisperctl.cli.app import app

    command = typer.main.get_group(app)
    if asked := os.environ.get(COMPLETION_VARIABLE):
        from whisperctl.cli import completion

        return completion.answer(command, asked)
    try:
        # Not command.main(), which has ways of its own to end on Ctrl-C and closed pipes.
        with command.make_context("whisperctl", arguments) as context:
            command.invoke(context)
    except typer.Exit as exit_:
        return exit_.exit_code
    except typer.TyperException as error:
        return _misused(error)
    return SUCCESS


def _misused(error: Exception) -> int:
    """Print a usage error on one line, or the whole help if no command was given."""
    from whisperctl.cli.support.command import is_help

    message = error.format_message() if hasattr(error, "format_message") else str(error)
    if is_help(error):  # the message is the help
        _write_stderr(message)
        return USAGE
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "whisperctl"
    text = " ".join(message.split()).rstrip(".")
    _say(f"error: {text[:1].lower()}{text[1:]}; see: {path} --help")
    return USAGE


def _failed(error: Exception) -> int:
    from whisperctl.errors import UsageError, WhisperctlError

    if os.environ.get(DEBUG_VARIABLE):
        import traceback

        _write_stderr(traceback.format_exc().rstrip())
    if isinstance(error, WhisperctlError):
        _say(f"error: {str(error) or 'no message'}")
        return USAGE if isinstance(error, UsageError) else FAILED
    # Of all that is open, only our own output is written without being told by name when it fails.
    if isinstance(error, OSError) and error.filename is None and error.errno in _FULL:
        from whisperctl.storage.files import reason

        _say(f"error: standard output cannot be written: {reason(error)}")
        drop_stdout()
        return FAILED
    _say(
        f"error: {type(error).__name__}: {str(error) or 'no message'} "
        f"(unexpected; please report it, with what {DEBUG_VARIABLE}=1 shows)"
    )
    return FAILED


def _catch_signals() -> None:
    for number in _ENDING:
        # nohup has SIGHUP ignored, which must stay so.
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _terminate)
    sys.unraisablehook = _send_again


def _terminate(number: int, frame: FrameType | None) -> None:
    for other in _ENDING:
        # A terminal that is closed sends SIGHUP twice; the second must not stop the cleaning up.
        signal.signal(other, signal.SIG_IGN)
    raise _Terminated(number)


def _send_again(unraisable: sys.UnraisableHookArgs) -> None:
    """Send a signal again that came where Python drops exceptions.

    A finalizer and a callback from C are such places: the run would go on, deaf to signals.
    """
    error = unraisable.exc_value
    if isinstance(error, _Terminated):
        number = error.number
        signal.signal(number, _terminate)
    elif isinstance(error, KeyboardInterrupt):
        number = signal.SIGINT
    else:
        sys.__unraisablehook__(unraisable)
        return
    import threading

    # Later: here it would be dropped again.
    again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()


def _prepare_streams() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # Closed by who started us. The next file that is opened would get its number, and with
            # it all that a library or a child process writes there.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    if sys.stderr is None:
        # print() would take standard output instead, and put messages into the result.
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    if sys.stdout is None:
        from whisperctl.cli.support.console import ClosedOutput

        sys.stdout = ClosedOutput()
    # A name or text that the terminal's encoding cannot show must not end a run.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")


def drop_stdout() -> None:
    """Discard buffered output, or Python complains about it at exit."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _say(text: str) -> None:
    from whisperctl.text import on_one_line

    _write_stderr(f"whisperctl: {on_one_line(text)}")


def _write_stderr(text: str) -> None:
    from whisperctl.text import visible

    with contextlib.suppress(OSError, ValueError):  # nobody reads it
        print(visible(text, prose=True), file=sys.stderr, flush=True)
