"""Hardware-in-the-loop test harness for recurrent models on microcontrollers."""

__version__ = "0.1.0"
