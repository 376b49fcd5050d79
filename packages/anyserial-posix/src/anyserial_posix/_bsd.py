"""FreeBSD, NetBSD and OpenBSD: sys/termios.h, sys/ttycom.h and sys/filio.h.

Tables only, compared with the platforms' headers by tools/check_abi.py. A rate is its own
number here. Nothing here counts line errors, has an RS-485 mode or a low latency flag.
"""

from typing import Final

from anyserial.capabilities import Capability, SerialCapabilities

from anyserial_posix._ioctl import Ioctls, ModemBits
from anyserial_posix._tables import Layout, Platform
from anyserial_posix._termios import Flags

__all__ = ("BSD_IOCTLS", "DISCIPLINES", "PLATFORMS", "READ_LIMIT", "SPLIT_FLOW_FLAGS", "bsd_capabilities")

# 4.4BSD's bits, which macOS has too.
BSD_FLAGS = Flags(
    inpck=0x10,
    parmrk=0x8,
    istrip=0x20,
    inlcr=0x40,
    igncr=0x80,
    icrnl=0x100,
    ixon=0x200,
    ixoff=0x400,
    csize=0x300,
    cs5=0x000,
    cs6=0x100,
    cs7=0x200,
    cs8=0x300,
    cstopb=0x400,
    cread=0x800,
    parenb=0x1000,
    parodd=0x2000,
    hupcl=0x4000,
    clocal=0x8000,
    crtscts=0x10000,
    isig=0x80,
    icanon=0x100,
    echo=0x8,
    vmin=16,
    vtime=17,
    vstart=12,
    vstop=13,
)
# CCTS_OFLOW and CRTS_IFLOW; CDTR_IFLOW and CDSR_OFLOW.
SPLIT_FLOW_FLAGS = BSD_FLAGS._replace(crtscts=0x30000, dtr_dsr=0xC0000)

BSD_IOCTLS = Ioctls(
    tcgets=0x402C7413,
    tcsets=0x802C7414,
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
    tiocgetd=0x4004741A,
)
# sys/ttycom.h; NMEA and other time sources (OpenBSD) pass on what they see, and FreeBSD has none any more.
DISCIPLINES: Final = {4: "SLIP", 5: "PPP"}
# A terminal's input queue is at most this long there (sys/kern/tty*.c, TTYBUF or TTYHOG).
READ_LIMIT = 16384


def bsd_capabilities(platform: str, *, dtr_dsr: Capability) -> SerialCapabilities:
    """Return what the BSDs have in common."""
    return SerialCapabilities(
        platform=platform,
        backend="posix",
        custom_baudrate=Capability.UNKNOWN,
        mark_space_parity=Capability.UNSUPPORTED,
        one_point_five_stop_bits=Capability.UNKNOWN,
        xon_xoff=Capability.SUPPORTED,
        rts_cts=Capability.SUPPORTED,
        dtr_dsr=dtr_dsr,
        modem_lines=Capability.SUPPORTED,
        break_signal=Capability.SUPPORTED,
        exclusive_access=Capability.SUPPORTED,
        low_latency=Capability.UNSUPPORTED,
        rs485=Capability.UNSUPPORTED,
        input_waiting=Capability.SUPPORTED,
        output_waiting=Capability.SUPPORTED,
        port_discovery=Capability.SUPPORTED,
    )


def _platform(name: str, flags: Flags) -> Platform:
    dtr_dsr = Capability.UNKNOWN if flags.dtr_dsr else Capability.UNSUPPORTED
    return Platform(
        name=name,
        flags=flags,
        ioctls=BSD_IOCTLS,
        modem=ModemBits(),
        layout=Layout("=4I20s2I"),
        capabilities=bsd_capabilities(name, dtr_dsr=dtr_dsr),
        disciplines=DISCIPLINES,
        read_limit=READ_LIMIT,
    )


# By the start of `sys.platform`, which ends in the release's major number on FreeBSD and OpenBSD.
PLATFORMS = {
    "freebsd": _platform("freebsd", SPLIT_FLOW_FLAGS),
    "netbsd": _platform("netbsd", BSD_FLAGS),
    "openbsd": _platform("openbsd", BSD_FLAGS._replace(iuclc=0x1000)),
}
