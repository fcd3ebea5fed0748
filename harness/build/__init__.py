"""Firmware images: PlatformIO builds and flashes them, the ELF says what they weigh."""
