"""The ports that the documentation writes about: /dev/ttyUSB0 and the like, for a program run as it is written.

The program opens the path that stands on the page. Two seams below it make that work:
`os.open` and `os.stat`, which every serial library opens a port with, lead to a pty with
a virtual instrument behind it; and the driver's ioctl layer plays what a pty lacks of a
UART: parity and sizes, modem lines (wired like a loopback plug: RTS to CTS, DTR to DSR
and CD), break, counters, low latency, RS-485. Discovery looks at a recorded Linux with
these ports instead of this machine. Nothing else of anyserial is touched.
"""

import fcntl
import os
import re
import struct
import sys
import termios
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from anyserial_discovery._host import Host
from anyserial_posix import _ioctl
from anyserial_posix._platform import current_platform
from anyserial_posix._syscalls import Kernel
from source_tree import ROOT
from virtual_bench import Bench, Instrument

__all__ = ("documented_ports",)

RECORDED = ROOT / "packages/anyserial-discovery/tests/trees/linux-6.12.txt"
# What the pages may open; every other path is the machine's own, and 8 and 9 of each are not there.
NODES = re.compile(r"/dev/tty(?P<kind>USB|ACM|AMA|S)(?P<number>[0-7])")
MAJORS = {"USB": 188, "ACM": 166, "AMA": 204, "S": 4}
CMSPAR = 0o10000000000
KEPT = termios.CSIZE | termios.PARENB | termios.PARODD | CMSPAR  # what a pty drops (drivers/tty/pty.c)
CFLAG_OFFSET = 8  # struct termios and termios2: c_iflag, c_oflag, c_cflag

type Ioctl = Callable[[Kernel, int, int, bytes], bytes]


class Uart:
    """What a UART's driver answers where a pty has nothing to say."""

    def __init__(self) -> None:
        numbers = current_platform().ioctls
        self._cflag: int | None = None
        self._bits = _ioctl.ModemBits()
        self._lines = self._bits.dtr | self._bits.rts  # the kernel raises both while it opens the tty
        self._changes = 0
        self._stored: dict[int | None, bytes] = {}
        self._answers: dict[int | None, Callable[[bytes], bytes]] = {
            numbers.tiocmget: lambda _: _packed(self._levels()),
            numbers.tiocmset: lambda value: self._drive(_unpacked(value), value),
            numbers.tiocmbis: lambda value: self._drive(self._lines | _unpacked(value), value),
            numbers.tiocmbic: lambda value: self._drive(self._lines & ~_unpacked(value), value),
            numbers.tiocgicount: lambda _: _ioctl.ICOUNTER.pack(*[self._changes] * 2, 0, self._changes, *[0] * 7),
            numbers.tiocsergetlsr: lambda _: _packed(_ioctl.TIOCSER_TEMT),
            numbers.tiocgserial: lambda space: self._stored.get(numbers.tiocsserial, bytes(len(space))),
            numbers.tiocsserial: lambda value: self._store(numbers.tiocsserial, value),
            numbers.tiocgrs485: lambda space: self._stored.get(numbers.tiocsrs485, bytes(len(space))),
            numbers.tiocsrs485: lambda value: self._store(numbers.tiocsrs485, value),
        }
        self._get, self._set = numbers.tcgets, numbers.tcsets

    def answer(self, ask_pty: Callable[[], bytes], request: int, argument: bytes) -> bytes:
        """Answer *request*, or ask the pty."""
        if request in self._answers:
            return self._answers[request](argument)
        answer = ask_pty()
        if request == self._set:
            self._cflag = _cflag(argument) & KEPT
        elif request == self._get and self._cflag is not None:
            answer = _with_cflag(answer, (_cflag(answer) & ~KEPT) | self._cflag)
        return answer

    def _levels(self) -> int:
        levels = self._lines
        levels |= self._bits.cts if self._lines & self._bits.rts else 0
        return levels | (self._bits.dsr | self._bits.cd if self._lines & self._bits.dtr else 0)

    def _drive(self, lines: int, answer: bytes) -> bytes:
        lines &= self._bits.dtr | self._bits.rts
        self._changes += lines != self._lines
        self._lines = lines
        return answer

    def _store(self, request: int | None, value: bytes) -> bytes:
        self._stored[request] = value
        return value


class Desk:
    """The documented ports of one run, made when they are first asked for."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._tree = _recorded_links()
        self._instruments: dict[str, Instrument] = {}
        self._uarts: dict[int, Uart] = {}

    def node(self, path: object) -> str | None:
        """Return the node that a documented path leads to; None for a path of the machine's own."""
        name: object = path if isinstance(path, str) else getattr(path, "__fspath__", lambda: None)()
        if not isinstance(name, str):
            return None
        name = self._tree.get(name, name)
        return name if NODES.fullmatch(name) else None

    def instrument(self, node: str) -> Instrument:
        """Return what is behind a node."""
        if node not in self._instruments:
            self._instruments[node] = instrument = self._bench.plug_in()
            self._uarts[instrument.device_number] = Uart()
        return self._instruments[node]

    def uart(self, fd: int) -> Uart | None:
        """Return the UART that a descriptor leads to; None if it is none of these ports."""
        try:
            return self._uarts.get(os.fstat(fd).st_rdev)
        except OSError:
            return None


@contextmanager
def documented_ports(root: Path) -> Generator[Desk]:
    """Let this process open the ports of the documentation.

    Args:
        root: A directory for the recorded system that discovery looks at; filled the first time.
    """
    numbers = _build_recorded(root)
    with Bench() as bench:
        desk = Desk(bench)
        real_open, real_stat, real_ioctl = os.open, os.stat, Kernel.ioctl

        def open_(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
            node = desk.node(path)
            return real_open(desk.instrument(node).path if node else path, flags, *args, **kwargs)

        def stat_(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
            node = desk.node(path)
            if node is None:
                return real_stat(path, *args, **kwargs)
            return _as_node(real_stat(desk.instrument(node).path), node)

        def ioctl(kernel: Kernel, fd: int, request: int, argument: bytes) -> bytes:
            uart = desk.uart(fd)
            if uart is None:
                return real_ioctl(kernel, fd, request, argument)
            fcntl.ioctl(fd, termios.FIONREAD, bytes(4))  # a port that is gone answers nothing
            return uart.answer(lambda: real_ioctl(kernel, fd, request, argument), request, argument)

        def device_number(host: Host, path: str) -> tuple[int, int] | None:
            return numbers.get(host.real_path(path))

        def may_open(_host: Host, path: str) -> bool:
            return path in numbers

        def real_path(_host: Host, path: str) -> str:
            return desk.node(path) or os.path.realpath(path)

        with (
            mock.patch.object(os, "open", open_),
            mock.patch.object(os, "stat", stat_),
            mock.patch.object(Kernel, "ioctl", ioctl),
            mock.patch.object(Host.__init__, "__defaults__", (str(root),)),
            mock.patch.object(Host, "device_number", device_number),
            mock.patch.object(Host, "may_open", may_open),
            mock.patch.object(Host, "real_path", real_path),
        ):
            yield desk


def _cflag(attributes: bytes) -> int:
    flags: int = struct.unpack_from("=I", attributes, CFLAG_OFFSET)[0]
    return flags


def _with_cflag(attributes: bytes, flags: int) -> bytes:
    changed = bytearray(attributes)
    struct.pack_into("=I", changed, CFLAG_OFFSET, flags)
    return bytes(changed)


def _unpacked(argument: bytes) -> int:
    return int.from_bytes(argument, sys.byteorder)


def _packed(value: int) -> bytes:
    return value.to_bytes(_ioctl.INT_SIZE, sys.byteorder)


def _as_node(status: os.stat_result, node: str) -> os.stat_result:
    match = NODES.fullmatch(node)
    assert match
    # The first ten, and the times in whole seconds, are positional.
    named = {name: getattr(status, name) for name in ("st_atime", "st_mtime", "st_ctime", "st_blksize", "st_blocks")}
    named["st_rdev"] = os.makedev(MAJORS[match["kind"]], int(match["number"]) + 64 * (match["kind"] == "S"))
    return os.stat_result(tuple(status), named)


def _recorded() -> Iterator[tuple[str, str, str]]:
    for line in RECORDED.read_text().splitlines():
        if line and not line.startswith("#"):
            path, kind, value = line.split(" ", 2)
            yield path, kind, value


def _recorded_links() -> dict[str, str]:
    """The links below /dev, by their absolute paths."""
    return {
        path: os.path.normpath(os.path.join(os.path.dirname(path), value))  # noqa: PTH118, PTH120  # names, no files
        for path, kind, value in _recorded()
        if kind == "->" and path.startswith("/dev/")
    }


def _build_recorded(root: Path) -> dict[str, tuple[int, int]]:
    """Lay the recorded system out below *root*; return the device numbers of its nodes."""
    numbers: dict[str, tuple[int, int]] = {}
    for path, kind, value in _recorded():
        if kind == ":":
            major, minor = value.split(":")
            numbers[path] = int(major), int(minor)
        place = root / path.lstrip("/")
        if os.path.lexists(place):
            continue  # laid out before
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "->":
            place.symlink_to(value)
        else:
            place.write_text(value + "\n")
    return numbers
