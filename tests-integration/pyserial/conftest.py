"""A pySerial port on a pty, and the far end of it."""

import os
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest
from anyserial.pyserial import Serial

LIMIT = 10.0


class Rig:
    """The far end's descriptor, and ports on the device at the near end."""

    def __init__(self) -> None:
        self.far, self._near = os.openpty()
        tty.setraw(self._near)
        self.path = os.ttyname(self._near)
        self.ports: list[Serial] = []

    def open(self, *args: Any, cls: type[Serial] = Serial, **settings: Any) -> Serial:
        port = cls(self.path, *args, **settings)
        self.ports.append(port)
        return port

    def feed(self, data: bytes, port: Serial | None = None) -> None:
        """Let bytes arrive; wait until *port* has them."""
        before = 0 if port is None else port.in_waiting
        os.write(self.far, data)
        if port is not None:
            wait_until(lambda: port.in_waiting >= before + len(data))

    def take(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            data += os.read(self.far, count - len(data))
        return data

    def unplug(self) -> None:
        """Hang the line up."""
        far, self.far = self.far, -1
        os.close(far)

    def end(self) -> None:
        for port in self.ports:
            with suppress(OSError):
                port.close()
        for descriptor in (self.far, self._near):
            if descriptor >= 0:
                os.close(descriptor)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = monotonic() + LIMIT
    while not condition():
        assert monotonic() < deadline, "it did not happen"
        sleep(0.001)


class Call:
    """A call in a thread of its own, and how it ended."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.result: Any = None
        self.error: BaseException | None = None
        self._function = function
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._function()
        except BaseException as exc:  # noqa: BLE001  # looked at by the test
            self.error = exc

    @property
    def waits(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> Any:
        self._thread.join(LIMIT)
        assert not self.waits, "the call hangs"
        if self.error is not None:
            raise self.error
        return self.result


@pytest.fixture
def rig() -> Iterator[Rig]:
    """A pty whose near end ports can be opened on."""
    made = Rig()
    yield made
    made.end()


@pytest.fixture
def in_thread() -> Callable[[Callable[[], Any]], Call]:
    """Make a call in a thread of its own."""
    return Call


@pytest.fixture
def receiving() -> Callable[[Serial], None]:
    """Wait until a call of the port receives."""
    return lambda port: wait_until(lambda: "receiver" in _turns(port))


@pytest.fixture
def sending() -> Callable[[Serial], None]:
    """Wait until a call of the port sends."""
    return lambda port: wait_until(lambda: "sender" in _turns(port))


@pytest.fixture
def received() -> Callable[[Serial, int], None]:
    """Wait until calls of the port have received that many bytes."""

    def wait(port: Serial, count: int) -> None:
        link = port._open_link
        assert link is not None
        wait_until(lambda: link.statistics.bytes_received == count)

    return wait


def _turns(port: Serial) -> dict[str, object]:
    link = port._open_link
    assert link is not None
    return link._turns
