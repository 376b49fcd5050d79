"""The tty drivers of the kernel, by the numbers of their devices: which of them are serial.

A tty without a device in sysfs looks like a console or a pseudo terminal there. What it
is, its driver has told the kernel, and /proc/tty/drivers passes it on (proc_tty.c,
tty_driver.h). Which ttys there are is not known here.
"""

from typing import NamedTuple

__all__ = ("Driver", "driver_of", "parse_drivers")

_COLUMNS = 4


class Driver(NamedTuple):
    """One line of /proc/tty/drivers.

    Attributes:
        name: The driver's name.
        major: Of its devices.
        first: Its lowest minor.
        last: Its highest minor.
        kind: ``"serial"``, ``"pty"``, ``"console"`` or ``"system"``.
    """

    name: str
    major: int
    first: int
    last: int
    kind: str


def parse_drivers(text: str) -> list[Driver]:
    """Return what /proc/tty/drivers says; a line that is not understood is left out."""
    return [driver for line in text.splitlines() if (driver := _driver(line)) is not None]


def driver_of(number: tuple[int, int], drivers: list[Driver]) -> Driver | None:
    """Return the driver of the device with that number."""
    major, minor = number
    return next((each for each in drivers if each.major == major and each.first <= minor <= each.last), None)


def _driver(line: str) -> Driver | None:
    # "usbserial            /dev/ttyUSB   188 0-511 serial": a name may have blanks, the rest has none.
    columns = line.rsplit(None, _COLUMNS)
    if len(columns) <= _COLUMNS:
        return None
    name, _, major, minors, kind = columns
    first, _, last = minors.partition("-")
    try:
        return Driver(name.strip(), int(major), int(first), int(last or first), kind.partition(":")[0])
    except ValueError:
        return None
