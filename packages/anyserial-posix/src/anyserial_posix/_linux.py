"""Linux: the kernel's own numbers, per architecture (asm/termbits.h, asm/ioctls.h, linux/serial.h).

Tables, and one way out. Each number is compared with the kernel's headers by tools/check_abi.py.
What the driver does with them is not decided here.
"""

import os
from typing import Final, override

from anyserial.capabilities import Capability, SerialCapabilities

from anyserial_posix._baudrate import GENERIC_CODES, POWERPC_CODES, SPARC_CODES
from anyserial_posix._ioctl import Ioctls, ModemBits
from anyserial_posix._tables import Layout, Platform
from anyserial_posix._termios import Flags

__all__ = ("CAPABILITIES", "DISCIPLINES", "FAMILIES", "family_of", "platform")

CAPABILITIES = SerialCapabilities(
    platform="linux",
    backend="posix",
    custom_baudrate=Capability.SUPPORTED,
    mark_space_parity=Capability.SUPPORTED,
    one_point_five_stop_bits=Capability.UNKNOWN,
    xon_xoff=Capability.SUPPORTED,
    rts_cts=Capability.SUPPORTED,
    dtr_dsr=Capability.UNSUPPORTED,
    modem_lines=Capability.SUPPORTED,
    break_signal=Capability.SUPPORTED,
    exclusive_access=Capability.SUPPORTED,
    low_latency=Capability.UNKNOWN,
    rs485=Capability.UNKNOWN,
    input_waiting=Capability.SUPPORTED,
    output_waiting=Capability.SUPPORTED,
    port_discovery=Capability.SUPPORTED,
)

_GENERIC_FLAGS = Flags(
    inpck=0x10,
    parmrk=0x8,
    istrip=0x20,
    inlcr=0x40,
    igncr=0x80,
    icrnl=0x100,
    iuclc=0x200,
    ixon=0x400,
    ixoff=0x1000,
    csize=0x30,
    cs5=0x00,
    cs6=0x10,
    cs7=0x20,
    cs8=0x30,
    cstopb=0x40,
    cread=0x80,
    parenb=0x100,
    parodd=0x200,
    hupcl=0x400,
    clocal=0x800,
    crtscts=0x80000000,
    isig=0x1,
    icanon=0x2,
    echo=0x8,
    cmspar=0x40000000,
    cbaud=0x100F,
    cibaud=0x100F0000,
    bother=0x1000,
    vmin=6,
    vtime=5,
    vstart=8,
    vstop=9,
)
_GENERIC_IOCTLS = Ioctls(
    tcgets=0x802C542A,
    tcsets=0x402C542B,
    fionread=0x541B,
    tiocoutq=0x5411,
    tiocexcl=0x540C,
    tiocnxcl=0x540D,
    tiocmget=0x5415,
    tiocmset=0x5418,
    tiocmbis=0x5416,
    tiocmbic=0x5417,
    tiocsbrk=0x5427,
    tioccbrk=0x5428,
    tiocgexcl=0x80045440,
    tiocgetd=0x5424,
    tiocgicount=0x545D,
    tiocsergetlsr=0x5459,
    tiocgserial=0x541E,
    tiocsserial=0x541F,
    tiocgrs485=0x542E,
    tiocsrs485=0x542F,
)
_MIPS_IOCTLS = Ioctls(
    tcgets=0x4030542A,
    tcsets=0x8030542B,
    fionread=0x467F,
    tiocoutq=0x7472,
    tiocexcl=0x740D,
    tiocnxcl=0x740E,
    tiocmget=0x741D,
    tiocmset=0x741A,
    tiocmbis=0x741B,
    tiocmbic=0x741C,
    tiocsbrk=0x5427,
    tioccbrk=0x5428,
    tiocgexcl=0x40045440,
    tiocgetd=0x7400,
    tiocgicount=0x5492,
    tiocsergetlsr=0x548E,
    tiocgserial=0x5484,
    tiocsserial=0x5485,
    tiocgrs485=0x4020542E,
    tiocsrs485=0xC020542F,
)
_POWERPC_FLAGS = _GENERIC_FLAGS._replace(
    iuclc=0x1000,
    ixon=0x200,
    ixoff=0x400,
    csize=0x300,
    cs6=0x100,
    cs7=0x200,
    cs8=0x300,
    cstopb=0x400,
    cread=0x800,
    parenb=0x1000,
    parodd=0x2000,
    hupcl=0x4000,
    clocal=0x8000,
    isig=0x80,
    icanon=0x100,
    cbaud=0xFF,
    cibaud=0xFF0000,
    bother=0x1F,
    vmin=5,
    vtime=7,
    vstart=13,
    vstop=14,
)
_POWERPC_IOCTLS = Ioctls(
    # No TCGETS2 there: its struct termios holds the speeds itself.
    tcgets=0x402C7413,
    tcsets=0x802C7414,
    fionread=0x4004667F,
    tiocoutq=0x40047473,
    tiocexcl=0x540C,
    tiocnxcl=0x540D,
    tiocmget=0x5415,
    tiocmset=0x5418,
    tiocmbis=0x5416,
    tiocmbic=0x5417,
    tiocsbrk=0x5427,
    tioccbrk=0x5428,
    tiocgexcl=0x40045440,
    tiocgetd=0x5424,
    tiocgicount=0x545D,
    tiocsergetlsr=0x5459,
    tiocgserial=0x541E,
    tiocsserial=0x541F,
    tiocgrs485=0x542E,
    tiocsrs485=0x542F,
)
_SPARC_IOCTLS = Ioctls(
    tcgets=0x402C540C,
    tcsets=0x802C540D,
    fionread=0x4004667F,
    tiocoutq=0x40047473,
    tiocexcl=0x2000740D,
    tiocnxcl=0x2000740E,
    tiocmget=0x4004746A,
    tiocmset=0x8004746D,
    tiocmbis=0x8004746C,
    tiocmbic=0x8004746B,
    tiocsbrk=0x2000747B,
    tioccbrk=0x2000747A,
    tiocgexcl=0x40045440,
    tiocgetd=0x40047400,
    tiocgicount=0x545D,
    tiocsergetlsr=0x5459,
    tiocgserial=0x541E,
    tiocsserial=0x541F,
    tiocgrs485=0x40205441,
    tiocsrs485=0xC0205442,
)

# UNIX98 and BSD pty slaves (Documentation/admin-guide/devices.txt).
_PTY_MAJORS = frozenset({3, *range(136, 144)})
# /dev/ptmx, which is /dev/pts/ptmx too.
_PTY_MAKERS = frozenset({os.makedev(5, 2)})
# /dev/tty, /dev/console, and the virtual consoles.
_TERMINALS = frozenset({os.makedev(5, 0), os.makedev(5, 1), *(os.makedev(4, minor) for minor in range(64))})
# ftdi_sio's answer to TIOCSERGETLSR is up to a latency timer old, and says "empty" while the chip
# still has what was just written; its tcdrain asks the chip (ftdi_tx_empty).
_USB_SERIAL_MAJORS = frozenset({188})
# N_TTY and N_PPS, which times DCD and else is N_TTY (drivers/pps/clients/pps-ldisc.c).
_READABLE: Final = frozenset({0, 18})
# The others of linux/tty.h.
DISCIPLINES: Final = {
    1: "SLIP",
    2: "mouse",
    3: "PPP",
    4: "STRIP",
    5: "AX.25",
    6: "X.25",
    7: "6PACK",
    8: "Mobitex",
    9: "R3964",
    10: "Profibus",
    11: "IrDA",
    12: "SMS block",
    13: "HDLC",
    14: "synchronous PPP",
    15: "Bluetooth HCI",
    16: "Gigaset",
    17: "SLCAN",
    19: "V.253",
    20: "CAIF",
    21: "GSM multiplexer",
    22: "TI wireless",
    23: "trace sink",
    24: "trace router",
    25: "NFC",
    26: "speech output",
    27: "null",
    28: "MCTP",
    29: "development",
    30: "CAN 327",
}


class _Linux(Platform):
    """Linux, and what only looks like it."""

    @override
    def discipline(self, number: int) -> str | None:
        return None if number in _READABLE else self.disciplines.get(number, f"number {number}")

    @override
    def simpler(self) -> Platform:
        # qemu's user mode and gVisor have no TCGETS2. The C library makes do with TCGETS there.
        from anyserial_posix import _generic  # noqa: PLC0415  # rarely needed

        return _generic.platform("linux")


FAMILIES = {
    "generic": _Linux(
        name="linux",
        flags=_GENERIC_FLAGS,
        ioctls=_GENERIC_IOCTLS,
        modem=ModemBits(),
        layout=Layout("=4IB19s2I", line="before"),
        capabilities=CAPABILITIES,
        pty_majors=_PTY_MAJORS,
        cached_transmitter_majors=_USB_SERIAL_MAJORS,
        disciplines=DISCIPLINES,
        pty_makers=_PTY_MAKERS,
        terminals=_TERMINALS,
        rate_codes=GENERIC_CODES,
    ),
    "mips": _Linux(
        name="linux",
        flags=_GENERIC_FLAGS._replace(vmin=4),
        ioctls=_MIPS_IOCTLS,
        modem=ModemBits(cts=0x40, cd=0x100, ri=0x200, dsr=0x400),
        layout=Layout("=4IB23s2I", line="before"),
        capabilities=CAPABILITIES,
        pty_majors=_PTY_MAJORS,
        cached_transmitter_majors=_USB_SERIAL_MAJORS,
        disciplines=DISCIPLINES,
        pty_makers=_PTY_MAKERS,
        terminals=_TERMINALS,
        rate_codes=GENERIC_CODES,
    ),
    "powerpc": _Linux(
        name="linux",
        flags=_POWERPC_FLAGS,
        ioctls=_POWERPC_IOCTLS,
        modem=ModemBits(),
        layout=Layout("=4I19sB2I", line="after"),
        capabilities=CAPABILITIES,
        pty_majors=_PTY_MAJORS,
        cached_transmitter_majors=_USB_SERIAL_MAJORS,
        disciplines=DISCIPLINES,
        pty_makers=_PTY_MAKERS,
        terminals=_TERMINALS,
        rate_codes=POWERPC_CODES,
    ),
    "sparc": _Linux(
        name="linux",
        flags=_GENERIC_FLAGS._replace(vmin=4),
        ioctls=_SPARC_IOCTLS,
        modem=ModemBits(),
        layout=Layout("=4IB19s2I", line="before"),
        capabilities=CAPABILITIES,
        pty_majors=_PTY_MAJORS,
        cached_transmitter_majors=_USB_SERIAL_MAJORS,
        disciplines=DISCIPLINES,
        pty_makers=_PTY_MAKERS,
        terminals=_TERMINALS,
        rate_codes=SPARC_CODES,
    ),
}

# By the start of `os.uname().machine`. Architectures that are not here (alpha, parisc, sh,
# xtensa) have numbers of their own, which nothing here has checked.
_MACHINES = (
    ("mips", "mips"),
    ("ppc", "powerpc"),
    ("sparc", "sparc"),
    ("x86_64", "generic"),
    ("i386", "generic"),
    ("i486", "generic"),
    ("i586", "generic"),
    ("i686", "generic"),
    ("arm", "generic"),
    ("aarch64", "generic"),
    ("riscv", "generic"),
    ("s390", "generic"),
    ("loongarch", "generic"),
)


def family_of(machine: str) -> str | None:
    """Return the name of the table for a machine (``os.uname().machine``), None if there is none."""
    return next((family for start, family in _MACHINES if machine.startswith(start)), None)


def platform(machine: str) -> Platform | None:
    """Return the tables for a machine, None if there are none."""
    family = family_of(machine)
    return None if family is None else FAMILIES[family]
