"""The driver table: what opens what. One row per operating system and one per URL scheme.

`open_serial_port`, its blocking twin and the command ask here; nothing else knows which part drives
what. A row names the module that provides the backend. The module is loaded when it is first needed.
What a backend does is not known here.
"""

import errno
import os
import sys
from typing import TYPE_CHECKING, Any

from anyserial._parts import load_part, loading
from anyserial.exceptions import ConfigurationError, UnsupportedPlatformError

if TYPE_CHECKING:
    from anyserial._inspection import PortState
    from anyserial._looking.contract import Pty
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.discovery import PortInfo

__all__ = (
    "PLATFORMS",
    "SCHEMES",
    "Row",
    "backend_for",
    "create_pty",
    "inspect",
    "is_url",
    "locate",
    "path_to",
    "port_info_for",
)


class Row:
    """One row.

    Args:
        serves: The beginning of `sys.platform`, or a URL scheme.
        driver: The module whose ``create_backend()`` returns an unopened backend.
        discovery: The module whose ``port_info_for(path)`` describes the device behind a path, or None.
    """

    __slots__ = ("discovery", "driver", "serves")

    def __init__(self, serves: str, driver: str, discovery: str | None = None) -> None:
        self.serves = serves
        self.driver = driver
        self.discovery = discovery


_TERMIOS = ("anyserial_posix", "anyserial_discovery")

PLATFORMS = (
    Row("linux", *_TERMIOS),
    Row("darwin", *_TERMIOS),
    Row("freebsd", *_TERMIOS),
    Row("netbsd", *_TERMIOS),
    Row("openbsd", *_TERMIOS),
    Row("dragonfly", *_TERMIOS),
)
# Any other system with termios; Python's own module knows its numbers.
_OTHER_POSIX = Row("posix", *_TERMIOS)

SCHEMES: tuple[Row, ...] = (
    Row("tcp", "anyserial._network.tcp"),
    Row("socket", "anyserial._network.tcp"),  # as pySerial writes it
    Row("rfc2217", "anyserial._network.rfc2217"),
)


def is_url(device: str) -> bool:
    """Return whether *device* is a URL, whatever its scheme."""
    scheme, found, _ = device.partition("://")
    return bool(found) and "/" not in scheme


def _row_for(device: str) -> Row:
    if "://" in device and is_url(device):
        scheme = device.partition("://")[0].lower()
        for row in SCHEMES:
            if row.serves == scheme:
                return row
        known = ", ".join(f"{row.serves}://" for row in SCHEMES)
        raise ConfigurationError(
            f"path must be the path of a serial port, or a URL that anyserial knows ({known}) (got {device!r})"
        )
    for row in PLATFORMS:
        if sys.platform.startswith(row.serves):
            return row
    if os.name == "posix":
        return _OTHER_POSIX
    raise UnsupportedPlatformError(
        errno.ENOSYS,
        f"anyserial has no driver for {sys.platform!r}: give open_serial_port a backend of your own (backend=...)",
    )


def backend_for(device: str) -> "SerialBackend | AsyncSerialBackend":
    """Return an unopened backend for what *device* names.

    Raises:
        ConfigurationError: It is a URL that no row serves.
        UnsupportedPlatformError: No row serves this operating system.
        ImportError: The distribution with the driver is not installed.
    """
    backend: SerialBackend | AsyncSerialBackend = load_part(_row_for(device).driver).create_backend()
    return backend


def create_pty() -> "Pty":
    """Return a new pseudo-terminal.

    Raises:
        UnsupportedPlatformError: This platform's driver has none.
        SerialError: The system has none left.
        ImportError: The distribution with the driver is not installed.
    """
    create = getattr(load_part(_row_for("").driver), "create_pty", None)
    if create is None:
        raise UnsupportedPlatformError(errno.ENOSYS, f"anyserial has no pseudo-terminals on {sys.platform!r}")
    pty: Pty = create()
    return pty


def inspect(device: str, *, opens: bool) -> "PortState":
    """Return how the port is now; with *opens* also what it has to be opened for.

    Raises:
        SerialError: It cannot be found out.
        UnsupportedPlatformError: The driver cannot inspect ports.
        ImportError: The distribution with the driver is not installed.
    """
    with loading(device):
        look = getattr(load_part(_row_for(device).driver), "inspect_port", None)
        if look is None:
            raise UnsupportedPlatformError(errno.ENOSYS, "anyserial cannot inspect ports of this kind", device)
        state: PortState = look(device, opens=opens)
        return state


def path_to(device: "str | os.PathLike[str] | PortInfo") -> str:
    """Return the path of what *device* names now.

    Raises:
        PortNotFoundError: No port has the identity of a PortInfo now.
        TypeError: It is neither a path nor a PortInfo.
    """
    from anyserial.discovery import PortInfo  # noqa: PLC0415  # opening by a path needs none

    return locate(device).device if isinstance(device, PortInfo) else os.fspath(device)


def port_info_for(device: str) -> "PortInfo | None":
    """Return what discovery knows about *device*; None if it knows nothing or is not installed."""
    module = _row_for(device).discovery
    if module is None:
        return None
    try:
        info: PortInfo | None = load_part(module).port_info_for(device)
    except ImportError:
        return None  # discovery is not installed
    except Exception:  # noqa: BLE001  # a missing description must not fail the open
        return None
    return info


def locate(info: "PortInfo") -> "PortInfo":
    """Return the port that has the identity of *info* now. Its path may be another.

    Raises:
        PortNotFoundError: No port has that identity now.
    """
    module = _row_for(info.device).discovery
    if module is None:
        return info
    try:
        part: Any = load_part(module)
    except ImportError:
        return info  # without discovery, only the path identifies a port
    find = getattr(part, "locate", None)  # a stand-in for discovery need not have it
    found: PortInfo = info if find is None else find(info)
    return found
