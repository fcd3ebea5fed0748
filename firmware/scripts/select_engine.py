"""PlatformIO pre-script: links the one engine library that `HIL_ENGINE` or `custom_hil_engine` names.

Nothing in the sources includes a header of the engine (the session knows only hil_engine.h), so PlatformIO's library
finder would not find it by itself.
"""

import json
import os

Import("env")

PREFIX = "hil_engine_"
# What an engine's library asks of the compiler beyond the firmware's own C++11.
CXX_STANDARD = {"tflm": "gnu++17"}
# As in a release build. TFLM: without it, more of the arenas that are too small end in abort() instead of a message.
DEFINES = {"tflm": ["NDEBUG"]}
# A library of the user's that brings this header is the engine's.
HEADERS = {"tflm": os.path.join("tensorflow", "lite", "micro", "micro_interpreter.h")}
MACROS = ("-DTF_LITE_", "-DUSE_TFLM_")


def macros_of_library(header, folders):
    """Macros of TFLM that the library with `header` sets for itself in library.json.

    They decide how its structures look (TF_LITE_STATIC_MEMORY), so the engine, which PlatformIO would compile without
    them, needs the same.
    """
    for library in (os.path.join(folder, name) for folder in folders for name in sorted(os.listdir(folder))):
        manifest = os.path.join(library, "library.json")
        headers = (os.path.join(library, at, header) for at in ("", "src"))
        if not os.path.isfile(manifest) or not any(map(os.path.isfile, headers)):
            continue
        with open(manifest, encoding="utf-8") as stream:
            flags = json.load(stream).get("build", {}).get("flags", [])
        words = flags.split() if isinstance(flags, str) else [word for flag in flags for word in flag.split()]
        return [tuple(word[2:].split("=", 1)) for word in words if word.startswith(MACROS)]
    return []


section = "env:" + env["PIOENV"]
config = env.GetProjectConfig()
engine = os.environ.get("HIL_ENGINE") or config.get(section, "custom_hil_engine")
library = PREFIX + engine
folders = [config.get("platformio", "lib_dir"), *config.get(section, "lib_extra_dirs", [])]
known = {name for folder in folders if os.path.isdir(folder) for name in os.listdir(folder) if name.startswith(PREFIX)}
if library not in known:
    print(f"Error: no engine library {library} in {', '.join(folders)} (there: {', '.join(sorted(known)) or 'none'})")
    env.Exit(1)
config.set(section, "lib_deps", [*config.get(section, "lib_deps", []), library])
config.set(section, "lib_ignore", [*config.get(section, "lib_ignore", []), *sorted(known - {library})])
if engine in CXX_STANDARD:
    env["HIL_CXX_STANDARD"] = CXX_STANDARD[engine]
defines = DEFINES.get(engine, [])
if engine in HEADERS:
    extra = [folder for folder in config.get(section, "lib_extra_dirs", []) if os.path.isdir(folder)]
    defines = [*defines, *macros_of_library(HEADERS[engine], extra)]
env.Append(CPPDEFINES=defines)
