"""The line to one device: bytes (port), reliable frames (window), one conversation (session)."""
