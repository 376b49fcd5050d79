"""A look at a port: everything is told, and nothing is set."""

import errno
import os
import stat
import termios
import tty
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import anyserial_posix
import pytest
from anyserial import FlowControl, PortNotFoundError, SerialConfig, SerialError
from anyserial.capabilities import Capability
from anyserial_posix._inspection import inspect
from anyserial_posix._platform import current_platform
from anyserial_posix._syscalls import Kernel


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    far, near = os.openpty()
    tty.setraw(near)
    yield near, os.ttyname(near)
    os.close(far)
    os.close(near)


def test_without_opening_there_are_no_settings(pty: tuple[int, str]) -> None:
    _, path = pty
    state = anyserial_posix.inspect_port(path, opens=False)
    status = os.stat(path)
    assert (state.path, state.may_open, state.refusal) == (path, True, None)
    assert state.mode == stat.filemode(status.st_mode)
    assert state.holders is not None
    assert f"pid {os.getpid()}" in state.holders
    assert (state.config, state.is_raw, state.modem_lines, state.line_counters) == (None, None, None, None)


def test_the_settings_are_read_and_left(pty: tuple[int, str]) -> None:
    near, path = pty
    modes = termios.tcgetattr(near)
    modes[4] = modes[5] = termios.B19200
    modes[2] = modes[2] | termios.CSTOPB | termios.HUPCL
    modes[0] |= termios.IXON | termios.IXOFF
    termios.tcsetattr(near, termios.TCSANOW, modes)
    before = termios.tcgetattr(near)
    state = anyserial_posix.inspect_port(path, opens=True)
    assert state.config == SerialConfig(baudrate=19200, stop_bits=2, flow_control=FlowControl(xon_xoff=True))
    assert state.is_raw is True
    assert (state.modem_lines, state.control_lines, state.line_counters) == (None, None, None)
    assert termios.tcgetattr(near) == before


@pytest.mark.parametrize(("group", "flag"), [(3, "ICANON"), (3, "ECHO"), (1, "OPOST"), (0, "ICRNL")])
def test_a_tty_that_changes_something_is_not_raw(pty: tuple[int, str], group: int, flag: str) -> None:
    near, path = pty
    modes = termios.tcgetattr(near)
    modes[group] |= getattr(termios, flag)
    termios.tcsetattr(near, termios.TCSANOW, modes)
    assert anyserial_posix.inspect_port(path, opens=True).is_raw is False


class Watched(Kernel):
    """The kernel; what is set through it is an error, and descriptors are counted."""

    def __init__(self) -> None:
        self.open_now: set[int] = set()
        self.answers: dict[int | None, bytes] = {}

    def open(self, path: str, flags: int) -> int:
        fd = super().open(path, flags)
        self.open_now.add(fd)
        return fd

    def close(self, fd: int, /) -> None:
        self.open_now.remove(fd)
        os.close(fd)

    def ioctl(self, fd: int, request: int, argument: bytes) -> bytes:
        assert not any(argument), "a request that sets something"
        if request in self.answers:
            return self.answers[request]
        return super().ioctl(fd, request, argument)

    def ioctl_value(self, fd: int, request: int, argument: int) -> None:
        raise AssertionError("a request that does something")


def test_only_requests_that_read_are_made(pty: tuple[int, str]) -> None:
    system, platform = Watched(), current_platform()
    bits = platform.modem
    system.answers[platform.ioctls.tiocmget] = (bits.cts | bits.dtr).to_bytes(4, "little")
    system.answers[platform.ioctls.tiocgicount] = bytes(range(80))
    state = inspect(system, platform, pty[1], opens=True)
    assert state.modem_lines is not None
    assert (state.modem_lines.cts, state.modem_lines.dsr, state.modem_lines.cd) == (True, False, False)
    assert state.control_lines is not None
    assert (state.control_lines.dtr, state.control_lines.rts) == (True, False)
    assert state.line_counters is not None
    assert state.line_counters.cts == int.from_bytes(bytes(range(4)), "little")
    assert system.open_now == set()


@pytest.mark.parametrize("opens", [False, True])
def test_the_capabilities_of_a_pty_are_not_the_platforms(pty: tuple[int, str], opens: bool) -> None:
    capabilities = anyserial_posix.inspect_port(pty[1], opens=opens).capabilities
    assert capabilities.modem_lines is Capability.UNSUPPORTED
    assert capabilities.input_waiting is Capability.SUPPORTED


def test_the_driver_is_asked_what_it_can_do(simulated: Any) -> None:
    kernel = simulated()
    kernel.refused["tiocmget"] = errno.ENOTTY
    before = bytes(kernel.serial), kernel.attributes
    known = inspect(kernel, kernel.platform, "/dev/ttyTEST0", opens=False).capabilities
    asked = inspect(kernel, kernel.platform, "/dev/ttyTEST0", opens=True).capabilities
    assert (known.modem_lines, asked.modem_lines) == (Capability.SUPPORTED, Capability.UNSUPPORTED)
    assert (bytes(kernel.serial), kernel.attributes) == before
    kernel.refused["tcgets"] = errno.ENOTTY
    assert (
        inspect(kernel, kernel.platform, "/dev/ttyTEST0", opens=True).capabilities.custom_baudrate
        is Capability.UNSUPPORTED
    )


@pytest.mark.parametrize(
    ("path", "error", "number"),
    [
        ("/dev/no-such-port", PortNotFoundError, errno.ENOENT),
        ("/dev/tty\0", PortNotFoundError, errno.ENOENT),
        ("/dev/null", SerialError, errno.ENOTTY),
        ("/tmp", SerialError, errno.ENOTTY),  # noqa: S108  # no file is made
        ("/dev/ptmx", SerialError, errno.ENOTTY),
    ],
)
def test_what_is_no_port_is_refused(path: str, error: type[SerialError], number: int) -> None:
    system = Watched()
    with pytest.raises(error) as caught:
        inspect(system, current_platform(), path, opens=True)
    assert (caught.value.errno, caught.value.filename) == (number, path)
    assert system.open_now == set()


def test_a_port_that_is_forbidden_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    node = SimpleNamespace(st_mode=stat.S_IFCHR | 0o600, st_uid=0, st_gid=0, st_dev=0, st_ino=0, st_rdev=0)

    class Forbidden(Kernel):
        def stat(self, path: str) -> Any:
            return node

        def allows_devices(self, path: str) -> bool:
            return True

    def refuses(*_: object) -> bool:
        return False

    monkeypatch.setattr(os, "access", refuses)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    state = inspect(Forbidden(), current_platform(), "/dev/ttyTEST0", opens=False)
    assert state.may_open is False
    assert state.refusal is not None
    assert "it belongs to owner root, group root, mode crw-------" in state.refusal
