"""Opening a port: from a path and settings to a `SerialPort`.

No platform and no driver belongs here: which one serves a platform is for the part to know.
"""

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from anyserial import _offload, _readiness
from anyserial._checks import check_config
from anyserial._parts import load_part
from anyserial.config import SerialConfig
from anyserial.exceptions import ConfigurationError
from anyserial.stream import SerialPort

if TYPE_CHECKING:
    from typing import TypeIs

    from anyserial._connectable import SerialConnectable
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.discovery import PortInfo

__all__ = ("SerialConnectable", "device_path", "open_backend", "open_port", "open_serial_port")


def __getattr__(name: str) -> Any:
    if name == "SerialConnectable":
        from anyserial._connectable import SerialConnectable  # noqa: PLC0415  # it imports this module

        return SerialConnectable
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


async def open_serial_port(
    path: "str | os.PathLike[str] | PortInfo",
    config: SerialConfig | None = None,
    *,
    backend: "SerialBackend | AsyncSerialBackend | None" = None,
) -> SerialPort:
    """Open a serial port.

    The tty is opened raw, without becoming the controlling terminal, and set as
    *config* says; what was received before is kept unless the config says otherwise.

    Args:
        path: The device's path (``"/dev/ttyUSB0"``, a by-id link), or what discovery found.
        config: The settings; None for 115200 baud, 8N1, no flow control.
        backend: An unopened backend to use in place of the platform's own.

    Returns:
        The open port; use it with ``async with``.

    Raises:
        PortNotFoundError: There is no such device.
        PortPermissionError: This user may not open it.
        PortBusyError: Somebody holds it exclusively.
        UnsupportedConfigurationError: The driver refuses a setting.
        UnsupportedFeatureError: The platform lacks a mechanism that *config* asks for.
        UnsupportedPlatformError: anyserial has no driver for this operating system.
        SerialError: It is no serial port, or the system refused for another reason.
        ImportError: The distribution with the platform's driver is not installed.
        TypeError: An argument is none of those.

    Cancellation: nothing is left open.
    """
    return await open_port(SerialPort, path, config, backend)


async def open_port[P: SerialPort](
    cls: type[P],
    path: "str | os.PathLike[str] | PortInfo",
    config: SerialConfig | None = None,
    backend: "SerialBackend | AsyncSerialBackend | None" = None,
) -> P:
    """Open a port as an instance of *cls*; the rest as `open_serial_port`."""
    if config is None:
        config = SerialConfig()
    device, info = device_path(path)
    check_config(config)
    await _readiness.checkpoint_if_cancelled()
    if backend is not None and _waits_itself(backend):
        await backend.open(device, config)
        return cls(backend, config, port_info=info)

    def abandoned(opened: "tuple[SerialBackend, PortInfo | None] | None") -> None:
        if opened is not None:
            with suppress(Exception):  # nobody is left to tell
                opened[0].close()

    with _offload.held():
        opened = await _offload.run(lambda: open_backend(device, config, backend, info), abandoned=abandoned)
        return cls(opened[0], config, port_info=opened[1])


def _waits_itself(backend: "SerialBackend | AsyncSerialBackend") -> "TypeIs[AsyncSerialBackend]":
    return hasattr(backend, "aclose")


def device_path(path: "str | os.PathLike[str] | PortInfo") -> "tuple[str, PortInfo | None]":
    """Return the path to open, and the PortInfo if that is what was given.

    Raises:
        TypeError: *path* is neither a path nor a PortInfo.
        ConfigurationError: It is no possible path.
    """
    info: PortInfo | None = None
    name: object = path
    if hasattr(path, "device"):
        info = cast("PortInfo", path)
        name = info.device
    device: object = os.fspath(name) if isinstance(name, (str, os.PathLike)) else None
    if not isinstance(device, str):
        raise TypeError(f"path must be a str, a path or a PortInfo (got {path!r})")
    if not device or "\0" in device:
        raise ConfigurationError(f"path must be the path of a serial port (got {device!r})")
    return device, info


def open_backend(
    device: str, config: SerialConfig, backend: "SerialBackend | None", info: "PortInfo | None"
) -> "tuple[SerialBackend, PortInfo | None]":
    """Open *device*, on the calling thread, and find out what discovery knows about it.

    Raises:
        SerialError: As `open_serial_port`.
        ImportError: As `open_serial_port`.
    """
    chosen: SerialBackend = load_part("anyserial_posix").create_backend() if backend is None else backend
    chosen.open(device, config)
    if info is None and backend is None:
        info = _info_for(device)
    return chosen, info


def _info_for(device: str) -> "PortInfo | None":
    try:
        info: PortInfo | None = load_part("anyserial_discovery").port_info_for(device)
    except ImportError:
        return None  # discovery is not installed
    except Exception:  # noqa: BLE001  # what is known about a port is never worth failing its open
        return None
    return info
