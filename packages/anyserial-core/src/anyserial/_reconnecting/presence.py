"""Whether a device is there, and where: by its identity, by filters, by a path or by a URL.

Everything here blocks for a moment (it looks at system files), so the async face calls it on a worker.
When to look is not known here.

A path is an identity if udev made it from one (``/dev/serial/by-id``). Such a link outlives its device for a
moment, and may then lead to another device that got the same node. So once the port behind such a path has
been opened, it is looked for by what identified it then.
"""

import errno
import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

from anyserial._checks import refusal
from anyserial._drivers import is_url, locate
from anyserial._parts import load_part
from anyserial._printable import printable
from anyserial.discovery import PortEvent, PortInfo
from anyserial.exceptions import PortNotFoundError, UnsupportedPlatformError

if TYPE_CHECKING:
    from anyserial._watcher import Watcher

__all__ = ("POLL", "Device", "PathWatcher", "Presence", "port_matcher")

type Device = str | os.PathLike[str] | PortInfo | Mapping[str, object]
"""What `reconnect` takes for a device."""

POLL = 0.2  # seconds between two looks at a path that nothing tells about
_HEARD = {"/dev", "/dev/serial/by-id", "/dev/serial/by-path"}  # directories whose changes a watch reports
_BY_IDENTITY = ("/dev/serial/by-id/", "/dev/serial/by-path/")
_INTERVAL = 1.0  # seconds, as of `watch_serial_ports`


class PathWatcher:
    """Looks at one path again and again; a watcher as `anyserial_discovery` describes it.

    Args:
        path: What to look at; None for something that cannot be seen, so that each look is a change.
        interval: Seconds between two looks.
    """

    def __init__(self, path: str | None, interval: float = POLL) -> None:
        self.events: deque[PortEvent] = deque()
        self._path = path
        self._interval = interval
        self._mark: object = None
        self.process()
        self.events.clear()

    def fileno(self) -> int | None:
        """Return None: there is nothing to wait on."""
        return None

    def timeout(self) -> float | None:
        """Return the seconds until the next look."""
        return self._interval

    def process(self) -> None:
        """Look, and note an arrival if another file is at the path, or its owner or mode has changed."""
        if self._path is None:
            return
        try:
            status = os.stat(self._path)  # noqa: PTH116  # no Path is needed
        except OSError:
            self._mark = None
            return
        mark = (status.st_dev, status.st_ino, status.st_rdev, status.st_mode, status.st_uid, status.st_gid)
        if mark != self._mark:
            self._mark = mark
            self.events.append(PortEvent(kind="added", port=PortInfo(device=self._path)))

    def close(self) -> None:
        """Do nothing."""


class _Kind(Protocol):
    """How a device was named."""

    name: str

    def watcher(self) -> "Watcher": ...
    def find(self) -> str | PortInfo: ...
    def is_at(self, path: str) -> bool: ...


class _Path:
    """A path, and whatever is there."""

    def __init__(self, path: str) -> None:
        self.name = repr(path)
        self.path = path
        self._part: Any = None

    def watcher(self) -> "Watcher":
        """Watch the system's ports if that tells about the path; otherwise look at the path itself."""
        directory = os.path.dirname(os.path.abspath(self.path))  # noqa: PTH100, PTH120  # no link is followed
        try:
            self._part = load_part("anyserial_discovery")
            if directory in _HEARD:
                watcher: Watcher = self._part.open_watcher(interval=_INTERVAL)
                if watcher.fileno() is not None:
                    return watcher
                watcher.close()  # it lists every port each time: looking at one path costs less
        except (ImportError, UnsupportedPlatformError):
            pass
        return PathWatcher(self.path)

    def find(self) -> str | PortInfo:
        """Return the path, or the port that the path will name once udev has made the link."""
        try:
            os.stat(self.path)  # noqa: PTH116  # no Path is needed
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError:
            return self.path  # the open says what is wrong
        else:
            return self.path
        if self._part is not None and self.path.startswith(_BY_IDENTITY):
            port: PortInfo | None = self._part.find_port(device=self.path)
            if port is not None and port.present:
                return port
        raise PortNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)

    def is_at(self, path: str) -> bool:
        """Return True: the path is all that was asked for."""
        del path
        return True


class _Url:
    """Something behind a URL: whether it is there is only known by connecting."""

    def __init__(self, url: str) -> None:
        self.name = repr(url)
        self._url = url

    def watcher(self) -> "Watcher":
        """Take every `_INTERVAL` seconds for a change."""
        return PathWatcher(None, _INTERVAL)

    def find(self) -> str:
        """Return the URL."""
        return self._url

    def is_at(self, path: str) -> bool:
        """Return True."""
        del path
        return True


class _Identity:
    """What discovery described."""

    def __init__(self, info: PortInfo) -> None:
        self._info = info
        known = [info.description, None if info.serial_number is None else f"serial number {info.serial_number}"]
        self.name = printable(", ".join([info.device, *(text for text in known if text)]))

    def watcher(self) -> "Watcher":
        """Watch the system's ports."""
        return _open_watcher()

    def find(self) -> PortInfo:
        """Return the description: opening it looks for the device."""
        return self._info

    def is_at(self, path: str) -> bool:
        """Return whether the device has the node *path* now."""
        return locate(self._info).device == path


class _Filters:
    """The first port that matches."""

    def __init__(self, filters: Mapping[str, object]) -> None:
        self._filters = {name: value for name, value in filters.items() if value is not None}
        if not self._filters:
            raise ValueError(refusal("device", "a mapping with at least one filter, such as a serial_number", filters))
        self.name = printable("{" + ", ".join(f"{name}={value!r}" for name, value in self._filters.items()) + "}")
        self._match: Callable[[PortInfo], bool] | None = None

    def watcher(self) -> "Watcher":
        """Check the filters, and watch the system's ports."""
        self._match = port_matcher(self._filters)
        return _open_watcher()

    def find(self) -> PortInfo:
        """Return the first port that matches."""
        port: PortInfo | None = load_part("anyserial_discovery").find_port(**self._filters)
        if port is None or not port.present:
            what = "no port matches" if port is None else "this system has no node of"
            raise PortNotFoundError(errno.ENOENT, f"{what} {self.name}")
        return port

    def is_at(self, path: str) -> bool:
        """Return whether the port at *path* matches now."""
        port: PortInfo | None = load_part("anyserial_discovery").port_info_for(path)
        return port is not None and self._match is not None and self._match(port)


def port_matcher(filters: Mapping[str, object]) -> Callable[[PortInfo], bool]:
    """Return what tells whether a port matches *filters*; it looks at nodes.

    Raises:
        ImportError: The distribution anyserial-discovery is not installed.
        TypeError: A filter has the wrong type, or there is no such filter.
        ValueError: A number is out of its range.
    """
    matches: Callable[[PortInfo], bool] = load_part("anyserial_discovery").matcher(**filters)
    return matches


def _open_watcher() -> "Watcher":
    watcher: Watcher = load_part("anyserial_discovery").open_watcher(interval=_INTERVAL)
    return watcher


class Presence:
    """One device that may be there or not.

    Args:
        device: A `PortInfo`, a path, a URL, or a mapping of filters.

    Raises:
        TypeError: *device* is none of these.
        ValueError: It is an empty mapping, or an empty path.

    Attributes:
        name: What the device is called in messages; safe to print.
    """

    __slots__ = ("_kind",)

    def __init__(self, device: Device) -> None:
        self._kind: _Kind = _kind_of(device)

    @property
    def name(self) -> str:
        """What the device is called in messages; safe to print."""
        return self._kind.name

    def open_watcher(self) -> "Watcher":
        """Start to watch for events after which the device may be there.

        Raises:
            ImportError: The device is not a path, and the distribution anyserial-discovery is not installed.
            TypeError: A filter has the wrong type, or there is no such filter.
            ValueError: A number is out of its range.
            SerialError: The system refuses the descriptors that watching takes.
        """
        return self._kind.watcher()

    def find(self) -> str | PortInfo:
        """Return what to open.

        Raises:
            PortNotFoundError: The device is not there.
            SerialError: The system could not look.
        """
        return self._kind.find()

    def confirm(self, path: str, info: PortInfo | None) -> None:
        """Check that the port that was opened is the device: another one may have got its node meanwhile.

        Args:
            path: The port's path.
            info: What is known about it.

        Raises:
            PortNotFoundError: It is another one.
        """
        if not self._kind.is_at(path):
            raise PortNotFoundError(errno.ENOENT, "the port went, and another one is at this path now", path)
        link = getattr(self._kind, "path", "")
        if info is not None and link.startswith(_BY_IDENTITY[0]) and info.by_id == link and info.serial_number:
            self._kind = _Identity(info)


def _kind_of(device: object) -> _Kind:
    match device:
        case PortInfo():
            if is_url(device.device) or device == PortInfo(device=device.device, name=device.name):
                return _path(device.device)
            return _Identity(device)
        case str():
            return _path(device)
        case os.PathLike():
            return _path(os.fspath(cast("os.PathLike[str]", device)))
        case Mapping():
            return _Filters(cast("Mapping[str, object]", device))
        case _:
            raise TypeError(refusal("device", "a PortInfo, a path, or a mapping of filters", device))


def _path(path: object) -> _Kind:
    if not isinstance(path, str) or not path or "\0" in path:
        raise ValueError(refusal("device", "the path of a serial port, as text", path))
    return _Url(path) if is_url(path) else _Path(path)
