"""Fuzzing of the firmware's receive path and session; `python -m tests.firmware.fuzz --help`."""
