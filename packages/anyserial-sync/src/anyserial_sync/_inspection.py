"""The blocking twin of `anyserial.inspect_serial_port`."""

from typing import TYPE_CHECKING

from anyserial._spi import inspect, path_to

from anyserial_sync._discovery import within

if TYPE_CHECKING:
    import os

    from anyserial import PortState
    from anyserial.discovery import PortInfo

__all__ = ("inspect_serial_port",)


def inspect_serial_port(
    device: "str | os.PathLike[str] | PortInfo", *, opens: bool = False, timeout: float | None = None
) -> "PortState":
    """Tell how a port is now, and set nothing on it.

    See `anyserial.inspect_serial_port` for what opening does to DTR and RTS.

    Args:
        device: A path or a PortInfo, which is looked for wherever it is plugged in.
        opens: Also read the settings, lines and counters, for which the port has to be opened.
        timeout: Seconds that it may take; None waits without limit. With one, it runs on a daemon thread,
            because a driver call cannot be interrupted.

    Returns:
        What can be seen of the port.

    Raises:
        TimeoutError: It took longer. A port that is being opened by then is closed as soon as it is.
        PortNotFoundError: There is no such port.
        PortPermissionError: You may not open it (*opens* only).
        PortBusyError: Another program has opened it exclusively (*opens* only).
        SerialError: The path leads to something that is not a serial port.
        UnsupportedPlatformError: anyserial cannot inspect ports of this kind.
        ImportError: The distribution with the driver is not installed.
    """
    return within(lambda: inspect(path_to(device), opens=opens), timeout, "the state of a port")
