import errno
import os
import socket
from pathlib import Path

import pytest
from anyserial_discovery._netlink import Uevents, are_uevents_heard, port_of


def uevent(action: str, path: str, subsystem: str = "tty", **fields: str) -> bytes:
    lines = [f"{action}@{path}", f"ACTION={action}", f"DEVPATH={path}", f"SUBSYSTEM={subsystem}"]
    return "\0".join([*lines, *(f"{key}={value}" for key, value in fields.items()), "SEQNUM=1234", ""]).encode()


ADDED = uevent("add", "/devices/pci0000:00/usb1/1-1/1-1:1.0/ttyUSB0/tty/ttyUSB0", MAJOR="188", DEVNAME="ttyUSB0")

MESSAGES = [
    (ADDED, "ttyUSB0"),
    (uevent("remove", "/devices/virtual/tty/rfcomm0"), "rfcomm0"),
    (uevent("add", "/devices/pci0000:00/mhi0/wwan/wwan0/wwan0at0", "wwan"), "wwan0at0"),
    (uevent("bind", "/devices/pci0000:00/usb1/1-1/1-1:1.0", "usb"), None),
    # Not the tty, but the port that it stands on.
    (uevent("add", "/devices/pci0000:00/usb1/1-1/1-1:1.0/ttyUSB0", "usb-serial"), None),
    (uevent("add", ""), None),
    # udev's own messages, should one come.
    (b"libudev\0\xfe\xed\xca\xfe" + ADDED, None),
    (b"", None),
    (b"\0\0\0", None),
    (b"add@/x\0SUBSYSTEM=tty\0DEVPATH\0", None),
]


@pytest.mark.parametrize(("message", "name"), MESSAGES)
def test_which_tty_a_message_is_about(message: bytes, name: str | None) -> None:
    assert port_of(message) == name


class Scripted:
    """A socket that gives one thing after another."""

    def __init__(self, *script: tuple[bytes, int] | OSError) -> None:
        self.script = list(script)
        self.closed = False

    def fileno(self) -> int:
        return 99

    def recvfrom(self, bufsize: int, /) -> tuple[bytes, tuple[int, int]]:
        if not self.script:
            raise BlockingIOError
        step = self.script.pop(0)
        if isinstance(step, OSError):
            raise step
        message, sender = step
        return message[:bufsize], (sender, 1)

    def close(self) -> None:
        self.closed = True


def test_messages_are_read_until_there_are_none() -> None:
    uevents = Uevents(Scripted((ADDED, 0), (uevent("add", "/devices/x", "usb"), 0), (ADDED, 0)))
    assert uevents.read() == ["ttyUSB0", "ttyUSB0"]
    assert uevents.read() == []
    assert uevents.fileno() == 99


def test_only_the_kernel_is_listened_to() -> None:
    assert Uevents(Scripted((ADDED, 4711))).read() == []


def test_an_overrun_is_told_and_what_is_left_is_read_after_it() -> None:
    uevents = Uevents(Scripted(OSError(errno.ENOBUFS, "No buffer space available"), (ADDED, 0)))
    assert uevents.read() is None
    assert uevents.read() == ["ttyUSB0"]


def test_other_errors_come_through() -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        Uevents(Scripted(OSError(errno.EBADF, os.strerror(errno.EBADF)))).read()


def test_one_look_takes_a_bounded_number_of_messages() -> None:
    source = Scripted(*[(ADDED, 0)] * 1000)
    names = Uevents(source).read()
    assert names is not None
    assert 0 < len(names) < 1000
    assert len(source.script) == 1000 - len(names)


def test_closing() -> None:
    source = Scripted()
    Uevents(source).close()
    assert source.closed


@pytest.mark.skipif(not hasattr(socket, "AF_NETLINK"), reason="netlink is Linux's")
def test_the_real_socket_is_non_blocking_and_not_inherited() -> None:
    try:
        uevents = Uevents()
    except OSError as exc:
        pytest.skip(f"no uevents here: {exc}")
    try:
        assert not os.get_inheritable(uevents.fileno())
        assert not os.get_blocking(uevents.fileno())
        assert uevents.read() is not None
    finally:
        uevents.close()


@pytest.mark.parametrize(
    ("text", "heard"),
    [
        ("         0          0 4294967295\n", True),
        ("         0       1000          1\n", False),
        ("         0     100000      65536\n      1000  1000  1\n", False),
        (None, False),
    ],
)
def test_whether_uevents_are_heard(tmp_path: Path, text: str | None, heard: bool) -> None:
    place = tmp_path / "uid_map"
    if text is not None:
        place.write_text(text)
    assert are_uevents_heard(str(place)) is heard
