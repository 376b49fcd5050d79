"""Opening a port: from a path and settings to a blocking `SerialPort`.

How the port then waits is not known here.
"""

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from anyserial import _offload
from anyserial._checks import check_config
from anyserial._open import device_path, open_backend
from anyserial.config import SerialConfig

from anyserial_sync._port import SerialPort
from anyserial_sync._steps import wait_for
from anyserial_sync._timeouts import check_timeout

if TYPE_CHECKING:
    import os

    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.discovery import PortInfo

__all__ = ("SerialConnectable", "open_port", "open_serial_port")


def open_serial_port(
    path: "str | os.PathLike[str] | PortInfo",
    config: SerialConfig | None = None,
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
        timeout: Seconds that it may take; None for as long as the driver does. With a
            timeout the driver is called on a thread, for nothing interrupts its open.

    Returns:
        The open port; use it with ``with``.

    Raises:
        TimeoutError: It was not open in time; if the driver opens it later, it is closed.
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
    config: SerialConfig | None = None,
    backend: "SerialBackend | AsyncSerialBackend | None" = None,
    *,
    timeout: float | None = None,
) -> P:
    """Open a port as an instance of *cls*; the rest as `open_serial_port`."""
    check_timeout(timeout)
    if config is None:
        config = SerialConfig()
    check_config(config)
    device, info = device_path(path)
    if backend is not None and hasattr(backend, "aclose"):
        return _open_in_portal(cls, device, config, cast("AsyncSerialBackend", backend), info, timeout)
    descriptor_backend = cast("SerialBackend | None", backend)  # type: ignore[redundant-cast]  # pyright needs it
    opened: SerialBackend | None = None
    try:
        opened, info = _open_on(device, config, descriptor_backend, info, timeout)
        return cls(opened, config, port_info=info)
    except BaseException:
        if opened is not None:
            opened.close()
        raise


def _open_in_portal[P: SerialPort](  # noqa: PLR0917  # called from one place
    cls: type[P],
    device: str,
    config: SerialConfig,
    backend: "AsyncSerialBackend",
    info: "PortInfo | None",
    timeout: float | None,
) -> P:
    from anyserial_sync._portal import Portal  # noqa: PLC0415  # few ports need it

    portal = Portal()
    try:
        portal.run(
            lambda: backend.open(device, config),
            threading.Event(),
            timeout=timeout,
            path=device,
            check=lambda: None,
            late=lambda _: portal.finish(backend.aclose),
        )
        try:
            return cls(backend, config, port_info=info)
        except BaseException:
            portal.finish(backend.aclose)
            raise
    finally:
        portal.close()


def _open_on(
    device: str,
    config: SerialConfig,
    backend: "SerialBackend | None",
    info: "PortInfo | None",
    timeout: float | None,
) -> "tuple[SerialBackend, PortInfo | None]":
    if timeout is None:
        return open_backend(device, config, backend, info)

    def abandoned(opened: "tuple[SerialBackend, PortInfo | None] | None") -> None:
        if opened is not None:
            opened[0].close()

    sleeper = threading.Event()
    job = _offload.Job(lambda: open_backend(device, config, backend, info), sleeper.set, abandoned)
    with _offload.held():
        try:
            _offload.submit(job.run)
            wait_for(job, sleeper, timeout, device)
        except BaseException:
            job.abandon()
            raise
    result: tuple[SerialBackend, PortInfo | None] = job.take()
    return result


@dataclass(kw_only=True, slots=True)
class SerialConnectable:
    """A path and settings, to be connected later; the blocking twin of `anyserial.SerialConnectable`.

    Attributes:
        path: The device's path, or what discovery found.
        config: The settings; None for the defaults of `SerialConfig`.
    """

    path: "str | os.PathLike[str] | PortInfo"
    config: SerialConfig | None = None

    def connect(self, *, timeout: float | None = None) -> SerialPort:
        """Open the port; as `open_serial_port`.

        Args:
            timeout: Seconds that it may take; None for as long as the driver does.
        """
        return open_serial_port(self.path, self.config, timeout=timeout)
