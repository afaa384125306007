"""The Dask executor: recordings transcribed by the workers of a cluster.

The coordinator is the process that a person starts. It alone writes journals and results. Each
worker of the cluster does one recording at a time, in a child process of its own that keeps the
model loaded; that child is ``whisperctl.jobs.executors.processes``, so a crash, a cancelled
recording or a limit of memory costs a child, and never the worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whisperctl import __version__
from whisperctl.jobs.executors import CONTRACT, ExecutorInfo, ExecutorOptions
from whisperctl.jobs.job import Job

if TYPE_CHECKING:
    from whisperctl_dask.executor import DaskExecution

_ADDRESS = "//HOST:PORT or a scheduler file, and options such as ?priority=5"


class DaskExecutor:
    """See ``whisperctl.jobs.executors.Executor``."""

    name = "dask"
    contract = CONTRACT

    def describe(self) -> ExecutorInfo:
        """Describe it; Dask is not imported for this."""
        return ExecutorInfo(
            __version__,
            parallel=True,
            cancels=True,
            limits_memory=True,
            address=_ADDRESS,
            compares=True,
        )

    def open(self, job: Job, options: ExecutorOptions) -> DaskExecution:
        """Connect to a cluster, or start one."""
        from whisperctl_dask.executor import DaskExecution

        return DaskExecution(job, options)
