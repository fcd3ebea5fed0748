"""The boards room, with real processes, ptys and kernel locks."""
