"""A PlatformIO platform that poses as Espressif's, for a computer that can't download it."""

from platformio.platform.base import PlatformBase


class Espressif32Platform(PlatformBase):
    """Found by PlatformIO by its name."""
