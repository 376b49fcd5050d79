"""What pySerial keeps in mixins of `Serial` that differ between platforms."""

import termios
from typing import ClassVar

__all__ = ("PlatformSpecific", "PlatformSpecificBase")


class PlatformSpecificBase:
    """The rates that termios has a name for. Any other rate works as well where the driver can make it."""

    BAUDRATE_CONSTANTS: ClassVar[dict[int, int]] = {
        int(name[1:]): getattr(termios, name) for name in dir(termios) if name[0] == "B" and name[1:].isdigit()
    }

    def set_low_latency_mode(self, low_latency_settings: bool) -> None:
        """Refuse: only `Serial` can ask a driver."""
        raise NotImplementedError("only an open Serial has a low latency mode")


class PlatformSpecific(PlatformSpecificBase):
    """The mixin of this platform; anyserial's drivers know the differences."""
