"""What is at the other end of the ports that real client programs open: answering devices, and crossed pairs.

One thread serves a far end. It holds the program's side of the pty open too, so that a program may close and open
its port as often as it likes.
"""

import os
import select
import socket
import termios
import threading
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager

__all__ = ("crossed_pair", "far_end", "tcp_far_end")

type Respond = Callable[[bytes], bytes]


class _Pty:
    """A pty in raw mode; closed as a whole."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave, termios.TCSANOW)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self.slave)

    def close(self) -> None:
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def _served(*links: tuple[_Pty, Callable[[bytes], None]]) -> Generator[None]:
    """Hand what each pty receives to its function, in one thread, until the block ends."""
    woken, waker = os.pipe()
    poll = select.poll()
    takers = {pty.master: take for pty, take in links}
    for fd in (woken, *takers):
        poll.register(fd, select.POLLIN)

    def serve() -> None:
        while True:
            for fd, _ in poll.poll():
                if fd == woken:
                    return
                takers[fd](os.read(fd, 4096))

    thread = threading.Thread(target=serve, name="far end")
    thread.start()
    try:
        yield
    finally:
        os.write(waker, b"\0")
        thread.join(10)
        os.close(woken)
        os.close(waker)


def _write(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            select.select([], [fd], [])


@contextmanager
def far_end(respond: Respond) -> Generator[str]:
    """Give the path of a pty; what *respond* returns for what a program sends is sent back."""
    pty = _Pty()

    def take(data: bytes) -> None:
        _write(pty.master, respond(data))

    try:
        with _served((pty, take)):
            yield pty.path
    finally:
        pty.close()


@contextmanager
def crossed_pair() -> Generator[tuple[str, str]]:
    """Give the paths of two ptys; what is sent into one comes out of the other."""
    one, other = _Pty(), _Pty()
    try:
        with _served((one, lambda data: _write(other.master, data)), (other, lambda data: _write(one.master, data))):
            yield one.path, other.path
    finally:
        one.close()
        other.close()


@contextmanager
def tcp_far_end(respond: Respond) -> Generator[tuple[str, int]]:
    """Give host and port of a server on this machine that answers as `far_end`, one client after another."""

    def serve() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                while data := client.recv(4096):
                    client.sendall(respond(data))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, name="TCP far end")
        thread.start()
        try:
            yield server.getsockname()
        finally:
            server.shutdown(socket.SHUT_RDWR)  # ends accept
            thread.join(10)
