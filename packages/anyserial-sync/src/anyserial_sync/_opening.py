"""Opening a port: from a path and settings to a blocking `SerialPort`.

How the open port waits is not known here.
"""

from typing import TYPE_CHECKING, Unpack

from anyserial._spi import Opening, check_timeout, held, limited, loading, settled

from anyserial_sync._bell import Bell
from anyserial_sync._runner import wait_for
from anyserial_sync._serial_port import SerialPort
from anyserial_sync._timeouts import deadline_of

if TYPE_CHECKING:
    import os

    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig, SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("open_port", "open_serial_port")


def open_serial_port(
    path: "str | os.PathLike[str] | PortInfo",
    config: "SerialConfig | None" = None,
    *,
    backend: "SerialBackend | AsyncSerialBackend | None" = None,
    timeout: float | None = None,
    default_timeout: float | None = None,
    **config_fields: "Unpack[SerialConfigFields]",
) -> SerialPort:
    """Open a serial port.

    The tty is opened in raw mode, without becoming the controlling terminal, and set as
    *config* says. Earlier input is kept, unless `SerialConfig.discard_input_on_open` is set.

    Args:
        path: The device's path (``"/dev/ttyUSB0"``, a by-id link), or what discovery found.
        config: The settings; None for 115200 baud, 8N1, no flow control.
        backend: An unopened backend to use instead of the platform's own.
        timeout: Seconds that the opening may take; None waits for the driver without limit. It does not
            limit the calls that follow: if a receive without a timeout waits for longer than this, a
            RuntimeWarning says so, once.
        default_timeout: Seconds for each later call that has no ``timeout`` of its own (`SerialPort.default_timeout`);
            None and `math.inf` wait without limit.
        **config_fields: Fields of `SerialConfig`; they override those of *config*.

    Returns:
        The open port; use it with ``with``.

    Raises:
        TimeoutError: The port was not open in time. Nothing is left open. (If the driver takes longer than
            another `SerialConfig.close_timeout`, a thread closes the port later.)
        PortNotFoundError: There is no such device.
        PortPermissionError: You may not open it.
        PortBusyError: Another program holds it exclusively.
        ConfigurationError: A field is not valid; nothing was opened.
        UnsupportedConfigurationError: The driver does not support a setting.
        UnsupportedFeatureError: The platform lacks a mechanism that *config* asks for.
        UnsupportedPlatformError: anyserial has no driver for this operating system.
        SerialError: It is not a serial port, or the system refused for another reason.
        ImportError: The distribution with the platform's driver is not installed.
        TypeError: An argument has another type, or there is no such field.
        ValueError: *timeout* or *default_timeout* is negative or NaN.
    """
    config = settled(config, config_fields)
    return open_port(SerialPort, path, config, backend, timeout=timeout, default_timeout=default_timeout)


def open_port[P: SerialPort](
    cls: type[P],
    path: "str | os.PathLike[str] | PortInfo",
    config: "SerialConfig",
    backend: "SerialBackend | AsyncSerialBackend | None" = None,
    *,
    timeout: float | None = None,
    default_timeout: float | None = None,
) -> P:
    """Open a port as an instance of *cls*; the rest as `open_serial_port`."""
    check_timeout(default_timeout, "default_timeout")
    opening, deadline = Opening(path, config, backend), deadline_of(timeout)
    misread = limited(timeout) if default_timeout is None else None
    if misread is not None:
        with loading(opening.device):  # before the port is open, so that a failure leaves nothing open
            from anyserial_sync import _misread_timeout  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
    port = _open(cls, opening, deadline)
    if default_timeout is not None:
        port.default_timeout = default_timeout
    elif misread is not None:
        port._watch_for_misread_timeout(misread)  # noqa: SLF001  # no caller's business
    return port


def _open[P: SerialPort](cls: type[P], opening: Opening, deadline: float | None) -> P:
    if opening.is_url:
        opening.find_backend()
    if opening.waits_itself:
        with loading(opening.device):
            from anyserial_sync._portal import open_in_portal  # noqa: PLC0415  # few need it, and it is slow to import

        return open_in_portal(cls, opening, deadline)
    bell = Bell()
    with held():
        try:
            job = opening.begin(bell.wake)
            wait_for(job, bell, deadline, opening.device)
            if opening.failed:
                raise opening.failure()  # noqa: TRY301  # beside the call that may fail
            return opening.make(cls)
        except BaseException:
            if opening.may_be_open:
                undone = Bell()
                opening.give_up(undone.wake)
                undone.wait(opening.patience)
            raise
