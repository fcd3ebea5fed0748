"""An ESP32-C3 in a process of its own: its mask ROM's boot loader and the chip that runs what was flashed.

`emulator.py` is the harness's side. The process (`python -m harness.boards.esp32c3_sim`) has the line as standard input
and output and takes power, reset and boot-mode commands over a socket (`control.py`): a pty has no DTR and RTS lines.
"""
