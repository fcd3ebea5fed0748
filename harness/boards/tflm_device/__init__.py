"""The board `host-tflm`: the real TensorFlow Lite for Microcontrollers on this computer, behind the wire protocol.

`python -m harness.boards.tflm_device SLOT_DIR` with the master side of a pty as standard input and output runs the
image in SLOT_DIR. A supervisor imports the runtime once and forks the device; a crash of TFLM restarts the device in
milliseconds as a hard fault restarts a microcontroller.
"""
