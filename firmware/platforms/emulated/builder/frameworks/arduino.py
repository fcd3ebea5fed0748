"""The Arduino AVR core as Debian packages it (arduino-core-avr), built as a library."""

import os
import sys

from SCons.Script import DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
root = board.get("build.arduino_dir")
core = os.path.join(root, "cores", board.get("build.core"))
variant = os.path.join(root, "variants", board.get("build.variant"))
if not os.path.isdir(core):
    sys.stderr.write(f"Error: no Arduino core in {core}: install arduino-core-avr, or set board_build.arduino_dir\n")
    env.Exit(1)

env.Append(
    CPPDEFINES=[
        ("ARDUINO", 10819),
        "ARDUINO_ARCH_AVR",
        # gcc-avr 5.4 has only the reserved spelling of what the core's Stream.cpp asks for.
        ("DECIMAL_DIG", "__DECIMAL_DIG__"),
    ],
    CPPPATH=[core, variant],
    LIBSOURCE_DIRS=[os.path.join(root, "libraries")],
)
core_env = env.Clone()
# Other people's code: its warnings are not ours to mend, and it needs -fpermissive as its own build has it.
core_env.Append(CCFLAGS=["-w"], CXXFLAGS=["-fpermissive"])
env.Prepend(LIBS=[core_env.BuildLibrary(os.path.join("$BUILD_DIR", "FrameworkArduino"), core)])
