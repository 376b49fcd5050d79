"""Servers of one serial port, each a process of its own: ser2net, which is Debian's package, and `anyserial serve`."""

import os
import select
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

__all__ = ("PortServer", "own", "ser2net", "ser2net_program")

PATIENCE = 60.0  # seconds until a server must listen; a virtual machine starts a program slowly


class PortServer(NamedTuple):
    """A server that runs.

    Attributes:
        name: Which one it is.
        path: The port that it serves.
        rfc2217: The URL for RFC 2217.
        tcp: The URL for raw TCP.
        process: The process.
    """

    name: str
    path: str
    rfc2217: str
    tcp: str
    process: subprocess.Popen[str]

    def wait_idle(self) -> None:
        """Wait until the server has closed the port, and the next client can have it."""
        deadline = time.monotonic() + PATIENCE
        while self.has_port_open():
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} has {self.path} still open")
            time.sleep(0.02)

    def has_port_open(self) -> bool:
        """Return whether the server has the port open."""
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with suppress(OSError):  # closed meanwhile
                if str(link.readlink()).removesuffix(" (deleted)") == self.path:
                    return True
        return False


def ser2net_program() -> str | None:
    """Return ser2net's path; None if it is not installed."""
    return shutil.which("ser2net", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _wait_until_something_listens(port: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        # Looking is not connecting: ser2net would take this for a client that has the port.
        listening = f"0100007F:{port:04X} 00000000:0000 0A"
        if listening in Path("/proc/net/tcp").read_text():
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens at {port}")


@contextmanager
def ser2net(path: str) -> Generator[PortServer]:
    """Serve the port at *path* with ser2net, whose configuration is the shortest one that its manual gives."""
    program = ser2net_program()
    assert program is not None
    numbers = _free_port(), _free_port()
    command = [program, "-n", "-u", "-Y", "%YAML 1.1#---"]
    for name, accepter, number in (("a", "telnet(rfc2217),tcp", numbers[0]), ("b", "tcp", numbers[1])):
        lines = (
            f"connection: &{name}",
            f"  accepter: {accepter},127.0.0.1,{number}",
            f"  connector: serialdev,{path},115200n81,local",
        )
        command += ["-Y", "#".join(lines)]  # ser2net takes the sign for the end of a line
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            for number in numbers:
                _wait_until_something_listens(number, process)
            yield PortServer(
                "ser2net", path, f"rfc2217://127.0.0.1:{numbers[0]}", f"tcp://127.0.0.1:{numbers[1]}", process
            )
        finally:
            process.terminate()


@contextmanager
def own(path: str, *options: str) -> Generator[PortServer]:
    """Serve the port at *path* with ``anyserial serve``."""
    command = [sys.executable, "-m", "anyserial", "serve", path, "--rfc2217", "0", "--tcp", "0", *options]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            if not select.select([process.stdout], [], [], PATIENCE)[0]:
                raise TimeoutError("the server does not say where it listens")
            urls = process.stdout.readline().strip(), process.stdout.readline().strip()
            yield PortServer("anyserial serve", path, *urls, process)
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
