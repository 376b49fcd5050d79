"""`SerialConnectable`: how to open a port, as a value that can be passed on.

It has a module of its own because few programs need it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Unpack

from anyserial._spi import settled

from anyserial_sync._opening import open_port
from anyserial_sync._serial_port import SerialPort

if TYPE_CHECKING:
    import os

    from anyserial.config import SerialConfig, SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("SerialConnectable",)


@dataclass(kw_only=True, slots=True, init=False)
class SerialConnectable:
    """A path and settings to connect to later; the blocking twin of `anyserial.SerialConnectable`.

    Attributes:
        path: The device's path, or what discovery found.
        config: The settings; None for the defaults of `SerialConfig`.
    """

    path: "str | os.PathLike[str] | PortInfo"
    config: "SerialConfig | None" = None

    def __init__(
        self,
        *,
        path: "str | os.PathLike[str] | PortInfo",
        config: "SerialConfig | None" = None,
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

    def connect(self, *, timeout: float | None = None, default_timeout: float | None = None) -> SerialPort:
        """Open the port; as `open_serial_port`.

        Args:
            timeout: Seconds that the opening may take; None waits for the driver without limit.
            default_timeout: Seconds for each later call that has no ``timeout`` of its own.
        """
        config = settled(self.config, {})
        return open_port(SerialPort, self.path, config, timeout=timeout, default_timeout=default_timeout)
