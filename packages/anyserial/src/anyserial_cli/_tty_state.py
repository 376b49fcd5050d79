"""The state of a tty as its driver has it, read and never set.

`anyserial.open_serial_port` cannot serve here: opening a port there applies a configuration.
"""

import fcntl
import os
import struct
import termios
from typing import Any

__all__ = ("read_state",)

_RATES = {getattr(termios, name): int(name[1:]) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()}
_SIZES = {termios.CS5: 5, termios.CS6: 6, termios.CS7: 7, termios.CS8: 8}
_CMSPAR = getattr(termios, "CMSPAR", 0o10000000000)  # <asm-generic/termbits.h>; "stick" parity
_TIOCGICOUNT = 0x545D  # Linux <asm-generic/ioctls.h>
# struct serial_icounter_struct, <linux/serial.h>
_COUNTERS = ("cts", "dsr", "rng", "dcd", "rx", "tx", "frame", "overrun", "parity", "brk", "buf_overrun")
_LINES = ("CTS", "DSR", "RI", "CD", "RTS", "DTR")


def read_state(path: str) -> dict[str, Any]:
    """Open the tty at *path*, read its settings, lines and counters, and close it.

    Nothing is set. The kernel raises DTR and RTS when it opens a tty that nobody has open.

    Raises:
        OSError: It cannot be opened, or is no tty.
    """
    fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return {"settings": _settings(fd, path), "lines": _lines(fd), "counters": _counters(fd)}
    finally:
        os.close(fd)


def _settings(fd: int, path: str) -> str:
    try:
        iflag, _, cflag, lflag, _, speed, _ = termios.tcgetattr(fd)
    except termios.error as exc:
        raise OSError(exc.args[0], "this is no serial port", path) from None
    parity = "N"
    if cflag & termios.PARENB:
        odd = bool(cflag & termios.PARODD)
        parity = ("M" if odd else "S") if cflag & _CMSPAR else ("O" if odd else "E")
    rate = _RATES.get(speed)
    stop = 2 if cflag & termios.CSTOPB else 1
    words = ["a rate of its own" if rate is None else str(rate), f"{_SIZES[cflag & termios.CSIZE]}{parity}{stop}"]
    words += ["rtscts"] if cflag & termios.CRTSCTS else []
    words += ["xonxoff"] if iflag & (termios.IXON | termios.IXOFF) else []
    words += ["hangup on close"] if cflag & termios.HUPCL else []
    words += ["canonical (cooked)"] if lflag & termios.ICANON else ["raw"]
    return ", ".join(words)


def _lines(fd: int) -> dict[str, bool] | None:
    try:
        (bits,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCMGET, bytes(4)))
    except OSError:
        return None
    return {name: bool(bits & getattr(termios, f"TIOCM_{name}")) for name in _LINES}


def _counters(fd: int) -> dict[str, int] | None:
    size = struct.calcsize("20i")
    try:
        values = struct.unpack("20i", fcntl.ioctl(fd, _TIOCGICOUNT, bytes(size)))
    except OSError:
        return None  # also on other systems, where the request is not known
    return dict(zip(_COUNTERS, values, strict=False))
