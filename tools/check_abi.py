"""Compare the driver's numbers with what each platform's own C headers give, compiled.

    uv run --group abi tools/check_abi.py [--verbose]

For every target a C file asserts each ioctl number, termios bit, structure size and field offset
that `anyserial_posix` has in its tables, and the absence of what the tables leave out; clang
(the one in the ziglang package, whose headers come with it) judges it. Nothing is linked or run.
Which numbers there are is read from the tables, so that a new one without its C name is an error.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from anyserial_posix import _darwin, _ioctl
from anyserial_posix._baudrate import DARWIN_RATES
from anyserial_posix._platform import platform_for

if TYPE_CHECKING:
    from anyserial_posix._tables import Layout, Platform

# This one is wrong on purpose: a target on which it goes unnoticed has not been checked.
CANARY = "canary"

LINUX_HEADERS = ("asm/termbits.h", "asm/ioctls.h", "asm/termios.h", "linux/serial.h")
BSD_HEADERS = ("sys/types.h", "sys/ioctl.h", "sys/termios.h", "sys/errno.h")

FLAGS = {
    "inpck": "INPCK",
    "parmrk": "PARMRK",
    "istrip": "ISTRIP",
    "inlcr": "INLCR",
    "igncr": "IGNCR",
    "icrnl": "ICRNL",
    "iuclc": "IUCLC",
    "ixon": "IXON",
    "ixoff": "IXOFF",
    "csize": "CSIZE",
    "cs5": "CS5",
    "cs6": "CS6",
    "cs7": "CS7",
    "cs8": "CS8",
    "cstopb": "CSTOPB",
    "cread": "CREAD",
    "parenb": "PARENB",
    "parodd": "PARODD",
    "hupcl": "HUPCL",
    "clocal": "CLOCAL",
    "crtscts": "CRTSCTS",
    "isig": "ISIG",
    "icanon": "ICANON",
    "echo": "ECHO",
    "vmin": "VMIN",
    "vtime": "VTIME",
    "vstart": "VSTART",
    "vstop": "VSTOP",
    "cmspar": "CMSPAR",
    "dtr_dsr": "CDTR_IFLOW | CDSR_OFLOW",
    "cbaud": "CBAUD",
    "cibaud": "CIBAUD",
    "bother": "BOTHER",
}
# Not what Linux calls TCGETS, which has no room for odd rates; see `names_of`.
IOCTLS = {name: name.upper() for name in _ioctl.Ioctls._fields}
MODEM = {
    "dtr": "TIOCM_DTR",
    "rts": "TIOCM_RTS",
    "cts": "TIOCM_CTS",
    "cd": "TIOCM_CAR",
    "ri": "TIOCM_RNG",
    "dsr": "TIOCM_DSR",
}
COUNTERS = ("cts", "dsr", "rng", "dcd", "rx", "tx", "frame", "overrun", "parity", "brk", "buf_overrun")
FIELDS = ("c_iflag", "c_oflag", "c_cflag", "c_lflag")
SPEEDS = ("c_ispeed", "c_ospeed")

type Claim = tuple[str, str]
"""A label, and the C condition that it stands for."""


class Target(NamedTuple):
    """What is compiled for whom: clang's triple, Python's names for the platform, ziglang's header folders."""

    triple: str
    system: str
    machine: str
    folders: tuple[str, ...]


def _linux(triple: str, machine: str, folder: str) -> Target:
    return Target(triple, "linux", machine, (f"{folder}-linux-any", "any-linux-any"))


TARGETS = (
    _linux("x86_64-linux-gnu", "x86_64", "x86"),
    _linux("i686-linux-gnu", "i686", "x86"),
    _linux("aarch64-linux-gnu", "aarch64", "aarch64"),
    _linux("arm-linux-gnueabihf", "armv7l", "arm"),
    _linux("powerpc64le-linux-gnu", "ppc64le", "powerpc"),
    _linux("powerpc-linux-gnu", "ppc", "powerpc"),
    _linux("mips-linux-gnu", "mips", "mips"),
    _linux("mips64-linux-gnuabi64", "mips64", "mips"),
    _linux("sparc64-linux-gnu", "sparc64", "sparc"),
    _linux("riscv64-linux-gnu", "riscv64", "riscv"),
    _linux("s390x-linux-gnu", "s390x", "s390x"),
    _linux("loongarch64-linux-gnu", "loongarch64", "loongarch"),
    Target("arm64-apple-macos13", "darwin", "arm64", ("any-darwin-any",)),
    Target("x86_64-apple-macos13", "darwin", "x86_64", ("any-darwin-any",)),
    Target("x86_64-unknown-freebsd14", "freebsd14", "amd64", ("x86_64-freebsd-none", "generic-freebsd")),
    Target("aarch64-unknown-freebsd14", "freebsd14", "arm64", ("aarch64-freebsd-none", "generic-freebsd")),
    Target("x86_64-unknown-netbsd10", "netbsd10", "amd64", ("x86_64-netbsd-none", "generic-netbsd")),
    Target("aarch64-unknown-netbsd10", "netbsd10", "evbarm", ("aarch64-netbsd-none", "generic-netbsd")),
    Target("x86_64-unknown-openbsd7", "openbsd7", "amd64", ("x86_64-openbsd-none", "generic-openbsd")),
    Target("aarch64-unknown-openbsd7", "openbsd7", "arm64", ("aarch64-openbsd-none", "generic-openbsd")),
)


def claims(target: Target) -> Iterator[Claim]:
    """Yield everything that the driver takes for true on a target."""
    platform = platform_for(target.system, target.machine)
    yield from _flag_claims(platform)
    ioctls = IOCTLS | names_of(target)
    for name, number in platform.ioctls._asdict().items():
        yield _claim(ioctls[name], number)
    for name, bit in platform.modem._asdict().items():
        yield _claim(MODEM[name], bit)
    structure = "struct termios2" if target.system == "linux" and "termios" not in ioctls else "struct termios"
    yield from _layout_claims(platform.layout, structure, sparc=target.machine.startswith("sparc"))
    yield _claim("sizeof(int)", _ioctl.INT_SIZE)
    if target.system == "linux":
        yield from _linux_claims(platform)
    else:
        rates = DARWIN_RATES if target.system == "darwin" else frozenset({50, 9600, 115200, 230400})
        for rate in sorted(rates):
            yield _claim(f"B{rate}", rate)
    if target.system == "darwin":
        # IOKit/serial/ioss.h, which a C toolchain without Xcode does not have, defines it as this.
        yield _claim("_IOW('T', 2, speed_t)", _darwin.IOSSIOSPEED)
        yield _claim("sizeof(speed_t)", _darwin.SPEED.size)
        yield _claim("EDEVERR", _darwin.EDEVERR)


def names_of(target: Target) -> dict[str, str]:
    """Return the C names of the requests that read and set the whole termios structure."""
    if target.system != "linux":
        return {"tcgets": "TIOCGETA", "tcsets": "TIOCSETA"}
    if target.machine.startswith("ppc"):
        return {"tcgets": "TCGETS", "tcsets": "TCSETS", "termios": "struct termios"}
    return {"tcgets": "TCGETS2", "tcsets": "TCSETS2"}


def _flag_claims(platform: "Platform") -> Iterator[Claim]:
    for name, value in platform.flags._asdict().items():
        if name != "cs5" and value == 0:
            for part in FLAGS[name].split(" | "):
                yield _claim(part, None)
        else:
            yield _claim(FLAGS[name], value)


def _layout_claims(layout: "Layout", structure: str, *, sparc: bool) -> Iterator[Claim]:
    sizes = [
        (kind, size)
        for count, kind in re.findall(r"(\d*)([a-zA-Z])", layout.struct.format)
        for size in _field_sizes(int(count or 1), kind)
    ]
    middle = {"before": ("c_line", "c_cc"), "after": ("c_cc", "c_line"), None: ("c_cc",)}[layout.line]
    names = iter((*FIELDS, *middle, *SPEEDS))
    offset = 0
    for kind, size in sizes:
        if kind != "x":
            name = next(names)
            yield _claim(f"__builtin_offsetof({structure}, {name})", offset)
            # On sparc VMIN and VTIME share places with VEOF and VEOL, and the header counts c_cc without them.
            if not (name == "c_cc" and sparc):
                yield _claim(f"sizeof((({structure} *)0)->{name})", size)
        offset += size
    yield _claim(f"sizeof({structure})", layout.struct.size)


def _field_sizes(count: int, kind: str) -> list[int]:
    return [count] if kind in "sx" else [{"B": 1, "I": 4, "Q": 8}[kind]] * count


def _linux_claims(platform: "Platform") -> Iterator[Claim]:
    for rate, code in platform.rate_codes.items():
        yield _claim(f"B{rate}", code)
    yield _claim("sizeof(struct serial_icounter_struct)", _ioctl.ICOUNTER.size)
    for index, field in enumerate(COUNTERS):
        yield _claim(f"__builtin_offsetof(struct serial_icounter_struct, {field})", index * _ioctl.INT_SIZE)
    yield "SERIAL_STRUCT_SIZE", f"sizeof(struct serial_struct) <= {_ioctl.SERIAL_STRUCT_SIZE}"
    yield _claim("__builtin_offsetof(struct serial_struct, flags)", _ioctl.SERIAL_FLAGS_OFFSET)
    yield _claim("__builtin_offsetof(struct serial_struct, custom_divisor)", _ioctl.SERIAL_DIVISOR_OFFSET)
    yield _claim("ASYNC_LOW_LATENCY", _ioctl.ASYNC_LOW_LATENCY)
    yield _claim("ASYNC_SPD_MASK", _ioctl.ASYNC_SPD_MASK)
    yield _claim("sizeof(struct serial_rs485)", _ioctl.RS485.size)
    for index, field in enumerate(("flags", "delay_rts_before_send", "delay_rts_after_send")):
        yield _claim(f"__builtin_offsetof(struct serial_rs485, {field})", index * _ioctl.INT_SIZE)
    for name in dir(_ioctl):
        if name.startswith(("SER_RS485_", "TIOCSER_")):
            yield _claim(name, getattr(_ioctl, name))


def _claim(name: str, value: int | None) -> Claim:
    """Return the claim that *name* has a value, or with None that the headers do not define it."""
    return (f"{name} is not defined", name) if value is None else (f"{name} == {value:#x}", f"({name}) == {value:#x}u")


def source(headers: tuple[str, ...], made: list[Claim]) -> str:
    """Return the C file."""
    lines = [f"#include <{header}>" for header in headers]
    for number, (label, condition) in enumerate(made):
        if label.endswith(" is not defined"):
            lines += [f"#ifdef {condition}", f'_Static_assert(0, "claim {number};");', "#endif"]
        else:
            lines.append(f'_Static_assert({condition}, "claim {number};");')
    lines.append(f'_Static_assert(sizeof(int) == 0, "{CANARY}");')
    return "\n".join((*lines, ""))


def check(target: Target, package: Path) -> tuple[int, list[str]]:
    """Return how many claims were judged, and what is wrong."""
    made = list(claims(target))
    headers = LINUX_HEADERS if target.system == "linux" else BSD_HEADERS
    folders = [package / "lib" / "libc" / "include" / folder for folder in target.folders]
    missing = [str(folder.name) for folder in folders if not folder.is_dir()]
    if missing:
        return 0, [f"ziglang has no headers {', '.join(missing)}"]
    command = [str(package / "zig"), "clang", "-target", target.triple, "-nostdinc", "-fsyntax-only", "-ferror-limit=0"]
    for folder in (package / "lib" / "include", *folders):
        command += ["-isystem", str(folder)]
    done = subprocess.run(
        [*command, "-x", "c", "-"], input=source(headers, made), capture_output=True, text=True, check=False
    )
    wrong: list[str] = []
    canary = False
    for line in done.stderr.splitlines():
        if "error:" not in line:
            continue
        number = re.search(r": claim (\d+);$", line)
        if number:
            wrong.append(f"{made[int(number[1])][0]}: not so ({line.partition('requirement ')[2]})")
        elif line.endswith(CANARY):
            canary = True
        else:
            wrong.append(line)
    if not canary:
        wrong.append(f"the compiler did not notice a false claim: {done.stderr[-500:]}")
    return len(made), wrong


def main() -> int:
    """Check every target; the exit status is 1 if any number is wrong."""
    parser = argparse.ArgumentParser(description="compare the driver's numbers with the platforms' C headers")
    parser.add_argument("--verbose", action="store_true", help="print every claim")
    arguments = parser.parse_args()
    found = find_spec("ziglang")
    if found is None or found.origin is None:
        print("the C compiler is not installed: uv run --group abi tools/check_abi.py", file=sys.stderr)
        return 2
    package = Path(found.origin).parent
    failed = False
    for target in TARGETS:
        count, wrong = check(target, package)
        print(f"{target.triple}: {count} numbers, {len(wrong)} wrong")
        if arguments.verbose:
            for label, _ in claims(target):
                print(f"    {label}")
        for text in wrong:
            print(f"    {text}", file=sys.stderr)
        failed = failed or bool(wrong)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
