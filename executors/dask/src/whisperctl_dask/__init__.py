"""The Dask executor: recordings transcribed by the workers of a cluster.

The coordinator is the process that a person starts. It alone writes journals and results. Each
worker of the cluster does one recording at a time, in a child process of its own that keeps the
model loaded; that child is ``whisperctl.jobs.executors.processes``, so a crash, a cancelled
recording or a limit of memory costs a child, and never the worker.
"""

from whisperctl_dask.executor import DaskExecutor

__all__ = ["DaskExecutor"]
