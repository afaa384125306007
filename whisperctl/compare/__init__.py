"""Runs one recording on several engines, each in a process of its own, and compares the results."""
