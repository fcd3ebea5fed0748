"""Typed results in, pictures and files out: rich, JSON, JUnit, Markdown."""
