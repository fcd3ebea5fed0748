"""Interruptions of a run in words, the same in every report."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.record import InterruptionRecord

_MOST_NAMED = 5


def interruption_text(interruptions: Sequence[InterruptionRecord], vectors: int) -> str:
    """ "interrupted once: restart (brown-out) after 37 of 100 vectors"; "" if there were none. Untrusted text."""
    if not interruptions:
        return ""
    each = [f"{i.kind} ({i.reason}) after {i.after_vectors} of {vectors} vectors" for i in interruptions[:_MOST_NAMED]]
    more = len(interruptions) - len(each)
    times = "once" if len(interruptions) == 1 else f"{len(interruptions)} times"
    return f"interrupted {times}: {', '.join(each)}" + (f" and {more} more" if more else "")
