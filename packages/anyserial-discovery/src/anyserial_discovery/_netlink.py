"""The kernel's own announcements of devices: uevents over netlink, without libudev.

In a user namespace the socket can be bound and then stays silent: the kernel sends
uevents only to network namespaces that the initial user namespace owns
(lib/kobject_uevent.c). `are_uevents_heard` tells. What follows from an announcement is
not decided here: that is `_linux_watch`.
"""

import errno
import socket
from pathlib import Path
from typing import Protocol

__all__ = ("Uevents", "are_uevents_heard", "port_of")

# linux/socket.h, linux/netlink.h: the standard library has the first for Linux alone.
_AF_NETLINK = 16
_NETLINK_KOBJECT_UEVENT = 15
# The multicast group of the kernel; udev's own is 2.
_KERNEL = 1
_MAX_MESSAGE = 16384
# Messages taken at one go, so that one look stays short; the rest keeps in the kernel.
_BATCH = 256


# Ports are of these classes; `_linux` tells which of them are ports.
_CLASSES = frozenset({b"tty", b"wwan"})


class _Socket(Protocol):
    def fileno(self) -> int: ...
    def recvfrom(self, bufsize: int, /) -> tuple[bytes, tuple[int, int]]: ...
    def close(self) -> None: ...


class Uevents:
    """The ttys and modem ports that uevents speak of.

    Args:
        source: A bound netlink socket, non-blocking; None opens one.

    Raises:
        OSError: The kernel refuses the socket.
    """

    __slots__ = ("_socket",)

    def __init__(self, source: _Socket | None = None) -> None:
        self._socket: _Socket = _open() if source is None else source

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._socket.fileno()

    def read(self) -> list[str] | None:
        """Return the names of those that something happened to, None when messages were lost."""
        names: list[str] = []
        for _ in range(_BATCH):
            try:
                message, sender = self._socket.recvfrom(_MAX_MESSAGE)
            except BlockingIOError:
                break
            except OSError as exc:
                if exc.errno != errno.ENOBUFS:
                    raise
                # The queue ran over. What it still holds comes with the next reads.
                return None
            # Only the kernel has the port number 0; anybody may send to the group.
            if sender[0] == 0 and (name := port_of(message)) is not None:
                names.append(name)
        return names

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def _open() -> socket.socket:
    source = socket.socket(_AF_NETLINK, socket.SOCK_DGRAM, _NETLINK_KOBJECT_UEVENT)
    try:
        source.setblocking(False)
        source.bind((0, _KERNEL))
    except BaseException:
        source.close()
        raise
    return source


def port_of(message: bytes) -> str | None:
    r"""Return the kernel's name of the tty or modem port that a message is about, None for any other message.

    Args:
        message: ``add@/devices/.../tty/ttyUSB0`` and then ``KEY=value``, each ended by NUL.
    """
    header, _, rest = message.partition(b"\0")
    if b"@" not in header:
        return None
    fields = dict(line.split(b"=", 1) for line in rest.split(b"\0") if b"=" in line)
    if fields.get(b"SUBSYSTEM") not in _CLASSES:
        return None
    name = fields.get(b"DEVPATH", b"").rpartition(b"/")[2]
    return name.decode("utf-8", "replace") or None


def are_uevents_heard(uid_map: str = "/proc/self/uid_map") -> bool:
    """Tell whether this process is in the initial user namespace.

    Only there all user ids are mapped to themselves (user_namespaces(7)).
    """
    try:
        return Path(uid_map).read_text().split() == ["0", "0", "4294967295"]
    except OSError:
        return False
