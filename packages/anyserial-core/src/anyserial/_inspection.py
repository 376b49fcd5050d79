"""Looking at a port without setting anything on it: `inspect_serial_port`, in an event loop.

What can be seen is the driver's: `_drivers` asks it. `PortState` is what it returns.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyserial._drivers import inspect, path_to
from anyserial._runner import run_on_worker

if TYPE_CHECKING:
    import os

    from anyserial.capabilities import ControlLines, LineCounters, ModemLines, SerialCapabilities
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("PortState", "inspect_serial_port")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortState:
    """A port as it is now, by `inspect_serial_port`.

    Attributes:
        path: The port's path.
        may_open: Whether this process may open it.
        refusal: Why it may not, and what helps; None if it may, or if nothing can be found out.
        owner: The user that the node belongs to, by name or number.
        group: The group that the node belongs to, by name or number.
        mode: The node's permissions as ls(1) writes them, such as ``crw-rw----``.
        holders: The processes that have it open; None if there are none, or where ``/proc`` does not tell.
        capabilities: What the port can do. The driver is asked only if the port was opened; otherwise it is what the
            platform can do with a port of this kind.
        config: The rate, frame, flow control and hang-up on close that the driver has; the other fields are
            the defaults. None if the port was not opened, or if its rate is 0 (hung up).
        is_raw: Whether the tty passes every byte on; None if the port was not opened.
        modem_lines: The lines that the far end drives; None if the port was not opened or has none.
        control_lines: The lines that this end drives, once the kernel has opened the port; None as above.
        line_counters: The driver's totals; None if the port was not opened or its driver does not count.
    """

    path: str
    may_open: bool
    refusal: str | None
    owner: str
    group: str
    mode: str
    holders: str | None
    capabilities: "SerialCapabilities"
    config: "SerialConfig | None" = None
    is_raw: bool | None = None
    modem_lines: "ModemLines | None" = None
    control_lines: "ControlLines | None" = None
    line_counters: "LineCounters | None" = None


async def inspect_serial_port(device: "str | os.PathLike[str] | PortInfo", *, opens: bool = False) -> PortState:
    """Tell how a port is now, and set nothing on it.

    Without *opens* the port is not even opened. With it, the port is opened, read and closed: the settings stay
    as they are, but the kernel raises DTR and RTS when it opens a port that nobody has open, and most drivers
    lower them at the close. A board that resets on DTR is reset by that.

    Args:
        device: A path or a PortInfo, which is looked for wherever it is plugged in.
        opens: Also read the settings, lines and counters, for which the port has to be opened.

    Returns:
        What can be seen of the port.

    Raises:
        PortNotFoundError: There is no such port.
        PortPermissionError: You may not open it (*opens* only).
        PortBusyError: Another program has opened it exclusively (*opens* only).
        SerialError: The path leads to something that is not a serial port.
        UnsupportedPlatformError: anyserial cannot inspect ports of this kind.
        ImportError: The distribution with the driver is not installed.

    Cancellation: may be cancelled at any time. A port that is being opened by then is closed as soon as it is.
    """
    return await run_on_worker(lambda: inspect(path_to(device), opens=opens))
