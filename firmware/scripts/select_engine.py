"""PlatformIO pre-script: links the one engine library that `HIL_ENGINE` or `custom_hil_engine` names.

Nothing in the sources includes a header of the engine (the session knows only hil_engine.h), so PlatformIO's library
finder would not find it by itself.
"""

import os

Import("env")  # noqa: F821  (SCons puts it here)

PREFIX = "hil_engine_"
# What an engine's library asks of the compiler beyond the firmware's own C++11.
CXX_STANDARD = {"tflm": "gnu++17"}
# As in upstream's release builds. Structures of TFLM differ with the first: engine and library must agree. Without the
# second, more of the arenas that are too small end in abort() instead of a message.
DEFINES = {"tflm": ["TF_LITE_STATIC_MEMORY", "NDEBUG"]}
section = "env:" + env["PIOENV"]  # noqa: F821
config = env.GetProjectConfig()  # noqa: F821
engine = os.environ.get("HIL_ENGINE") or config.get(section, "custom_hil_engine")
library = PREFIX + engine
folders = [config.get("platformio", "lib_dir"), *config.get(section, "lib_extra_dirs", [])]
known = {name for folder in folders if os.path.isdir(folder) for name in os.listdir(folder) if name.startswith(PREFIX)}
if library not in known:
    print(f"Error: no engine library {library} in {', '.join(folders)} (there: {', '.join(sorted(known)) or 'none'})")
    env.Exit(1)  # noqa: F821
config.set(section, "lib_deps", [*config.get(section, "lib_deps", []), library])
config.set(section, "lib_ignore", [*config.get(section, "lib_ignore", []), *sorted(known - {library})])
if engine in CXX_STANDARD:
    env["HIL_CXX_STANDARD"] = CXX_STANDARD[engine]  # noqa: F821
env.Append(CPPDEFINES=DEFINES.get(engine, []))  # noqa: F821
