"""Ways to run a job: in this process, or in worker processes."""
