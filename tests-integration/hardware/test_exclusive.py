"""One port, two processes: the one that has it exclusively keeps the other out, and only while it has the port."""

import os
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import anyserial.sync
import pytest
import serial
from anyserial import PortBusyError, SerialConfig, UnsupportedConfigurationError, open_serial_port
from serial_links import Link

pytestmark = [pytest.mark.anyio, pytest.mark.drivers("8250", "ftdi_sio", "cdc_acm", "pair")]

PATIENCE = 30
HOLDER = Path(__file__).parent / "probes" / "holder.py"
IS_ROOT = os.geteuid() == 0
NOBODY = 65534
EXCLUSIVE = SerialConfig(exclusive=True)
NOT_ANYSERIAL = """
import fcntl, os, sys, termios
fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK), termios.TIOCEXCL)
print("held", flush=True)
sys.stdin.read()
"""


class Holder:
    """A process that opens ports with anyserial, as it is told."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, str(HOLDER), *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self.pid = self._process.pid
        assert self._answer() == "ready"

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def tell(self, *words: str) -> str:
        """Have it do something, and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(words) + "\n")
        return self._answer()

    def end(self) -> None:
        """Let it end."""
        with self._process:  # closes its input
            pass


@pytest.fixture(scope="module")
def other() -> Iterator[Holder]:
    """A process of the same user."""
    holder = Holder()
    yield holder
    holder.end()


@pytest.fixture(scope="module")
def stranger() -> Iterator[Holder]:
    """A process without privileges: where the tests have none either, one more of the same user."""
    holder = Holder(str(NOBODY)) if IS_ROOT else Holder()
    yield holder
    holder.end()


@pytest.fixture(autouse=True)
def let_go(other: Holder, stranger: Holder) -> Iterator[None]:
    """Leave no port open in another process, whatever became of the test."""
    yield
    for holder in (other, stranger):
        holder.tell("close")


@contextmanager
def open_to_everybody(path: str) -> Generator[None]:
    """Let every user open the node."""
    node = Path(path)
    before = node.stat().st_mode & 0o777
    if IS_ROOT:
        node.chmod(0o666)
    try:
        yield
    finally:
        if IS_ROOT:
            node.chmod(before)


def stty(path: str, user: int | None) -> subprocess.CompletedProcess[str]:
    """Open the port in a program that knows nothing of anyserial."""
    return subprocess.run(
        ["/bin/stty", "-F", path],
        capture_output=True,
        text=True,
        check=False,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        env={"LC_ALL": "C"},
    )


async def test_a_second_process_is_kept_out(link: Link, other: Holder, stranger: Holder) -> None:
    me = f"held by pid {os.getpid()} ("
    with anyio.fail_after(PATIENCE), open_to_everybody(link.path):
        async with await open_serial_port(link.path, EXCLUSIVE):
            for holder in (other, stranger):
                for how in ("exclusive", "shared"):
                    answer = holder.tell(how, link.path)
                    assert answer.startswith("PortBusyError")
                    assert me in answer
                    assert repr(link.path) in answer
        for holder in (other, stranger):
            assert holder.tell("exclusive", link.path) == "done"
            assert holder.tell("close") == "done"


async def test_kept_out_by_a_second_process(link: Link, other: Holder, stranger: Holder) -> None:
    with anyio.fail_after(PATIENCE), open_to_everybody(link.path):
        for holder in (other, stranger):
            assert holder.tell("exclusive", link.path) == "done"
            him = rf"held by pid {holder.pid} \("
            for config in (EXCLUSIVE, SerialConfig()):
                with pytest.raises(PortBusyError, match=him) as refusal:
                    await open_serial_port(link.path, config)
                assert refusal.value.filename == link.path
                with pytest.raises(PortBusyError, match=him):
                    anyserial.sync.open_serial_port(link.path, config)
            assert holder.tell("close") == "done"
            async with await open_serial_port(link.path, EXCLUSIVE):
                pass


async def test_configure_takes_and_gives_back(link: Link, other: Holder) -> None:
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path) as port:
            await port.configure(port.config.with_changes(exclusive=True))
            assert other.tell("shared", link.path).startswith("PortBusyError")
            await port.configure(port.config.with_changes(exclusive=False))
            assert other.tell("exclusive", link.path) == "done"
            with pytest.raises(PortBusyError, match=f"pid {other.pid} "):
                await port.configure(port.config.with_changes(exclusive=True))
            assert not port.config.exclusive
            assert other.tell("close") == "done"
            await port.configure(port.config.with_changes(exclusive=True))


async def test_a_crash_gives_it_back(link: Link, other: Holder) -> None:
    assert other.tell("crash", link.path) == "done"
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, EXCLUSIVE):
            pass


async def test_an_open_that_fails_gives_it_back(link: Link, other: Holder) -> None:
    assert other.tell("refused", link.path).startswith("UnsupportedConfigurationError")
    with anyio.fail_after(PATIENCE):
        async with await open_serial_port(link.path, EXCLUSIVE):
            pass
        with pytest.raises(UnsupportedConfigurationError):
            await open_serial_port(link.path, EXCLUSIVE.with_changes(byte_size=8, stop_bits=1.5))
    assert other.tell("exclusive", link.path) == "done"


async def test_programs_that_do_not_use_anyserial_are_kept_out(link: Link) -> None:
    user = NOBODY if IS_ROOT else None
    with anyio.fail_after(PATIENCE), open_to_everybody(link.path):
        async with await open_serial_port(link.path, EXCLUSIVE) as port:
            refusal = stty(link.path, user)
            assert refusal.returncode != 0
            assert "Device or resource busy" in refusal.stderr
            if IS_ROOT:  # TIOCEXCL does not bind CAP_SYS_ADMIN
                assert stty(link.path, None).returncode == 0
            await port.configure(port.config.with_changes(exclusive=False))
            assert stty(link.path, user).returncode == 0
            await port.configure(port.config.with_changes(exclusive=True))
            assert stty(link.path, user).returncode != 0
        assert stty(link.path, user).returncode == 0


def test_kept_out_by_a_program_that_does_not_use_anyserial(link: Link) -> None:
    command = [sys.executable, "-I", "-S", "-c", NOT_ANYSERIAL, link.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "held\n"
        for config in (EXCLUSIVE, SerialConfig()):
            with pytest.raises(PortBusyError, match=rf"held by pid {program.pid} \("):
                anyserial.sync.open_serial_port(link.path, config)
    with anyserial.sync.open_serial_port(link.path, EXCLUSIVE):
        pass


async def test_a_lock_alone_keeps_out_who_asks_for_one(link: Link) -> None:
    with anyio.fail_after(PATIENCE):
        with serial.Serial(link.path, exclusive=True):  # flock(2), as most programs
            with pytest.raises(PortBusyError, match=rf"this process \(pid {os.getpid()}\)"):
                await open_serial_port(link.path, EXCLUSIVE)
            async with await open_serial_port(link.path):
                pass
        async with await open_serial_port(link.path, EXCLUSIVE):
            pass
