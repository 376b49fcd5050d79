"""A pseudo-terminal as a link to a shared blocking port, served by three threads.

As core's async twin: one thread reads the port, so that the port is read even while no program reads the pty;
one writes what its link receives to the pty; one sends what is written to the pty. The pty itself is the
platform part's.
"""

import os
import select
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from anyserial._spi import create_pty
from anyserial.exceptions import LineError, SerialError
from anyserial.tap import InputLostError

if TYPE_CHECKING:
    from collections.abc import Generator

    from anyserial._spi import Pty

    from anyserial_sync._sharing import PortLink, SharedPort

__all__ = ("linked_pty",)

PIECE = 4096  # bytes that are on their way to a pty; more would be old before a program reads them
PATIENCE = 1.0  # seconds that a send to the port may still take when the block ends
RETRY = 0.05  # seconds until a send that had not begun yet is cancelled again


@contextmanager
def linked_pty(shared: "SharedPort") -> "Generator[str]":
    """See `SharedPort.pty`."""
    shared.port.input_waiting()  # a port that has ended is refused here and not in a thread
    pty = create_pty()
    try:
        stopping, stop = os.pipe()
    except OSError:
        pty.close()
        raise
    threads: list[threading.Thread] = []
    link = shared.link()
    try:
        with link, shared.link() as ahead:
            service = _Service(pty, link, stopping)
            for target, argument in ((service.show, ()), (service.take, ()), (_read_ahead, (ahead,))):
                thread = threading.Thread(target=target, args=argument, name="anyserial pty", daemon=True)
                thread.start()
                threads.append(thread)
            yield pty.path
    finally:
        os.close(stop)
        for thread in threads:
            thread.join(PATIENCE)
            while thread.is_alive():  # flow control holds back what a program has written
                shared.cancel_send(link)
                thread.join(RETRY)
        os.close(stopping)
        pty.close()


def _read_ahead(ahead: "PortLink") -> None:
    """Read the port until it ends, or until the link is closed."""
    while True:
        try:
            ahead.receive()
        except (InputLostError, LineError):
            continue
        except SerialError:
            return


class _Service:
    def __init__(self, pty: "Pty", link: "PortLink", stopping: int) -> None:
        self._pty = pty
        self._link = link
        self._stopping = stopping

    def show(self) -> None:
        """Write what is received to the pty."""
        while True:
            try:
                rest = memoryview(self._link.receive(PIECE))
            except InputLostError:
                self._pty.discard_unread()  # it is older than the gap
                continue
            except LineError:
                continue
            except SerialError:
                return
            while rest:
                count = self._pty.write(rest)
                if count is None and self._must_stop(select.POLLOUT):
                    return
                rest = rest[count or 0 :]

    def take(self) -> None:
        """Send what programs write to the pty."""
        while not self._must_stop(select.POLLIN):
            if (data := self._pty.read(PIECE)) is not None:
                try:
                    self._link.send(data)
                except SerialError:
                    return

    def _must_stop(self, event: int) -> bool:
        """Wait for the pty; return whether the block has ended."""
        poll = select.poll()
        poll.register(self._pty.fileno(), event)
        poll.register(self._stopping, select.POLLIN)  # its other end is closed when the block ends
        return any(fd == self._stopping for fd, _ in poll.poll())
