"""`SerialConnectable`: how to open a port, as a value that can be passed on; apart, since few programs need it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyserial_sync._opening import open_serial_port

if TYPE_CHECKING:
    import os

    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

    from anyserial_sync._serial_port import SerialPort

__all__ = ("SerialConnectable",)


@dataclass(kw_only=True, slots=True)
class SerialConnectable:
    """A path and settings, to be connected later; the blocking twin of `anyserial.SerialConnectable`.

    Attributes:
        path: The device's path, or what discovery found.
        config: The settings; None for the defaults of `SerialConfig`.
    """

    path: "str | os.PathLike[str] | PortInfo"
    config: "SerialConfig | None" = None

    def connect(self, *, timeout: float | None = None) -> "SerialPort":
        """Open the port; as `open_serial_port`.

        Args:
            timeout: Seconds that it may take; None for as long as the driver does.
        """
        return open_serial_port(self.path, self.config, timeout=timeout)
