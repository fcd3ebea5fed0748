"""Pure bytes: frame codec, message types, ids. No serial port, clock, threads or logging in here."""
