"""Builds the firmware for this computer; `upload` hands it to the desk (../desk.py), noting port and speed."""

from SCons.Script import AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
env.Replace(
    CC="cc",
    CXX="c++",
    LINK="$CXX",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SRC_FILTER=["+<main.cpp>", "+<platform/posix.cpp>"],
    SIZETOOL="",
)
env.Append(
    CCFLAGS=["-O1", "-ffunction-sections", "-fdata-sections"],
    CXXFLAGS=["-std=gnu++11", "-fno-exceptions", "-fno-rtti"],
    LINKFLAGS=["-Wl,--gc-sections"],
    LIBS=["m"],
)
image = env.BuildProgram()
# A word at a time, as the real platform gives them to esptool.
note = 'echo "--port $UPLOAD_PORT --baud $UPLOAD_SPEED" >>"$$HIL_TEST_DESK/uploads"'
put = 'cp $SOURCE "$$HIL_TEST_DESK/new.elf" && mv "$$HIL_TEST_DESK/new.elf" "$$HIL_TEST_DESK/firmware.elf"'
upload = env.VerboseAction(f"{note} && {put}", "Uploading $SOURCE")
env.AddPlatformTarget("upload", image, upload, "Upload")
AlwaysBuild(env.Alias("nobuild", image))
Default(image)
