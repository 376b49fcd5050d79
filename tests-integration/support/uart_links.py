"""The two 16550A UARTs of the virtual machine, joined by a null modem, under the kernel's 8250 driver.

They are PCI cards. What the driver wrote into one is read back from its registers, and pulling
one out is taking it from its driver, which is what the removal of a PCI card comes to.
"""

import os
import time
from pathlib import Path

from serial_links import PATIENCE, Programmed, TtyLink

__all__ = ("UartLink",)

DRIVER = Path("/sys/bus/pci/drivers/serial")
NEAR, FAR = "0000:00:10.0", "0000:00:11.0"  # where the machine puts them
CLOCK = 115200  # baud at divisor 1
DLL, DLM, LCR, MCR = 0, 1, 3, 4  # registers of a 16550A
DLAB, SET_BREAK, PARITY = 0x80, 0x40, 0x08
PARITIES = {0x08: "odd", 0x18: "even", 0x28: "mark", 0x38: "space"}


class UartLink(TtyLink):
    """A UART of the machine with the other one at its far end."""

    def __init__(self) -> None:
        super().__init__("8250", node(NEAR), node(FAR))
        start = (DRIVER.parent.parent / "devices" / NEAR / "resource").read_text().split()[0]
        self._registers = int(start, 16)

    def programmed(self) -> Programmed:
        """What the registers of the port under test say."""
        fd = os.open("/dev/port", os.O_RDWR | os.O_CLOEXEC)
        try:
            control = self._read(fd, LCR)
            self._write(fd, LCR, control | DLAB)
            divisor = self._read(fd, DLL) | self._read(fd, DLM) << 8
            self._write(fd, LCR, control & ~DLAB)
        finally:
            os.close(fd)
        stop = "1" if not control & 0x04 else "1.5" if control & 0x03 == 0 else "2"
        # The driver sets the bit for even parity also where there is none.
        parity = PARITIES[control & 0x38] if control & PARITY else "none"
        return Programmed(CLOCK // divisor, str(5 + (control & 0x03)), parity, stop)

    def sending_break(self) -> bool:
        """Whether the port under test holds its line in break."""
        fd = os.open("/dev/port", os.O_RDWR | os.O_CLOEXEC)
        try:
            return bool(self._read(fd, LCR) & SET_BREAK)
        finally:
            os.close(fd)

    def _read(self, fd: int, register: int) -> int:
        return os.pread(fd, 1, self._registers + register)[0]

    def _write(self, fd: int, register: int, value: int) -> None:
        os.pwrite(fd, bytes([value]), self._registers + register)

    def reset(self) -> None:
        if not (DRIVER / NEAR).exists():
            self.plug()
        super().reset()

    def unplug(self) -> None:
        (DRIVER / "unbind").write_text(NEAR)

    def plug(self) -> None:
        (DRIVER / "bind").write_text(NEAR)
        self._path = node(NEAR)


def node(device: str, timeout: float = PATIENCE) -> str:
    """The tty of a PCI device, once its node exists."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        # Linux puts the serial core's own devices between the two from 6.6 on.
        for found in (DRIVER.parent.parent / "devices" / device).glob("**/tty/ttyS*"):
            path = Path("/dev", found.name)
            if path.exists():
                return str(path)
        time.sleep(0.01)
    raise TimeoutError(f"no tty for the UART at {device}")
