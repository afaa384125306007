"""Comparison of engines and models on the same recordings, each run in a separate process."""
