"""``socket://``: the bytes of a TCP connection, and nothing else of a serial port.

Settings and lines are kept and have no effect, as with pySerial: a program that sets them works.
"""

from typing import override

from anyserial_sync._pyserial._network_port import LOGGER_LEVELS, NetworkSerial
from anyserial_sync._pyserial.serialutil import (
    PortNotOpenError,
    SerialBase,
    SerialException,
    SerialTimeoutException,
    Timeout,
    to_bytes,
)

__all__ = (
    "LOGGER_LEVELS",
    "PortNotOpenError",
    "Serial",
    "SerialBase",
    "SerialException",
    "SerialTimeoutException",
    "Timeout",
    "to_bytes",
)


class Serial(NetworkSerial):
    """A TCP connection with pySerial's methods, ``socket://host:port``."""

    _scheme = "socket"

    def _check_open(self) -> None:
        self._opened_link()

    @override
    def fileno(self) -> int:
        """Return the socket's descriptor, for waiting. From then on, no read takes more from it than it returns.

        Raises:
            PortNotOpenError: The port is not open.
        """
        link = self._opened_link()
        self._descriptor_is_shared = True
        return link.share_socket()

    @override
    def _reconfigure_port(self, force_update: bool = False) -> None:
        self._check_open()

    @override
    def _update_rts_state(self) -> None:
        self._check_open()

    @override
    def _update_dtr_state(self) -> None:
        self._check_open()

    @override
    def _update_break_state(self) -> None:
        self._check_open()

    @override
    def send_break(self, duration: float = 0.25) -> None:
        """Do nothing: there is no break over TCP.

        Raises:
            PortNotOpenError: The port is not open.
        """
        self._check_open()

    @property
    @override
    def cts(self) -> bool:
        """Always True."""
        self._check_open()
        return True

    @property
    @override
    def dsr(self) -> bool:
        """Always True."""
        self._check_open()
        return True

    @property
    @override
    def ri(self) -> bool:
        """Always False."""
        self._check_open()
        return False

    @property
    @override
    def cd(self) -> bool:
        """Always True."""
        self._check_open()
        return True
