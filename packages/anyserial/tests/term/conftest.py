"""A user at a terminal (emulated by pyte) who runs the real program, and the device at the other end."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

PATIENCE = 15.0  # seconds: a busy machine starts a program slowly
# Not in development mode: there, asyncio writes to the screen that a task took long.
PROGRAM = [sys.executable, "-W", "error", "-m", "anyserial"]
# Makes the terminal the controlling one, so that it sends SIGWINCH and SIGTSTP.
ADOPT = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"


class User:
    """Runs one command in a terminal of its own."""

    def __init__(self, command: list[str], rows: int, columns: int, **environment: str) -> None:
        self.fd, self.near = os.openpty()
        self.screen = pyte.Screen(columns, rows)
        self.stream = pyte.ByteStream(self.screen)
        self.output = b""
        self.resize(rows, columns)
        self.modes = termios.tcgetattr(self.near)
        clean = {
            name: value
            for name, value in os.environ.items()
            if name not in {"NO_COLOR", "COLUMNS", "LINES", "PYTHONDEVMODE"}
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", ADOPT, *command],
            stdin=self.near,
            stdout=self.near,
            stderr=self.near,
            env=clean | {"TERM": "xterm", "PS1": "shell> "} | environment,
            start_new_session=True,
        )
        self._exited = os.pidfd_open(self.process.pid)
        self._is_gone = False

    def resize(self, rows: int, columns: int) -> None:
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.near, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: str | bytes) -> None:
        os.write(self.fd, keys.encode() if isinstance(keys, str) else keys)

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.screen.display]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def wait(self, wanted: str | Callable[[], bool]) -> None:
        """Read until *wanted* is on the screen."""

        def seen() -> bool:
            return wanted in self.text if isinstance(wanted, str) else wanted()

        deadline = time.monotonic() + PATIENCE
        while not seen():
            ready, _, _ = select.select([self.fd], [], [], 1.0)
            if ready:
                self._read()
            if time.monotonic() > deadline or (not ready and self.process.poll() is not None):
                raise AssertionError(
                    f"never seen: {wanted!r}; exit {self.process.poll()}\n{self.text}\n{self.output[-2000:]!r}"
                )

    def wait_exit(self) -> int:
        """Read until the program has ended, and return its exit status."""
        while True:
            ready, _, _ = select.select([self.fd, self._exited], [], [], PATIENCE)
            if self.fd in ready:
                self._read()
            elif ready:
                return self.process.wait()
            else:
                raise AssertionError(f"it does not end\n{self.text}")

    def _read(self) -> None:
        data = os.read(self.fd, 65536)
        self.output += data
        self.stream.feed(data)

    def is_restored(self) -> bool:
        return termios.tcgetattr(self.near) == self.modes

    def hang_up(self) -> None:
        """Close the terminal, as a window is closed."""
        self._is_gone = True
        os.close(self.near)
        os.close(self.fd)

    def stop(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.kill()
            self.process.wait()
        for fd in (self._exited,) if self._is_gone else (self.fd, self.near, self._exited):
            os.close(fd)


class Device:
    """The device: the far end of a pty behind a link, which can be pulled out and plugged in again."""

    def __init__(self, link: Path) -> None:
        self.path = str(link)
        self._link = link
        self.plug()

    def plug(self) -> None:
        self.fd, self._near = os.openpty()
        tty.setraw(self._near)
        self._link.symlink_to(os.ttyname(self._near))

    def unplug(self) -> None:
        self._link.unlink()
        os.close(self.fd)
        os.close(self._near)

    def stop(self) -> None:
        if self._link.is_symlink():
            self.unplug()

    def send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self.fd, data) :]

    def expect(self, wanted: bytes) -> None:
        """Receive *wanted*, and nothing before it."""
        got = b""
        while len(got) < len(wanted):
            ready, _, _ = select.select([self.fd], [], [], PATIENCE)
            assert ready, f"received {got!r}, never {wanted!r}"
            got += os.read(self.fd, 4096)
        assert got == wanted

    def rate(self) -> int:
        rate: int = termios.tcgetattr(self._near)[4]
        return rate


type Run = Callable[..., User]


@pytest.fixture
def device() -> Iterator[Device]:
    with tempfile.TemporaryDirectory(prefix="a") as folder:  # a short name, for a screen of 80 columns
        device = Device(Path(folder) / "port")
        yield device
        device.stop()


@pytest.fixture
def run() -> Iterator[Run]:
    users: list[User] = []

    class Start:
        def __call__(self, *arguments: str, rows: int = 24, columns: int = 80, **environment: str) -> User:
            return self.command([*PROGRAM, *arguments], rows, columns, **environment)

        def command(self, command: list[str], rows: int = 24, columns: int = 80, **environment: str) -> User:
            users.append(User(command, rows, columns, **environment))
            return users[-1]

    yield Start()
    for user in users:
        user.stop()


@pytest.fixture
def shell() -> Iterator[User]:
    user = User(["bash", "--norc", "--noprofile", "-i"], 24, 100)
    yield user
    user.stop()
