"""Coming back to a device: `reconnect` and `wait_for_port`, in an event loop.

`_reconnecting` decides when to try and finds the device; only the waiting, the opening and the closing belong
here.
"""

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Self, Unpack

import anyio
import anyio.lowlevel

from anyserial._async_opening import open_port
from anyserial._checks import check_seconds
from anyserial._clock import now
from anyserial._opening import settled
from anyserial._reconnecting import FIRST_PAUSE, RECONNECT_HINT, Plan, Presence, port_matcher
from anyserial._runner import run_on_worker
from anyserial.config import SerialConfig
from anyserial.discovery import PortWatch, watch_serial_ports
from anyserial.exceptions import SerialDisconnectedError, SerialError
from anyserial.stream import SerialPort

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from anyserial.config import SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("Reconnection", "reconnect", "wait_for_port")

_LOGGER = logging.getLogger("anyserial")


def reconnect(
    device: "str | os.PathLike[str] | PortInfo | Mapping[str, object]",
    config: SerialConfig | None = None,
    *,
    settle: float = 5.0,
    **fields: "Unpack[SerialConfigFields]",
) -> "Reconnection":
    """Return an iterator that yields an open port each time the device is there.

        async for port in reconnect({"serial_number": "A12345"}, baudrate=9600):
            try:
                await talk(port)
            except SerialDisconnectedError:
                continue

    The port of a round is closed before the next round begins. If the body is finished with a port that
    still works, it is opened again: at once the first time, then after pauses that double from 0.1 s to 5 s
    until a port has been open for 5 s.

    While the device is missing, the iterator waits for a report of the system, as `watch_serial_ports` does. A
    path that the system does not report about (anything outside ``/dev``; every path if anyserial-discovery
    is not installed) is looked at every 0.2 s.

    What it does is logged at INFO, to the logger ``anyserial``.

    Args:
        device: A PortInfo, a path, a URL, or a mapping of the filters of `find_serial_port` (``vid``, ``pid``,
            ``serial_number`` and so on). A PortInfo, a by-id path and filters are looked for wherever they are
            plugged in. Any other path is whatever is there.
        config: The settings; None for the defaults of `SerialConfig`.
        settle: Seconds, >= 0, that a device which is there may be busy or not permitted before the error is
            raised. Right after a plug-in it belongs to root, and other programs probe it.
        **fields: Fields of `SerialConfig`; they override those of *config*.

    Returns:
        An async iterator, and an async context manager that closes it.

    Raises:
        ConfigurationError: A field is not valid.
        TypeError: An argument has the wrong type.
        ValueError: *settle* is negative or not finite, or there is neither a path nor a filter.
    """
    settings = settled(config, fields)
    return Reconnection(Presence(device), settings, check_seconds("settle", settle))


class Reconnection:
    """The open ports of one device, one after the other; made by `reconnect`.

    One task at a time may ask for a port. It belongs to the event loop that first did so.

    A loop that is left by ``break``, ``return`` or an exception drops the iterator, which then closes the port
    and ends without waiting. If you need the port to be closed when the loop is over, or keep the
    iterator in a variable, use ``async with``.
    """

    def __init__(self, presence: Presence, config: SerialConfig, settle: float) -> None:
        self._presence = presence
        self._config = config
        # Nothing here refers back to this object, so that it ends as soon as the loop drops it.
        self._report = partial(_report, presence)
        self._plan = Plan(settle, self._report)
        self._watch: PortWatch | None = None
        self._port: SerialPort | None = None
        self._closed = False
        self._guard = anyio.ResourceGuard("waiting for a device to come back")

    async def __aenter__(self) -> Self:
        """Return itself; leaving the block closes it."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        """Close it: `aclose`. A SerialDisconnectedError that leaves the block gets a note that says what to do."""
        if isinstance(exc, SerialDisconnectedError):
            exc.add_note(RECONNECT_HINT)
        await self.aclose()

    async def aclose(self) -> None:
        """Close the port that is open, and stop waiting.

        A task that waits for the next port gets `anyio.ClosedResourceError`, and so does every later call.
        Closing twice does nothing.

        Cancellation: everything is closed all the same; output that has not left may be discarded.
        """
        self._closed = True
        watch, self._watch = self._watch, None
        port, self._port = self._port, None
        try:
            if port is not None:
                await port.aclose()
        finally:
            if watch is not None:
                await watch.aclose()
        await anyio.lowlevel.checkpoint()

    # Bound here, because a finalizer may run after the interpreter has cleared its modules.
    def __del__(self, _is_finalizing: "Callable[[], bool]" = sys.is_finalizing) -> None:
        """Close the port and stop watching, without waiting. At the interpreter's exit the kernel closes both."""
        if _is_finalizing():
            return
        port, watch = getattr(self, "_port", None), getattr(self, "_watch", None)
        if port is not None:
            port._close_unattended()  # noqa: SLF001  # a face's, for this
        if watch is not None:
            watch._forget()  # noqa: SLF001  # core's own

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> SerialPort:
        """Close the port of the last round, wait for the device and open it.

        Raises:
            PortBusyError: The device has been there for `settle` seconds, and another program holds it.
            PortPermissionError: The device has been there for `settle` seconds, and you may not open it.
            UnsupportedConfigurationError: The driver refuses a setting.
            UnsupportedFeatureError: The platform lacks a mechanism that the settings ask for.
            UnsupportedPlatformError: anyserial has no driver for this operating system.
            SerialError: The path leads to something that is not a serial port.
            ImportError: A distribution is not installed that is needed to find the device or to open it.
            TypeError: A filter has the wrong type, or there is no such filter.
            ValueError: A filter is out of its range.
            anyio.ClosedResourceError: The iterator was closed.
            anyio.BusyResourceError: Another task is waiting for the next port.

        Cancellation: nothing is left open. The next call goes on waiting.
        """
        with self._guard:
            await self._end_round()
            watch = self._watch
            if watch is None:
                watch = await self._start()
            try:
                return await self._next_port(watch)
            except BaseException:
                # The traceback keeps this object for as long as somebody keeps the error.
                self._watch = None
                watch._forget()  # noqa: SLF001  # core's own
                raise

    async def _end_round(self) -> None:
        port, self._port = self._port, None
        if port is None:
            await anyio.lowlevel.checkpoint()
            return
        self._plan.over(now(), gone=port._is_gone)  # noqa: SLF001  # core's own
        try:
            await port.aclose()
        except SerialError as error:
            self._report(f"closing failed ({error})")

    async def _start(self) -> PortWatch:
        if self._closed:
            raise anyio.ClosedResourceError
        watch = PortWatch(self._presence.open_watcher)
        await watch.__aenter__()
        if self._closed:
            await watch.aclose()
            raise anyio.ClosedResourceError
        watch._discard()  # noqa: SLF001  # core's own: the ports present are looked at now anyway
        self._plan.heard(())
        self._watch = watch
        return watch

    async def _next_port(self, watch: PortWatch) -> SerialPort:
        plan = self._plan
        while True:
            while (seconds := plan.patience(now())) != 0:
                try:
                    events = await watch._changes(seconds)  # noqa: SLF001  # core's own
                except SerialError as error:
                    plan.lost_sight(error, now())
                    await anyio.sleep(FIRST_PAUSE)
                else:
                    if events is not None:
                        plan.heard(events)
            try:
                port = await self._open()
            except Exception as error:  # noqa: BLE001  # raised again, unless it is a reason to wait
                plan.failed(error, now())
            else:
                plan.opened(now())
                self._port = port
                return port

    async def _open(self) -> SerialPort:
        presence = self._presence
        target = await run_on_worker(presence.find)
        port = await open_port(SerialPort, "reconnect", target, self._config)
        try:
            await run_on_worker(lambda: presence.confirm(port.path, port.port_info))
        except BaseException:
            await port.aclose()
            raise
        if self._closed:  # meanwhile
            await port.aclose()
            raise anyio.ClosedResourceError
        return port


def _report(presence: Presence, text: str) -> None:
    _LOGGER.info("%s: %s", presence.name, text)


async def wait_for_port(
    *,
    vid: int | None = None,
    pid: int | None = None,
    serial_number: str | None = None,
    device: "str | os.PathLike[str] | None" = None,
    location: str | None = None,
    interface_number: int | None = None,
    manufacturer: str | None = None,
    product: str | None = None,
) -> "PortInfo":
    """Wait until there is a port that matches everything given and that you may open.

    No port is opened. A port that is there already is returned at once. A port that you lack permission to
    open is waited for without limit, as by `watch_serial_ports`.

    Args:
        vid: USB vendor id, 0 to 0xFFFF.
        pid: USB product id, 0 to 0xFFFF.
        serial_number: The USB serial number, exactly.
        device: Any name of the port, as for `find_serial_port`.
        location: Exactly `PortInfo.location`.
        interface_number: Number of the USB interface, 0 to 255.
        manufacturer: Exactly `PortInfo.manufacturer`.
        product: Exactly `PortInfo.product`.

    Returns:
        The port. Without any filter, the first port that there is.

    Raises:
        TypeError: A filter has the wrong type; the message names it.
        ValueError: A number is out of its range.
        ImportError: The distribution anyserial-discovery is not installed.
        UnsupportedPlatformError: This platform is not known.
        SerialError: The process or the system is out of descriptors or memory.

    Cancellation: may be cancelled at any time.
    """
    filters: dict[str, Any] = {
        "vid": vid,
        "pid": pid,
        "serial_number": serial_number,
        "device": device,
        "location": location,
        "interface_number": interface_number,
        "manufacturer": manufacturer,
        "product": product,
    }
    matches = await run_on_worker(lambda: port_matcher(filters))
    async with watch_serial_ports() as events:
        while True:
            event = await anext(events)
            if event.kind == "added" and await run_on_worker(partial(matches, event.port)):
                return event.port
