"""`SerialConnectable`: how to open a port, as a value that can be passed on.

How a port is opened is `_async_opening`'s; nothing is checked or kept here.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack, override

from anyio.abc import ByteStreamConnectable

from anyserial._async_opening import open_port
from anyserial._opening import settled
from anyserial.config import SerialConfig
from anyserial.stream import SerialPort

if TYPE_CHECKING:
    import os

    from anyserial._opener import Opener
    from anyserial.config import SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("SerialConnectable",)


@dataclass(kw_only=True, slots=True, init=False)
class SerialConnectable(ByteStreamConnectable):
    """A path and settings, to be connected later: an AnyIO ByteStreamConnectable.

    Attributes:
        path: The device's path, or what discovery found.
        config: The settings; None for the defaults of `SerialConfig`.
    """

    path: "str | os.PathLike[str] | PortInfo"
    config: SerialConfig | None = None

    def __init__(
        self,
        *,
        path: "str | os.PathLike[str] | PortInfo",
        config: SerialConfig | None = None,
        **config_fields: "Unpack[SerialConfigFields]",
    ) -> None:
        """Take what to open, and how.

        Args:
            path: The device's path, or what discovery found.
            config: The settings; None for the defaults of `SerialConfig`.
            **config_fields: Fields of `SerialConfig`; they override those of *config*.

        Raises:
            ConfigurationError: A field is not valid.
            TypeError: There is no such field, or *config* is not a SerialConfig.
        """
        self.path = path
        self.config = settled(config, config_fields) if config_fields else config

    @override
    def connect(self) -> "Opener[SerialPort]":  # pyright: ignore[reportIncompatibleMethodOverride]  # a coroutine as well
        """Open the port; as `open_serial_port`, so the result can be awaited or entered."""
        return open_port(SerialPort, "SerialConnectable.connect", self.path, settled(self.config, {}))
