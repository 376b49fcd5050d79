"""Watching by listing the ports again and again, where the kernel reports nothing to wait on.

How ports are listed is not known here.
"""

from collections.abc import Callable
from typing import override

from anyserial.discovery import PortInfo

from anyserial_discovery._host import may_open
from anyserial_discovery._watcher import Roster, Watcher

__all__ = ("PollingWatcher",)


class PollingWatcher(Watcher):
    """Lists the ports at an interval and reports what has changed.

    A device that went and came back between two looks is noticed only if something
    that is known of it has changed.

    Args:
        list_ports: Lists the ports.
        interval: Seconds between two looks, > 0.
        may_open: Tells whether this user may open a node; never opens it.
    """

    def __init__(
        self,
        list_ports: Callable[[], list[PortInfo]],
        interval: float,
        may_open: Callable[[str], bool] = may_open,
    ) -> None:
        super().__init__()
        self._list_ports = list_ports
        self._interval = interval
        self._may_open = may_open
        self._roster = Roster(self.events)
        self._look()

    @override
    def timeout(self) -> float | None:
        return self._interval

    @override
    def _look(self) -> None:
        ports = {port.device: port for port in self._list_ports() if port.present and self._may_open(port.device)}
        for name in sorted(self._roster.names() - set(ports)):
            self._roster.remove(name)
        for name, port in ports.items():
            # The description itself is the mark.
            if not self._roster.is_same(name, port):
                self._roster.add(name, port, port)
