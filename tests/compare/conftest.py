"""Hypothesis without a deadline: how long an example takes on a busy machine is no property of the code."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
