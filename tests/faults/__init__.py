"""Fault injection between the real session and the real host firmware; `python -m tests.faults --help`."""
