"""Coming back to a device: `reconnect` and `wait_for_port`, for threads.

Core decides when to try and finds the device; only the waiting, the opening and the closing belong here.
"""

import logging
import sys
import threading
from contextlib import suppress
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Self, Unpack

import anyio
from anyserial._spi import (
    FIRST_PAUSE,
    RECONNECT_HINT,
    Plan,
    Presence,
    check_seconds,
    check_timeout,
    port_matcher,
    settled,
)
from anyserial.config import SerialConfig
from anyserial.exceptions import SerialDisconnectedError, SerialError

from anyserial_sync._discovery import PortWatch, watch_serial_ports
from anyserial_sync._opening import open_serial_port
from anyserial_sync._serial_port import SerialPort
from anyserial_sync._timeouts import deadline_of, remaining, timed_out

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
    timeout: float | None = None,
    **fields: "Unpack[SerialConfigFields]",
) -> "Reconnection":
    """Return an iterator that yields an open port each time the device is there.

        for port in reconnect({"serial_number": "A12345"}, baudrate=9600):
            try:
                talk(port)
            except SerialDisconnectedError:
                continue

    It opens, waits, closes and logs as `anyserial.reconnect` does.

    Args:
        device: A PortInfo, a path, or a mapping of the filters of `find_serial_port`, as for
            `anyserial.reconnect`.
        config: The settings; None for the defaults of `SerialConfig`.
        settle: Seconds, >= 0, that a device which is there may be busy or not permitted before the error is
            raised.
        timeout: Seconds to wait for each port; None waits without limit.
        **fields: Fields of `SerialConfig`; they override those of *config*.

    Returns:
        An iterator, and a context manager that closes it.

    Raises:
        ConfigurationError: A field is not valid.
        TypeError: An argument has the wrong type.
        ValueError: *settle* is negative or not finite, *timeout* is negative, or there is neither a path nor
            a filter.
    """
    settings = settled(config, fields)
    check_timeout(timeout)
    return Reconnection(Presence(device), settings, check_seconds("settle", settle), timeout)


class Reconnection:
    """The open ports of one device, one after the other; made by `reconnect`.

    One thread at a time may ask for a port; any thread may close it.

    A loop that is left by ``break``, ``return`` or an exception drops the iterator, which then closes the port
    and ends without waiting. If you need the port to be closed when the loop is over, or keep the
    iterator in a variable, use ``with``.
    """

    def __init__(self, presence: Presence, config: SerialConfig, settle: float, timeout: float | None) -> None:
        self._presence = presence
        self._config = config
        self._timeout = timeout
        # Nothing here refers back to this object, so that it ends as soon as the loop drops it.
        self._report = partial(_report, presence)
        self._plan = Plan(settle, self._report)
        self._watch: PortWatch | None = None
        self._port: SerialPort | None = None
        self._closed = False
        self._turn = threading.Lock()

    def __enter__(self) -> Self:
        """Return itself; leaving the block closes it."""
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Close it: `close`. A SerialDisconnectedError that leaves the block gets a note that says what to do."""
        if isinstance(exc_value, SerialDisconnectedError):
            exc_value.add_note(RECONNECT_HINT)
        self.close()

    def close(self) -> None:
        """Close the port that is open, and stop waiting. Any thread may do so; a second time it does nothing.

        A thread that waits for the next port gets anyio.ClosedResourceError, and so does every later call.
        """
        self._closed = True
        watch, self._watch = self._watch, None
        port, self._port = self._port, None
        try:
            if port is not None:
                port.close()
        finally:
            if watch is not None:
                watch.close()

    # Bound here, because a finalizer may run after the interpreter has cleared its modules.
    def __del__(self, _is_finalizing: "Callable[[], bool]" = sys.is_finalizing) -> None:
        """Close the port and stop watching, without waiting. At the interpreter's exit the kernel closes both."""
        if _is_finalizing():
            return
        port, watch = getattr(self, "_port", None), getattr(self, "_watch", None)
        if port is not None:
            port._close_unattended()  # noqa: SLF001  # a face's, for this
        if watch is not None:
            watch.close()

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> SerialPort:
        """Close the port of the last round, wait for the device and open it, for at most the timeout.

        Raises:
            TimeoutError: There was no port in time. The next call goes on waiting.
            PortBusyError: The device has been there for `settle` seconds, and another program holds it.
            PortPermissionError: The device has been there for `settle` seconds, and you may not open it.
            UnsupportedConfigurationError: The driver does not support a setting.
            UnsupportedFeatureError: The platform lacks a mechanism that the settings ask for.
            UnsupportedPlatformError: anyserial has no driver for this operating system.
            SerialError: The path leads to something that is not a serial port.
            ImportError: A distribution is not installed that is needed to find the device or to open it.
            TypeError: A filter has the wrong type, or there is no such filter.
            ValueError: A filter is out of its range.
            anyio.ClosedResourceError: It was closed.
            anyio.BusyResourceError: Another thread is waiting for the next port.
        """
        deadline = deadline_of(self._timeout)
        if not self._turn.acquire(blocking=False):
            raise anyio.BusyResourceError("waiting for a device to come back")
        try:
            self._end_round()
            watch = self._watch
            if watch is None:
                watch = self._start()
            try:
                return self._next_port(watch, deadline)
            except TimeoutError:
                raise
            except BaseException:
                # The traceback keeps this object for as long as somebody keeps the error.
                self._watch = None
                watch.close()
                raise
        finally:
            self._turn.release()

    def _end_round(self) -> None:
        port, self._port = self._port, None
        if port is None:
            return
        self._plan.over(monotonic(), gone=port._is_gone)  # noqa: SLF001  # a face's, for this
        try:
            port.close()
        except SerialError as error:
            self._report(f"closing failed ({error})")

    def _start(self) -> PortWatch:
        if self._closed:
            raise anyio.ClosedResourceError
        watch = PortWatch(self._presence.open_watcher, None)
        watch.__enter__()
        watch.discard()  # the ports present are looked at now anyway
        self._plan.heard(())
        self._watch = watch
        if self._closed:  # meanwhile
            watch.close()
            raise anyio.ClosedResourceError
        return watch

    def _next_port(self, watch: PortWatch, deadline: float | None) -> SerialPort:
        plan = self._plan
        while True:
            while (seconds := plan.patience(monotonic())) != 0:
                self._wait(watch, seconds, deadline)
            try:
                port = self._open(remaining(deadline))
            except Exception as error:  # noqa: BLE001  # raised again, unless it is a reason to wait
                plan.failed(error, monotonic())
            else:
                plan.opened(monotonic())
                self._port = port
                if self._closed:  # meanwhile
                    self.close()
                    raise anyio.ClosedResourceError
                return port

    def _wait(self, watch: PortWatch, seconds: float | None, deadline: float | None) -> None:
        until = None if seconds is None else monotonic() + seconds
        over = deadline is not None and (until is None or deadline < until)
        try:
            events = watch.changes(deadline if over else until)
        except SerialError as error:
            self._plan.lost_sight(error, monotonic())
            sleep(FIRST_PAUSE)
            return
        if events is not None:
            self._plan.heard(events)
        elif over:
            raise timed_out("the device did not come", self._presence.name)

    def _open(self, timeout: float | None) -> SerialPort:
        presence = self._presence
        port = open_serial_port(presence.find(), self._config, timeout=timeout)
        try:
            presence.confirm(port.path, port.port_info)
        except BaseException:
            with suppress(SerialError):
                port.close()
            raise
        return port


def _report(presence: Presence, text: str) -> None:
    _LOGGER.info("%s: %s", presence.name, text)


def wait_for_port(
    *,
    vid: int | None = None,
    pid: int | None = None,
    serial_number: str | None = None,
    device: "str | os.PathLike[str] | None" = None,
    location: str | None = None,
    interface_number: int | None = None,
    manufacturer: str | None = None,
    product: str | None = None,
    timeout: float | None = None,
) -> "PortInfo":
    """Wait until there is a port that matches everything given and that you may open.

    No port is opened. A port that is there already is returned at once.

    Args:
        vid: USB vendor id, 0 to 0xFFFF.
        pid: USB product id, 0 to 0xFFFF.
        serial_number: The USB serial number, exactly.
        device: Any name of the port, as for `anyserial.find_serial_port`.
        location: Exactly `PortInfo.location`.
        interface_number: Number of the USB interface, 0 to 255.
        manufacturer: Exactly `PortInfo.manufacturer`.
        product: Exactly `PortInfo.product`.
        timeout: Seconds to wait; None waits without limit.

    Returns:
        The port. Without any filter, the first port that there is.

    Raises:
        TimeoutError: There was no such port in time.
        TypeError: A filter has the wrong type; the message names it.
        ValueError: A number is out of its range, or *timeout* is negative.
        ImportError: The distribution anyserial-discovery is not installed.
        UnsupportedPlatformError: This platform is not known.
        SerialError: The process or the system is out of descriptors or memory.
    """
    deadline = deadline_of(timeout)
    matches = port_matcher(
        {
            "vid": vid,
            "pid": pid,
            "serial_number": serial_number,
            "device": device,
            "location": location,
            "interface_number": interface_number,
            "manufacturer": manufacturer,
            "product": product,
        }
    )
    with watch_serial_ports() as watch:
        while (events := watch.changes(deadline)) is not None:
            for event in events:
                if event.kind == "added" and matches(event.port):
                    return event.port
    raise timed_out("no such port came", "serial ports")
