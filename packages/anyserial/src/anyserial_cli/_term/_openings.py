"""The port, opened as often as the device comes back.

The loop has the shape of ``async for port in reconnect(device, config)``.
"""

from collections.abc import AsyncGenerator, Callable

import anyio
from anyserial import (
    PortInfo,
    PortNotFoundError,
    SerialConfig,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    open_serial_port,
)

from anyserial_cli._screen import describe

__all__ = ("openings",)

INTERVAL = 0.2  # seconds between two looks for a port that is not there


async def openings(
    device: str, config: SerialConfig, *, wait: bool, reconnect: bool, tell: Callable[[str], object]
) -> AsyncGenerator[SerialPort]:
    """Yield the open port, and after a disconnect the port of the same device, opened again.

    The identity of the device is what discovery knows of it; for a port that discovery does not know, it
    is the path.

    Args:
        device: The port's path.
        config: The settings at each opening.
        wait: A port that is not there at first is waited for.
        reconnect: Go on after a disconnect.
        tell: Is told what is waited for, once for each reason.

    Raises:
        SerialError: The first opening failed, and waiting is not asked for or does not help.
    """
    identity: str | PortInfo = device
    patient = wait
    while True:
        port = await _open(identity, config, device, patient=patient, first=identity is device, tell=tell)
        async with port:
            identity = port.port_info or identity
            yield port
        if not reconnect:
            return
        patient = True


async def _open(
    identity: str | PortInfo,
    config: SerialConfig,
    device: str,
    *,
    patient: bool,
    first: bool,
    tell: Callable[[str], object],
) -> SerialPort:
    told = ""
    while True:
        try:
            return await open_serial_port(identity, config)
        except (PortNotFoundError, SerialDisconnectedError) as exc:
            if not patient:
                raise
            reason = f"waiting for {device}" if first or isinstance(exc, PortNotFoundError) else describe(exc)
        except SerialError as exc:
            # Just after plugging in, udev has not set the group yet; another program may hold the port.
            if first and not patient:
                raise
            reason = f"waiting for {device}: {describe(exc)}"
        if reason != told:
            tell(reason)
            told = reason
        await anyio.sleep(INTERVAL)
