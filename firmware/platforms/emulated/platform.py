"""The local PlatformIO platform for emulated boards. It needs no package: compilers come from the system's PATH."""

from platformio.platform.base import PlatformBase


class EmulatedPlatform(PlatformBase):
    """Found by PlatformIO by its name (EmulatedPlatform)."""
