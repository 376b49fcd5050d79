"""`SerialConnectable`: how to open a port, as a value that can be passed on.

How a port is opened is `_async_opening`'s; nothing is checked or kept here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, override

from anyio.abc import ByteStreamConnectable

from anyserial._async_opening import open_serial_port
from anyserial.config import SerialConfig
from anyserial.stream import SerialPort

if TYPE_CHECKING:
    import os

    from anyserial.discovery import PortInfo

__all__ = ("SerialConnectable",)


@dataclass(kw_only=True, slots=True)
class SerialConnectable(ByteStreamConnectable):
    """A path and settings, to be connected later: an AnyIO ByteStreamConnectable.

    Attributes:
        path: The device's path, or what discovery found.
        config: The settings; None for the defaults of `SerialConfig`.
    """

    path: "str | os.PathLike[str] | PortInfo"
    config: SerialConfig | None = None

    @override
    async def connect(self) -> SerialPort:
        """Open the port; as `open_serial_port`."""
        return await open_serial_port(self.path, self.config)
