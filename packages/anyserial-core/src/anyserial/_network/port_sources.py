"""Where a server has its port from: opened for each client, held open, or lent by the caller.

A source says which port a client gets, what happens to the port afterwards, and when the port is gone for
good. What a client does with the port is not known here.
"""

import errno
import logging
from typing import TYPE_CHECKING, Final, Protocol

import anyio

from anyserial._async_opening import open_serial_port
from anyserial._reconnection import reconnect
from anyserial.exceptions import (
    PortNotFoundError,
    SerialClosedError,
    SerialDisconnectedError,
    SerialError,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo
    from anyserial.stream import SerialPort

__all__ = ("HeldPort", "LentPort", "OpenedPort", "PortSource")

_LOGGER = logging.getLogger("anyserial.network")

LOOK: Final = 0.25  # seconds between two looks whether an idle port is still there
SETTLE: Final = 86400.0  # seconds that a returned device may be busy before the server gives up


class PortSource(Protocol):
    """Where the port comes from."""

    @property
    def port(self) -> "SerialPort | None":
        """The port that is open now."""
        ...

    async def run(self, ready: "Callable[[], None]") -> None:
        """Look after the port until cancelled; call *ready* once clients may come.

        Raises:
            SerialError: There is no port any more, and there will be none.
        """
        ...

    async def acquire(self) -> "SerialPort":
        """Return the open port for a client.

        Raises:
            SerialError: It cannot be opened, or is not there.
        """
        ...

    async def release(self, *, hurry: bool) -> None:
        """Take the port back; with *hurry*, output that has not left is discarded. Not to be cancelled."""
        ...


class OpenedPort:
    """A port that is opened for each client, and closed afterwards."""

    def __init__(self, device: "str | os.PathLike[str] | PortInfo", config: "SerialConfig") -> None:
        self._device = device
        self._config = config
        self.port: SerialPort | None = None

    async def run(self, ready: "Callable[[], None]") -> None:
        """Do nothing: there is no port between two clients."""
        ready()
        await anyio.sleep_forever()

    async def acquire(self) -> "SerialPort":
        """Open the port."""
        self.port = await open_serial_port(self._device, self._config)
        return self.port

    async def release(self, *, hurry: bool) -> None:
        """Close the port."""
        port, self.port = self.port, None
        if port is not None:
            await _close(port, hurry=hurry)


class LentPort:
    """A port that the caller has opened and closes."""

    def __init__(self, port: "SerialPort") -> None:
        self.port: SerialPort | None = port
        self._lent = port
        self._users = _Users()

    async def run(self, ready: "Callable[[], None]") -> None:
        """See `PortSource.run`: raises when the port is gone or closed."""
        self._lent.input_waiting()
        ready()
        try:
            error = await _watch(self._lent)
        finally:
            await self._users.none()
        raise error

    async def acquire(self) -> "SerialPort":
        """Return the port."""
        self._users.count += 1
        return self._lent

    async def release(self, *, hurry: bool) -> None:
        """Leave the port open; the caller closes it."""
        del hurry
        self._users.leave()


class HeldPort:
    """A port that is open as long as the server runs, and is opened again when its device comes back.

    Args:
        device: What to open.
        config: How.
        waits: Whether the device may come later; otherwise the first open must succeed.
        resets: Whether each client finds the settings of *config*, and no old input.
    """

    def __init__(
        self, device: "str | os.PathLike[str] | PortInfo", config: "SerialConfig", *, waits: bool, resets: bool
    ) -> None:
        self._device = device
        self._config = config
        self._waits = waits
        self._resets = resets
        self._users = _Users()
        self._hurry = False
        self.port: SerialPort | None = None

    async def run(self, ready: "Callable[[], None]") -> None:
        """See `PortSource.run`."""
        if self._waits:
            ready()
        else:
            port = await open_serial_port(self._device, self._config)
            ready()
            await self._hold(port)
        async with reconnect(self._device, self._config, settle=SETTLE) as rounds:
            async for port in rounds:
                await self._hold(port)

    async def _hold(self, port: "SerialPort") -> None:
        self.port = port
        try:
            error = await _watch(port)
            _LOGGER.info("%s: the device is gone (%s)", port.path, error.strerror)
        finally:
            self.port = None
            await self._users.none()
            await _close(port, hurry=self._hurry)

    async def acquire(self) -> "SerialPort":
        """Return the port, if the device is there."""
        port = self.port
        if port is None or not port.is_open:
            raise PortNotFoundError(errno.ENODEV, "the device is not there now", str(self._device))
        if self._resets:
            await port.configure(self._config)
            await port.reset_input_buffer()
        self._users.count += 1
        return port

    async def release(self, *, hurry: bool) -> None:
        """Keep the port for the next client."""
        self._hurry = hurry
        self._users.leave()


class _Users:
    """Counts the clients that use a port, which is not closed under them."""

    def __init__(self) -> None:
        self.count = 0
        self._left = anyio.Event()

    def leave(self) -> None:
        self.count -= 1
        left, self._left = self._left, anyio.Event()
        left.set()

    async def none(self) -> None:
        with anyio.CancelScope(shield=True):
            while self.count:
                await self._left.wait()


async def _watch(port: "SerialPort") -> SerialError:
    """Wait until *port* is gone or closed, and return the error that says so."""
    while True:
        try:
            port.input_waiting()
        except (SerialDisconnectedError, SerialClosedError) as exc:
            return exc
        except SerialError:
            pass  # the driver cannot tell, or failed for once
        await anyio.sleep(LOOK)


async def _close(port: "SerialPort", *, hurry: bool) -> None:
    with anyio.CancelScope(shield=True) as scope:
        if hurry:
            scope.cancel()
        try:
            await port.aclose()
        except SerialError as exc:
            _LOGGER.info("%s: closing failed (%s)", port.path, exc)
