"""No Arduino core: the firmware's own POSIX platform file takes its place (builder/main.py)."""
