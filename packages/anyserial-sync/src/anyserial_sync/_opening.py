"""Opening a port: from a path and settings to a blocking `SerialPort`.

How the port then waits is not known here.
"""

from typing import TYPE_CHECKING

from anyserial._spi import Opening, held

from anyserial_sync._bell import Bell
from anyserial_sync._runner import wait_for
from anyserial_sync._serial_port import SerialPort
from anyserial_sync._timeouts import deadline_of

if TYPE_CHECKING:
    import os

    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("open_port", "open_serial_port")


def open_serial_port(
    path: "str | os.PathLike[str] | PortInfo",
    config: "SerialConfig | None" = None,
    *,
    backend: "SerialBackend | AsyncSerialBackend | None" = None,
    timeout: float | None = None,
) -> SerialPort:
    """Open a serial port.

    The tty is opened raw, without becoming the controlling terminal, and set as
    *config* says; what was received before is kept unless the config says otherwise.

    Args:
        path: The device's path (``"/dev/ttyUSB0"``, a by-id link), or what discovery found.
        config: The settings; None for 115200 baud, 8N1, no flow control.
        backend: An unopened backend to use in place of the platform's own.
        timeout: Seconds that it may take; None for as long as the driver does.

    Returns:
        The open port; use it with ``with``.

    Raises:
        TimeoutError: It was not open in time. Nothing is left open, unless the driver's open goes on
            for longer than `SerialConfig.close_timeout` after that: a thread then closes the port later.
        PortNotFoundError: There is no such device.
        PortPermissionError: This user may not open it.
        PortBusyError: Somebody holds it exclusively.
        UnsupportedConfigurationError: The driver refuses a setting.
        UnsupportedFeatureError: The platform lacks a mechanism that *config* asks for.
        UnsupportedPlatformError: anyserial has no driver for this operating system.
        SerialError: It is no serial port, or the system refused for another reason.
        ImportError: The distribution with the platform's driver is not installed.
        TypeError: An argument is none of those.
        ValueError: *timeout* is negative or no number.
    """
    return open_port(SerialPort, path, config, backend, timeout=timeout)


def open_port[P: SerialPort](
    cls: type[P],
    path: "str | os.PathLike[str] | PortInfo",
    config: "SerialConfig | None" = None,
    backend: "SerialBackend | AsyncSerialBackend | None" = None,
    *,
    timeout: float | None = None,
) -> P:
    """Open a port as an instance of *cls*; the rest as `open_serial_port`."""
    deadline = deadline_of(timeout)
    opening = Opening(path, config, backend)
    if opening.waits_itself:
        from anyserial_sync._portal import open_in_portal  # noqa: PLC0415  # few ports need it, and it is slow to import

        return open_in_portal(cls, opening, deadline)
    bell = Bell()
    with held():
        try:
            job = opening.begin(bell.wake)
            wait_for(job, bell, deadline, opening.device)
            job.take()
            return opening.make(cls)
        except BaseException:
            if opening.may_be_open:
                undone = Bell()
                opening.give_up(undone.wake)
                undone.wait(opening.patience)
            raise
