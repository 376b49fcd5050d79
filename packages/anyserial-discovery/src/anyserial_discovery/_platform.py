"""Which code serves this platform: the only place that looks at `sys.platform`.

No platform's own code belongs here.
"""

import os
import sys
from collections.abc import Callable
from typing import Protocol

from anyserial.discovery import DiscoveryBackend, PortInfo
from anyserial.exceptions import UnsupportedPlatformError

from anyserial_discovery._watcher import Watcher

__all__ = ("lister", "resolver", "watcher")

type Lister = Callable[[], list[PortInfo]]


class Resolver(Protocol):
    """What tells the port that a path leads to."""

    def __call__(self, path: str, like: PortInfo | None = None, /) -> PortInfo | None:
        """Describe the port at *path*.

        Args:
            path: A node, or a link to one.
            like: What was known of the port before. If that is still so, it may be
                returned, where finding that out costs less than describing the port.
        """
        ...


def lister(backend: DiscoveryBackend = "native", *, platform: str = sys.platform) -> Lister:
    """Return what lists the ports.

    Raises:
        ImportError: The library that `backend` names is not installed.
        UnsupportedPlatformError: `backend` does not know this platform.
        ValueError: There is no such backend.
    """
    if backend == "native":
        return _native(platform)
    if backend == "pyserial":
        from anyserial_discovery import _pyserial

        return _answering(_pyserial.list_ports)
    if backend == "pyudev":
        if not platform.startswith("linux"):
            raise UnsupportedPlatformError(f"the discovery backend 'pyudev' is for Linux, not for {platform!r}")
        from anyserial_discovery import _pyudev

        return _answering(_pyudev.list_ports)
    raise ValueError(f"backend must be 'native', 'pyudev' or 'pyserial', not {backend!r}")


def _native(platform: str) -> Lister:
    # ruff: noqa: PLC0415 - one platform's modules, never another's
    if platform.startswith("linux"):
        from anyserial_discovery._linux import Sysfs

        return lambda: Sysfs().list_ports()
    if platform == "darwin":
        from anyserial_discovery._darwin import list_ports

        return list_ports
    if platform.startswith(("freebsd", "dragonfly")):
        from anyserial_discovery._freebsd import list_ports as list_freebsd_ports

        return list_freebsd_ports
    if platform.startswith(("openbsd", "netbsd")):
        from anyserial_discovery._bsd import list_ports as list_bsd_ports

        return lambda: list_bsd_ports(platform)
    raise UnsupportedPlatformError(
        f"anyserial cannot list the ports of {platform!r}: it knows Linux, macOS and the BSDs (backend='pyserial' may)"
    )


def _answering(list_ports: Lister) -> Lister:
    """Make another library's listing raise where it was out of descriptors, which it would pass over."""

    def listed() -> list[PortInfo]:
        found = list_ports()
        os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        return found

    return listed


def resolver(*, platform: str = sys.platform) -> Resolver:
    """Return what tells the port that a path leads to.

    Raises:
        UnsupportedPlatformError: This platform is not known.
    """
    if platform.startswith("linux"):
        from anyserial_discovery._linux import Sysfs

        return lambda path, like=None: Sysfs().port_info_for(path, like)
    if platform == "darwin":
        from anyserial_discovery._darwin import port_info_for

        return lambda path, _=None: port_info_for(path)
    from anyserial_discovery._match import Filters

    list_ports = _native(platform)
    return lambda path, _=None: Filters(device=path).first(list_ports())


def watcher(interval: float, *, platform: str = sys.platform) -> Watcher:
    """Start watching.

    Raises:
        UnsupportedPlatformError: This platform is not known.
        OSError: The kernel refuses the descriptors that watching takes.
    """
    if platform.startswith("linux"):
        from anyserial_discovery._linux_watch import LinuxWatcher

        return LinuxWatcher.open(interval)
    from anyserial_discovery._polling import PollingWatcher

    return PollingWatcher(_native(platform), interval)
