"""What holds for a whole command line."""

from __future__ import annotations

import os
from dataclasses import dataclass, field


def _debug_from_environment() -> bool:
    return os.environ.get("HIL_DEBUG", "") not in ("", "0")


@dataclass
class Settings:
    """The click context's object.

    Attributes:
        debug: show the traceback of an error.
    """

    debug: bool = field(default_factory=_debug_from_environment)
