"""``anyserial term`` on real drivers: its lines, and a device that is unplugged and comes back."""

import os
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from usb_links import UsbLink

PATIENCE = 60.0  # seconds: the guest starts a program slowly
MENU = b"\x14"


class Terminal:
    """The program in a pseudo-terminal, and all that it has shown so far."""

    def __init__(self, *arguments: str) -> None:
        self._fd, near = os.openpty()
        termios.tcsetwinsize(near, (24, 80))
        self.shown = b""
        command = [sys.executable, "-m", "anyserial", "term", *arguments]
        self.process = subprocess.Popen(command, stdin=near, stdout=near, stderr=near, start_new_session=True)
        os.close(near)

    def type(self, keys: bytes) -> None:
        os.write(self._fd, keys)

    def wait(self, wanted: bytes, count: int = 1) -> None:
        deadline = time.monotonic() + PATIENCE
        while self.shown.count(wanted) < count:
            ready, _, _ = select.select([self._fd], [], [], max(deadline - time.monotonic(), 0))
            assert ready, f"never shown {count} times: {wanted!r}\n{self.shown!r}"
            self.shown += os.read(self._fd, 65536)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self._fd)


@pytest.fixture
def terminal(link: UsbLink, tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(link.path, "--log", str(tmp_path / "log"))
    yield terminal
    terminal.stop()


@pytest.mark.drivers("ftdi_sio", "cp210x", "pl2303", "ch341")
def test_the_terminal_shows_lines_and_follows_a_device_that_comes_back(
    link: UsbLink, terminal: Terminal, tmp_path: Path
) -> None:
    terminal.wait(b"connected to ")
    terminal.wait(b"  RTS ")
    link.send(b"before ")
    terminal.wait(b"before ")
    terminal.type(MENU + b"r")
    terminal.wait(b"--- RTS off")
    link.wait_outputs(rts=False)
    terminal.wait(b"  rts ")
    link.unplug()
    terminal.wait(b"--- waiting for ")
    link.plug()
    terminal.wait(b"connected to ", count=2)
    link.send(b"after")
    terminal.wait(b"after")
    terminal.type(b"back")
    assert link.receive(4) == b"back"
    terminal.type(MENU + b"q")
    assert terminal.process.wait(PATIENCE) == 0
    assert (tmp_path / "log").read_bytes() == b"before after"
