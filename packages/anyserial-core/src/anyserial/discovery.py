"""Finding serial ports and watching them come and go: PortInfo, and list, find and watch.

This is the public face. How a platform is asked lives in the part
``anyserial_discovery``, which is loaded, as all of its work is done, off the event
loop's thread. No platform code may go into this module, and nothing that
`open_serial_port` needs before a port is asked for.
"""

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

import anyio
import anyio.lowlevel

from anyserial._checks import check_seconds
from anyserial._parts import load_part
from anyserial._runner import run_on_worker as run
from anyserial._workers import hold, post, release

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from anyserial._watcher import Watcher

__all__ = (
    "DiscoveryBackend",
    "PortEvent",
    "PortInfo",
    "PortWatch",
    "canonical_port_name",
    "find_serial_port",
    "list_serial_ports",
    "watch_serial_ports",
)

type DiscoveryBackend = Literal["native", "pyudev", "pyserial"]
"""Which library lists the ports.

``"native"`` is anyserial's own code for the platform. ``"pyudev"`` (Linux) and
``"pyserial"`` ask those libraries, which are extras of their own.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PortInfo:
    """What is known of one serial port without opening it.

    Compared by value and hashable. Only `device` is always set; any other field is
    None if the platform, the bus or the device does not report it.

    Opening a PortInfo opens the device that it describes, at its present path.

    `serial_number`, `manufacturer`, `product` and `interface` come unchanged from the
    device, and may contain escape sequences that a terminal obeys. `description` and
    `hwid` are safe to print.

    Attributes:
        device: Path of the device node, ``/dev/ttyUSB0``. In a container that has the
            node under another name, it is that name.
        name: The kernel's name for the port, ``ttyUSB0``.
        description: A line for people: the product's name, or the kind of port.
        hwid: The hardware in pySerial's form, for example
            ``USB VID:PID=0403:6001 SER=A12345 LOCATION=1-1.2``.
        vid: USB vendor id, 0 to 0xFFFF. None for what is not USB.
        pid: USB product id, 0 to 0xFFFF. None for what is not USB.
        serial_number: The serial number that the USB device reports.
        manufacturer: The manufacturer's name that the USB device reports.
        product: The product's name that the USB device reports.
        location: Where it is plugged in: for USB the bus and the chain of hub ports
            (``1-1.2``), which the ports of one device share; for PCI the slot
            (``0000:00:10.0``); for a platform UART the device's name; for Bluetooth
            the address.
        interface: The name of the USB interface, where the device gives one.
        driver: The kernel driver, for example ``ftdi_sio``.
        transport: ``"usb"``, ``"pci"``, ``"platform"`` (a UART of the board),
            ``"bluetooth"``, ``"gadget"`` (this host is the USB device), ``"network"``
            (a URL) or ``"virtual"`` (a console or channel without hardware of its own); on Linux
            also the kernel's name of any other bus, for example ``"spi"``.
        interface_number: Number of the USB interface. It tells the ports of one
            multi-port adapter apart.
        by_id: Name of the port below ``/dev/serial/by-id``: it stays with the device,
            wherever that is plugged in. Where no udev runs, the name that udev would
            give: it identifies the port, but no such file exists. None for every
            device that shares the name, also for the one that udev's link leads to.
        by_path: The same below ``/dev/serial/by-path``: it stays with the socket,
            whatever is plugged in there.
        present: False when the kernel knows the port, but it has no node here, as in a
            container that was not given the device. `device` is then the path that the
            kernel would give it, where another port's node may be.
    """

    device: str
    name: str | None = None
    description: str | None = None
    hwid: str | None = None
    vid: int | None = None
    pid: int | None = None
    serial_number: str | None = None
    manufacturer: str | None = None
    product: str | None = None
    location: str | None = None
    interface: str | None = None
    driver: str | None = None
    transport: str | None = None
    interface_number: int | None = None
    by_id: str | None = None
    by_path: str | None = None
    present: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PortEvent:
    """A port that was plugged in or unplugged.

    Attributes:
        kind: ``"added"`` or ``"removed"``.
        port: The port. The events of its arrival and its removal have equal values.
    """

    kind: Literal["added", "removed"]
    port: PortInfo


def _part() -> Any:
    return load_part("anyserial_discovery")


async def list_serial_ports(*, backend: DiscoveryBackend = "native") -> list[PortInfo]:
    """List the serial ports of this host, as they are now.

    No port is opened. Ports that the platform only reserves a name for (a ``ttyS``
    with no UART behind it) are left out. A device that is unplugged while it is being
    looked at is left out, too. An empty list means that there are no ports: if
    the system cannot list them, an error is raised.

    Args:
        backend: Which library lists the ports.

    Returns:
        The ports, sorted by name with numbers in numerical order. Empty when there
        are none.

    Raises:
        ImportError: The distribution anyserial-discovery, or the library that
            `backend` names, is not installed. The message says what to install.
        UnsupportedPlatformError: `backend` does not know this platform.
        ValueError: There is no such backend.
        PortPermissionError: You may not list the system's ports.
        SerialError: The process or the system is out of descriptors or memory.

    Cancellation:
        May be cancelled at any time; a thread then finishes the listing.
    """
    return await run(lambda: _list(backend))


def _list(backend: DiscoveryBackend) -> list[PortInfo]:
    ports: list[PortInfo] = _part().list_ports(backend)
    return ports


async def find_serial_port(
    *,
    vid: int | None = None,
    pid: int | None = None,
    serial_number: str | None = None,
    device: str | os.PathLike[str] | None = None,
    location: str | None = None,
    interface_number: int | None = None,
    manufacturer: str | None = None,
    product: str | None = None,
    backend: DiscoveryBackend = "native",
) -> PortInfo | None:
    """Find the first port that matches all filters.

    Args:
        vid: USB vendor id, 0 to 0xFFFF.
        pid: USB product id, 0 to 0xFFFF.
        serial_number: The USB serial number, exactly.
        device: Any name of the port: a node of it, a link to one, the kernel's name
            (``"ttyUSB0"``), its name below ``/dev/serial/by-id`` or ``by-path`` (also
            where no udev runs and that file does not exist). A node is compared by its
            number, so that in a container it may have any name.
        location: Exactly `PortInfo.location`.
        interface_number: Number of the USB interface, 0 to 255.
        manufacturer: Exactly `PortInfo.manufacturer`.
        product: Exactly `PortInfo.product`.
        backend: Which library lists the ports.

    Returns:
        The first match in the order of `list_serial_ports`, or None. A port that has no
        node here (`PortInfo.present`) is returned only if no other matches. Without
        filters, the first port.

    Raises:
        TypeError: A filter has the wrong type; the message names it.
        ValueError: A number is out of its range, or there is no such backend.
        ImportError: As for `list_serial_ports`.
        UnsupportedPlatformError: As for `list_serial_ports`.
        SerialError: As for `list_serial_ports`.

    Cancellation:
        May be cancelled at any time; a thread then finishes the search.
    """
    filters: dict[str, object] = {
        "vid": vid,
        "pid": pid,
        "serial_number": serial_number,
        "device": device,
        "location": location,
        "interface_number": interface_number,
        "manufacturer": manufacturer,
        "product": product,
    }
    from anyserial._filters import checked_filters  # noqa: PLC0415  # few programs filter ports

    checked_filters(filters)  # before a worker does, so that a mistake shows this call alone
    return await run(lambda: _find(filters, backend))


def _find(filters: dict[str, object], backend: DiscoveryBackend) -> PortInfo | None:
    port: PortInfo | None = _part().find_port(backend=backend, **filters)
    return port


def watch_serial_ports(*, interval: float = 1.0) -> "PortWatch":
    """Report the ports present, then each arrival and removal.

        async with watch_serial_ports() as events:
            async for event in events:
                print(event.kind, event.port.device)

    First there is an ``"added"`` for each port present. From then on a port is added
    as soon as its node exists and you may open it; the port is not opened to find that
    out. A port that you may not open is never reported. A device that is unplugged and
    plugged in again is removed and added, however quickly it was.

    On Linux the kernel reports changes at once. On macOS and the BSDs, and in a
    container that the kernel's events do not reach, the ports are listed every
    *interval* seconds, so that a change is seen that much later.

    Memory for events is limited: until you take them, they wait in the kernel. If the
    kernel's queue overflows, the ports are listed again and the changes are reported.
    Waiting for an event raises `SerialError` if the process or the system is out of
    descriptors or memory. The watch stays usable, and the next call lists all ports again.

    Args:
        interval: Seconds between two listings where the system reports no changes, > 0.

    Raises:
        TypeError: *interval* is not a number.
        ValueError: *interval* is not above 0, or not finite.
        ImportError: On entering: the distribution anyserial-discovery is not installed.
        UnsupportedPlatformError: On entering: this platform is not known.
        SerialError: On entering: the system refuses the descriptors that watching takes.
    """
    interval = check_seconds("interval", interval, zero=False)
    return PortWatch(lambda: _watch(interval))


class PortWatch:
    """The events of `watch_serial_ports`: an async context manager and iterator.

    It belongs to the event loop that entered it. One task at a time may wait for an
    event.
    """

    _closing: anyio.Event  # made on entering, where there is an event loop

    __slots__ = ("__weakref__", "_closed", "_closing", "_guard", "_looking", "_open_watcher", "_watcher")

    def __init__(self, open_watcher: "Callable[[], Watcher]") -> None:
        self._open_watcher = open_watcher
        self._watcher: Watcher | None = None
        self._closed = False
        self._looking = False
        self._guard = anyio.ResourceGuard("waiting for port events")

    async def __aenter__(self) -> Self:
        """Start watching.

        Raises:
            RuntimeError: It was entered before.
        """
        if self._watcher is not None or self._closed:
            raise RuntimeError("a watch can be entered only once: call watch_serial_ports() again")
        self._closing = anyio.Event()
        self._watcher = await run(self._open_watcher, abandoned=_close_watcher)
        # Events come in bursts: one thread serves them all.
        hold(self)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: "TracebackType | None"
    ) -> None:
        """Stop watching: `aclose`."""
        await self.aclose()

    async def aclose(self) -> None:
        """Stop watching.

        A task that waits for an event gets `anyio.ClosedResourceError`. Closing twice
        does nothing.

        Cancellation:
            The watch is closed all the same, on a thread.
        """
        self._closed = True
        watcher, self._watcher = self._watcher, None
        if watcher is None:
            await anyio.lowlevel.checkpoint()
            return
        if (fd := watcher.fileno()) is not None:
            anyio.notify_closing(fd)
        self._closing.set()
        try:
            # On a thread: the kernel takes some 15 ms to close an inotify descriptor.
            await run(watcher.close)
        finally:
            release(self)

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> PortEvent:
        """Wait for the next event.

        Raises:
            anyio.ClosedResourceError: The watch was closed, or not entered.
            anyio.BusyResourceError: Another task is waiting.
            SerialError: The system could not look; the next call looks again.

        Cancellation:
            No event is lost: the next call returns it.
        """
        with self._guard:
            await anyio.lowlevel.checkpoint()
            while True:
                watcher = self._watcher
                if watcher is None:
                    raise anyio.ClosedResourceError
                if watcher.events:
                    return watcher.events.popleft()
                await self._look(watcher, None)

    async def _changes(self, seconds: float | None) -> list[PortEvent] | None:
        """Wait until something has changed, for at most *seconds*; the other way to use a watch.

        Returns:
            The events. Empty if something has changed that is not an event, None if the time is over.

        Raises:
            anyio.ClosedResourceError: As `__anext__`.
        """
        with self._guard:
            await anyio.lowlevel.checkpoint()
            watcher = self._watcher
            if watcher is None:
                raise anyio.ClosedResourceError
            if not watcher.events and not await self._look(watcher, seconds):
                return None
            events = list(watcher.events)
            watcher.events.clear()
            return events

    async def _look(self, watcher: "Watcher", seconds: float | None) -> bool:
        """Wait until it is time to look, and look; return False, without a look, if *seconds* are over before."""
        if not self._looking and not await self._wait(watcher, seconds):
            return False
        # What is found goes to `events`, so that cancelling here loses none of it. A look that
        # was abandoned may yet take what the descriptor would have told, so the next call
        # looks again, after it, instead of waiting.
        self._looking = True
        await run(watcher.process)
        self._looking = False
        return True

    async def _wait(self, watcher: "Watcher", seconds: float | None) -> bool:
        fd, timeout = watcher.fileno(), watcher.timeout()
        ends_early = seconds is not None and (timeout is None or seconds < timeout)
        with anyio.move_on_after(seconds if ends_early else timeout) as scope:
            if fd is not None:
                await anyio.wait_readable(fd)
            else:
                await self._closing.wait()
        return not (ends_early and scope.cancelled_caught)

    def _discard(self) -> None:
        """Drop the events that were found so far."""
        if self._watcher is not None:
            self._watcher.events.clear()

    def _forget(self) -> None:
        """Stop watching, on a worker: no task waits, and none will."""
        self._closed = True
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            post(watcher.close)
            release(self)


def _watch(interval: float) -> "Watcher":
    watcher: Watcher = _part().open_watcher(interval=interval)
    return watcher


def _close_watcher(watcher: "Watcher | None") -> None:
    # None: it could not be opened.
    if watcher is not None:
        watcher.close()


def canonical_port_name(path: str | os.PathLike[str], *, platform: str | None = None) -> str:
    r"""Return the same name for every path of a port.

    Two names mean the same port when their canonical names are equal, so the result
    serves as a key. Links are followed when `path` exists. A name that does not exist
    stays as it is.

    Args:
        path: Any name of a port.
        platform: The ``sys.platform`` whose rules apply; None for this one. On
            ``"win32"`` the prefixes ``\\.\`` and ``\\?\`` are dropped and the rest is
            upper-cased, without looking at the file system.
    """
    name = os.fspath(path)
    if (sys.platform if platform is None else platform) == "win32":
        while name.startswith(("\\\\.\\", "\\\\?\\")):
            name = name[4:]
        return name.upper()
    return os.path.realpath(name) if os.path.exists(name) else name  # noqa: PTH110 - it never raises
