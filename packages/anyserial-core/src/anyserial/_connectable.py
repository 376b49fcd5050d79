"""`SerialConnectable`: how to open a port, as a value that can be passed on."""

from dataclasses import dataclass
from typing import override

from anyio.abc import ByteStreamConnectable

from anyserial._open import open_serial_port
from anyserial.config import SerialConfig
from anyserial.stream import SerialPort

__all__ = ("SerialConnectable",)


@dataclass(kw_only=True, slots=True)
class SerialConnectable(ByteStreamConnectable):
    """A path and settings, to be connected later: an AnyIO ByteStreamConnectable.

    Attributes:
        path: The device's path.
        config: The settings; None for the defaults of `SerialConfig`.
    """

    path: str
    config: SerialConfig | None = None

    @override
    async def connect(self) -> SerialPort:
        """Open the port; as `open_serial_port`."""
        return await open_serial_port(self.path, self.config)
