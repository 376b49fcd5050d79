"""The links that udev made below /dev/serial: which name leads to which node.

What names udev would give is for `_udev_names` to know.
"""

from collections import Counter
from dataclasses import replace

from anyserial.discovery import PortInfo

from anyserial_discovery._host import Host

__all__ = ("BY_ID", "BY_PATH", "Links", "without_shared_names")

BY_ID = "/dev/serial/by-id"
BY_PATH = "/dev/serial/by-path"


class Links:
    """One look at a directory of links; it is read when one is asked for that is not there.

    Args:
        host: Where to look.
        directory: `BY_ID` or `BY_PATH`.
    """

    __slots__ = ("_directory", "_host", "_names", "_nodes")

    def __init__(self, host: Host, directory: str) -> None:
        self._host = host
        self._directory = directory
        self._nodes: dict[str, str] | None = None
        self._names: dict[str, str] = {}

    def read(self) -> dict[str, str]:
        """Map the path of each link to the name of the node that it leads to."""
        if self._nodes is None:
            nodes: dict[str, str] = {}
            for name in sorted(self._host.names(self._directory)):
                path = f"{self._directory}/{name}"
                target = self._host.link(path)
                if target is None:
                    continue
                node = nodes[path] = target.rpartition("/")[2]
                # Newer udevs make a second path that names the USB revision.
                if node not in self._names or "-usbv" in self._names[node]:
                    self._names[node] = path
            self._nodes = nodes
        return self._nodes

    def to(self, node: str) -> str | None:
        """Return the link that leads to a node."""
        self.read()
        return self._names.get(node)

    def choose(self, node: str, computed: str | None) -> str | None:
        """Return a USB port's name: as udev's rules have it, as its links have it, or as it will be.

        Args:
            node: The kernel's name of the port.
            computed: The name by udev's rules; None when there is none.
        """
        path = None if computed is None else f"{self._directory}/{computed}"
        if path is not None and self._leads_to(path) == node:
            return path
        found = self.to(node)
        # udev that comes too late for a device makes a path without the USB part, and leaves it there.
        if found is not None and (self._directory != BY_PATH or "-usb" in found):
            return found
        # A name that leads elsewhere is another device's.
        return None if path in self.read() else path

    def _leads_to(self, path: str) -> str | None:
        """Return the node that a link names, without looking at the others."""
        if self._nodes is not None:
            return self._nodes.get(path)
        target = self._host.link(path)
        return None if target is None else target.rpartition("/")[2]


def without_shared_names(ports: list[PortInfo], id_names: dict[str, str]) -> list[PortInfo]:
    """Take the by-id name from devices that share it, whichever of them udev's link leads to.

    Args:
        ports: All ports.
        id_names: The by-id path that udev's rules give each USB port, by the kernel's name of the port.
    """
    shared = Counter(id_names[port.name] for port in ports if port.name in id_names)
    return [replace(port, by_id=None) if shared[port.by_id or ""] > 1 else port for port in ports]
