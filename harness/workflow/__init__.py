"""The jobs, as library functions that the command line and pytest both call."""
