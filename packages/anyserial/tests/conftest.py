"""A serial device for the command's tests: a pty whose far end a thread of the test serves."""

import os
import select
import threading
import tty
from collections.abc import Callable, Iterator

import pytest

type Behaviour = Callable[[int, bytes], None]


class Device:
    """The far end of a pty, which hands every piece that arrives to a behaviour, until it is stopped."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        self.path = os.ttyname(self._near)
        self.received = b""
        self._behaviour = behaviour
        self._stop = os.eventfd(0)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            ready, _, _ = select.select([self._far, self._stop], [], [])
            if self._stop in ready:
                return
            data = os.read(self._far, 4096)
            self.received += data
            self._behaviour(self._far, data)

    def stop(self) -> None:
        os.eventfd_write(self._stop, 1)
        self._thread.join()
        for fd in (self._far, self._near, self._stop):
            os.close(fd)


@pytest.fixture
def make_device() -> Iterator[Callable[[Behaviour], Device]]:
    """Make a device; it ends with the test."""
    devices: list[Device] = []

    def make(behaviour: Behaviour) -> Device:
        devices.append(Device(behaviour))
        return devices[-1]

    yield make
    for device in devices:
        device.stop()
