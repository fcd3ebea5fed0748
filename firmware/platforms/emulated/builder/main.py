"""SCons build script of the emulated platform: compilers by board, the program, an `upload` that fills a flash slot.

An emulated board's flash is a directory (`upload_port`): firmware.elf, and build_id, the hex id of the build that the
environment variable HIL_BUILD_ID names. build_id is there only while it belongs to the ELF beside it.
"""

import os
import shutil
import tempfile

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Default, DefaultEnvironment

env = DefaultEnvironment()
board = env.BoardConfig()
mcu = board.get("build.mcu")

CORTEX_M4F = ["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]
AVR = ["-mmcu=" + mcu]
RISCV_MARCH = "-march=" + board.get("build.march", "")
RV32 = [RISCV_MARCH, "-mabi=ilp32", "-mcmodel=medany", "--specs=picolibc.specs"]
# The work directory and the project's place must not show in the image: the same inputs give the same bytes anywhere.
# gcc-avr 5.4 has no -ffile-prefix-map; its debug information is all that names a directory.
PREFIX_MAP = "-fdebug-prefix-map" if board.get("build.toolchain") == "avr" else "-ffile-prefix-map"
SAME_ANYWHERE = [
    PREFIX_MAP + "=" + env.subst("$PROJECT_WORKSPACE_DIR") + "=work",
    PREFIX_MAP + "=" + env.subst("$PROJECT_DIR") + "=firmware",
    *(PREFIX_MAP + "=" + folder + "=lib" for folder in env.GetProjectOption("lib_extra_dirs", [])),
]

# prefix of the tools' names, flags of compiler and linker alike, optimisation, further linker flags
TOOLCHAINS = {
    "host": ("", [], "-O2", []),
    # -nostartfiles: start-up is src/platform/stm32f405_startup.cpp. No nosys.specs: nothing here needs a system
    # call, and a library that does must fail to link rather than get a stub.
    "arm": ("arm-none-eabi-", CORTEX_M4F, "-O2", ["-nostartfiles", "--specs=nano.specs"]),
    "avr": ("avr-", AVR, "-Os", []),
    # Start-up is src/platform/esp32c3_startup.cpp, fe310_startup.cpp.
    "riscv": ("riscv64-unknown-elf-", RV32, "-O2", ["-nostartfiles"]),
}
prefix, machine, optimise, link = TOOLCHAINS[board.get("build.toolchain")]

env.Replace(
    AR=prefix + "ar",
    AS=prefix + "as",
    CC=prefix + ("gcc" if prefix else "cc"),
    CXX=prefix + ("g++" if prefix else "c++"),
    LINK="$CXX",
    OBJCOPY=prefix + "objcopy",
    RANLIB=prefix + "ranlib",
    SIZETOOL=prefix + "size",
    ARFLAGS=["rcD"],
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    SIZEPRINTCMD="$SIZETOOL -B -d $SOURCES",
)
if board.get("build.toolchain") == "host":
    # The size of a program of this computer has no limit to check against.
    env.Replace(SIZETOOL="", SIZEPRINTCMD="")
env.Append(
    CCFLAGS=[*machine, optimise, "-g", "-ffunction-sections", "-fdata-sections", *SAME_ANYWHERE],
    CFLAGS=["-std=gnu11"],
    # The firmware is C++11; the library of an engine may need more (scripts/select_engine.py).
    CXXFLAGS=[
        "-std=" + env.get("HIL_CXX_STANDARD", "gnu++11"),
        "-fno-exceptions",
        "-fno-rtti",
        "-fno-threadsafe-statics",
    ],
    ASFLAGS=[*machine, "-x", "assembler-with-cpp"],
    LINKFLAGS=[*machine, optimise, "-Wl,--gc-sections", *link],
    LIBS=["m"],
    CPPDEFINES=[("F_CPU", "$BOARD_F_CPU")] if board.get("build.toolchain") != "host" else [],
)

if board.get("build.toolchain") == "riscv":
    # The later -march wins. Not for the linker, which finds no C library by that name.
    env.Append(CCFLAGS=[RISCV_MARCH + "_zicsr"], ASFLAGS=[RISCV_MARCH + "_zicsr"])
    # There is no C++ library for it, and the firmware needs none; g++ would ask for one.
    env.Replace(LINK="$CC")

image = "$BUILD_DIR/${PROGNAME}.elf" if "nobuild" in COMMAND_LINE_TARGETS else env.BuildProgram()


def fill_slot(target, source, env):
    """Puts the image into the flash slot; a reader sees the old image or the new, never a part."""
    slot = env.subst("$UPLOAD_PORT")
    if not slot or not os.path.isdir(slot):
        print(f"Error: upload_port must name an emulated board's flash slot directory, not {slot!r}")
        return 1
    image_path = str(source[0])
    build_id_path = os.path.join(slot, "build_id")
    if os.path.exists(build_id_path):
        os.unlink(build_id_path)
    descriptor, temporary = tempfile.mkstemp(prefix=".firmware.", dir=slot)
    os.close(descriptor)
    shutil.copyfile(image_path, temporary)
    os.chmod(temporary, 0o755)
    os.replace(temporary, os.path.join(slot, "firmware.elf"))
    build_id = os.environ.get("HIL_BUILD_ID", "")
    if build_id:
        with open(temporary, "w", encoding="ascii") as stream:
            stream.write(build_id + "\n")
        os.replace(temporary, build_id_path)
    print(f"Flash slot {slot} holds {os.path.getsize(image_path)} bytes")
    return 0


upload = env.VerboseAction(fill_slot, "Filling the flash slot with $SOURCE")
if board.get("upload.protocol", "") == "esptool":
    # As on a chip: a real uploader talks to a boot loader on a serial port, which this board's simulator has too.
    ESPTOOL = '"$PYTHONEXE" -m esptool --chip ' + mcu
    upload = [
        env.VerboseAction(ESPTOOL + " elf2image $ESP_IMAGE_FLAGS -o $ESP_IMAGE $SOURCE", "Making an image of $SOURCE"),
        env.VerboseAction(ESPTOOL + " $ESP_UPLOAD_FLAGS", "Uploading $ESP_IMAGE"),
    ]
    env.Replace(
        ESP_IMAGE="$BUILD_DIR/${PROGNAME}.bin",
        ESP_IMAGE_FLAGS=["--flash-mode", "dio", "--flash-freq", "40m", "--flash-size", "4MB"],
        # A pty has no DTR and RTS to reset with: the simulator is put into its loader and started by other means.
        # The loader is the chip's own, in ROM: no stub is put into its RAM. The ROM loads the image from offset 0.
        ESP_UPLOAD_FLAGS=[
            *("--port", '"$UPLOAD_PORT"', "--baud", "$UPLOAD_SPEED", "--before", "no-reset", "--after", "no-reset"),
            *("--connect-attempts", "3"),
            *("--no-stub", "write-flash", "0x0", "$ESP_IMAGE"),
        ],
    )

AlwaysBuild(env.Alias("nobuild", image))
env.AddPlatformTarget("size", image, env.VerboseAction("$SIZEPRINTCMD", "Calculating size $SOURCE"), "Program Size")
env.AddPlatformTarget("upload", image, upload, "Upload")
Default(image)
