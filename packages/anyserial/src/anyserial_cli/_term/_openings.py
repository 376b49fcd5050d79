"""The port, opened as often as the device comes back: `anyserial.reconnect`, and what the user sees of that."""

import logging
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import contextmanager
from typing import override

from anyserial import (
    PortBusyError,
    PortInfo,
    PortPermissionError,
    SerialConfig,
    SerialPort,
    open_serial_port,
    reconnect,
)
from anyserial._spi import printable

from anyserial_cli._screen import describe

__all__ = ("openings",)

SETTLE = 1.0  # seconds that a device just plugged in may be busy or not permitted before a message says so


async def openings(
    device: str, config: SerialConfig, *, wait: bool, again: bool, tell: Callable[[str], object]
) -> AsyncGenerator[SerialPort]:
    """Yield the open port, and after a disconnect the port of the same device, opened again.

    The identity of the device is what discovery knows of it; for a port that discovery does not know, it
    is the path.

    Args:
        device: The port's path.
        config: The settings at each opening.
        wait: A port that is not there at first is waited for.
        again: Go on after a disconnect.
        tell: Called with what is waited for, once for each reason.

    Raises:
        SerialError: The first opening failed, and waiting is not asked for or does not help.
    """
    identity: str | PortInfo = device
    if not wait:
        async with await open_serial_port(device, config) as port:
            identity = port.port_info or device
            yield port
        if not again:
            return
    reason = ""
    with _reports(device, tell):
        async with reconnect(identity, config, settle=SETTLE) as ports:
            while True:
                try:
                    port = await anext(ports)
                except (PortBusyError, PortPermissionError) as exc:
                    # Another program holds the port, or udev has not set the group: this may still pass.
                    if describe(exc) != reason:
                        reason = describe(exc)
                        tell(f"waiting for {reason}")
                    continue
                reason = ""
                yield port
                if not again:
                    return


@contextmanager
def _reports(device: str, tell: Callable[[str], object]) -> Generator[None]:
    """Hand what `reconnect` says about waiting to *tell*."""
    logger = logging.getLogger("anyserial")
    handler = _Reports(device, tell)
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _Reports(logging.Handler):
    def __init__(self, device: str, tell: Callable[[str], object]) -> None:
        super().__init__()
        self._device = printable(device)
        self._tell = tell

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage().partition(": ")[2]
        if text.startswith("not there"):
            self._tell(f"waiting for {self._device}")
        elif text.startswith("cannot be"):
            self._tell(f"{self._device} {text}")
