"""The link against its line, and against two other ways to talk to a device over the same line."""
