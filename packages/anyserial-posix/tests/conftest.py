"""Ports for the driver: a pty, and a simulated kernel for what a pty cannot do.

The simulated kernel keeps attributes, lines and structures, and answers or refuses each
request as a platform and its driver do; its bytes go over a real socket pair, so that an
event loop can wait for them.
"""

import errno
import os
import re
import select
import socket
import stat
import struct
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import anyserial_posix
import pytest
from anyserial.config import SerialConfig
from anyserial_posix._backend import PosixBackend
from anyserial_posix._platform import platform_for
from anyserial_posix._termios import Attributes
from hypothesis import HealthCheck, settings

# What an example may take says nothing on a loaded machine.
settings.register_profile("anyserial-posix", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("anyserial-posix")

PATH = "/dev/ttyTEST0"
PLATFORMS = {
    "linux": ("linux", "x86_64"),
    "linux-mips": ("linux", "mips64"),
    "linux-powerpc": ("linux", "ppc64le"),
    "linux-sparc": ("linux", "sparc64"),
    "darwin": ("darwin", "arm64"),
    "freebsd": ("freebsd14", "amd64"),
    "netbsd": ("netbsd10", "amd64"),
    "openbsd": ("openbsd7", "amd64"),
    "generic": ("sunos5", "i86pc"),
}
LIBRARY_CODES = {int(name[1:]): getattr(termios, name) for name in dir(termios) if re.fullmatch(r"B\d+", name)}
MACOS_RATES = (2400, 4800, 9600, 19200, 57600, 115200)
IOSSIOSPEED = 0x80085402  # _IOW('T', 2, speed_t), speed_t being 64 bits wide


@pytest.fixture
def far() -> Iterator[SimpleNamespace]:
    """The far end of a pty: master, slave, path and hang_up()."""
    master, slave = os.openpty()
    tty.setraw(slave)
    ends = [master, slave]

    def hang_up() -> None:
        """Close both of the test's ends, as if the far end were unplugged."""
        while ends:
            os.close(ends.pop())

    yield SimpleNamespace(master=master, slave=slave, path=os.ttyname(slave), hang_up=hang_up)
    hang_up()


@pytest.fixture
def port(far: SimpleNamespace) -> Iterator[Any]:
    """A backend with the near end of `far` open."""
    backend = anyserial_posix.create_backend()
    backend.open(far.path, SerialConfig())
    yield backend
    backend.close()


class SimulatedKernel:
    """One tty of one platform, behind the driver's own door to the system.

    Attributes:
        log: Every call with its arguments, in order; a request by its name.
        refused: What to answer to a call or a request, by name, instead of doing it.
        keep: What the driver makes of attributes that are set.
        files: Small files, by path.
        unplugged: Whether the device is gone.
        here: The calls that were made on the thread that made the kernel (the event loop's).
        held: Calls that do not return before their event is set, by name.
        while_patient: What happens while the driver waits for a hang-up.
    """

    def __init__(self, name: str) -> None:
        self.platform: Any = platform_for(*PLATFORMS[name])
        self.near, self.far = socket.socketpair()
        self.near.setblocking(False)
        self.log: list[tuple[Any, ...]] = []
        self.refused: dict[str, int] = {}
        self.while_patient: Callable[[], object] = lambda: None
        self.keep: Callable[[Attributes], Attributes] = lambda attributes: attributes
        self.files: dict[str, str] = {}
        self.unplugged = False
        self.here: set[str] = set()
        self.held: dict[str, threading.Event] = {}
        self._thread = threading.get_ident()
        self.device = os.makedev(4, 65)
        self.mode = stat.S_IFCHR | 0o660
        self.owner, self.group = 0, 20
        self.nodev = False
        flags = self.platform.flags
        cc = bytes(range(100, 100 + 19))
        if name != "generic":
            size = {"linux": 19, "linux-powerpc": 19, "linux-sparc": 19, "linux-mips": 23}.get(name, 20)
            cc = bytes(range(100, 100 + size))
        else:
            cc = bytes(32)
        # Cooked and at 9600 bits per second, as a tty is before anybody sets it.
        cflag = flags.cs8 | flags.cread | (self.platform.rate_codes[9600] if flags.cbaud else 0)
        self.attributes = Attributes(0x500, 0x5, cflag, 0x8A3B, 0, cc, 9600, 9600)
        self.lines = self.platform.modem.dtr | self.platform.modem.rts
        self.counters = list(range(11))
        self.serial = bytearray(struct.pack("=5i", 4, 1, 0x2F8, 3, 0x10000000).ljust(128, b"\0"))
        self.rs485 = struct.pack("=3I20s", 0x20, 0, 0, b"")
        self.line_status = 1
        self.exclusive = 0
        self.discipline = 0
        self.own_terminal = False
        self.queued = 0
        self._requests = {
            number: field for field, number in self.platform.ioctls._asdict().items() if number is not None
        }
        if name == "darwin":
            self._requests[IOSSIOSPEED] = "iossiospeed"

    def make_raw(self) -> None:
        """Leave the tty as a program that set it before does: nothing changes what it receives, nothing echoes."""
        self.attributes = self.attributes._replace(iflag=0, oflag=0, lflag=0)

    def unplug(self) -> None:
        """Take the device away: poll reports it, and every request is refused."""
        # The hang-up first: a call that may not wait for it asks poll once.
        self.far.close()
        self.unplugged = True

    def names(self) -> list[str]:
        """Return the names of the calls so far."""
        return [entry[0] for entry in self.log]

    def _enter(self, name: str, *arguments: Any) -> None:
        self.log.append((name, *arguments))
        if threading.get_ident() == self._thread:
            self.here.add(name)
        if name in self.held:
            assert self.held[name].wait(10)
        if name in self.refused:
            raise OSError(self.refused[name], os.strerror(self.refused[name]))
        if self.unplugged and name not in ("open", "close", "stat", "flock", "pause"):
            gone = errno.EIO if self.platform.name == "linux" else errno.ENXIO
            raise OSError(gone, os.strerror(gone))

    def drop(self, mask: int, *, at: int | None = None, but: Attributes | None = None) -> None:
        """Let the driver drop control flags in silence: at one rate only, or of all attributes but some."""

        def keep(asked: Attributes) -> Attributes:
            if asked == but or at not in (None, asked.ospeed):
                return asked
            return asked._replace(cflag=asked.cflag & ~mask)

        self.keep = keep

    # The calls of anyserial_posix._syscalls.Syscalls

    def read(self, fd: int, size: int) -> bytes:
        if "read" in self.refused:
            self._enter("read", size)
        return os.read(fd, size)

    def readv(self, fd: int, buffers: tuple[memoryview]) -> int:
        if "read" in self.refused:
            self._enter("read", len(buffers[0]))
        return os.readv(fd, buffers)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        if self.unplugged or "write" in self.refused:
            self._enter("write", bytes(data))
        return os.write(fd, data)

    def open(self, path: str, flags: int) -> int:
        self._enter("open", path, flags)
        return os.dup(self.near.fileno())

    def close(self, fd: int, /) -> None:
        os.close(fd)
        self._enter("close")

    def stat(self, path: str) -> os.stat_result:
        self._enter("stat", path)
        return os.stat_result((self.mode, 1, 5, 1, self.owner, self.group, 0, 0, 0, 0), {"st_rdev": self.device})

    def allows_devices(self, path: str) -> bool:
        self._enter("allows_devices", path)
        return not self.nodev

    def flock(self, fd: int, operation: int, /) -> None:
        self._enter("flock", operation)

    def is_own_terminal(self, fd: int) -> bool:
        self._enter("is_own_terminal")
        return self.own_terminal

    def gone(self, fd: int, patience: float = 0.0) -> bool:
        if patience:
            self.while_patient()
            if threading.get_ident() == self._thread:
                self.here.add("patience")
        poller = select.poll()
        poller.register(fd, 0)
        events = poller.poll(patience * 1000)
        return bool(events) and bool(events[0][1] & (select.POLLHUP | select.POLLERR))

    def pause(self, seconds: float, /) -> None:
        self._enter("pause", seconds)

    def drain(self, fd: int) -> None:
        unplugged, self.unplugged = self.unplugged, False  # tcdrain answers success when it is unplugged
        try:
            self._enter("drain")
        finally:
            self.unplugged = unplugged

    def flush(self, fd: int, queue: int) -> None:
        self._enter("flush", queue)

    def get_attributes(self, fd: int) -> list[Any]:
        self._enter("tcgetattr")
        kept = self.attributes
        codes = [LIBRARY_CODES[rate] for rate in (kept.ispeed, kept.ospeed)]
        cc: list[Any] = [bytes((character,)) for character in kept.cc]
        if not kept.lflag & termios.ICANON:
            for index in (self.platform.flags.vmin, self.platform.flags.vtime):
                cc[index] = kept.cc[index]
        return [kept.iflag, kept.oflag, kept.cflag, kept.lflag, *codes, cc]

    def set_attributes(self, fd: int, attributes: list[Any]) -> None:
        self._enter("tcsetattr", attributes)
        iflag, oflag, cflag, lflag, ispeed, ospeed, cc = attributes
        rates = {code: rate for rate, code in LIBRARY_CODES.items()}
        characters = bytes(item if isinstance(item, int) else item[0] for item in cc)
        self.attributes = self.keep(Attributes(iflag, oflag, cflag, lflag, 0, characters, rates[ispeed], rates[ospeed]))

    def read_file(self, path: str) -> str:
        self.log.append(("read_file", path))
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such file", path)
        return self.files[path]

    def write_file(self, path: str, text: str) -> None:
        self._enter("write_file", path, text)
        self.files[path] = text

    def listdir(self, path: str) -> list[str]:
        found = {name[len(path) + 1 :].partition("/")[0] for name in self.files if name.startswith(f"{path}/")}
        if not found:
            raise FileNotFoundError(errno.ENOENT, "no such directory", path)
        return sorted(found)

    def readlink(self, path: str) -> str:
        if path not in self.files:
            raise FileNotFoundError(errno.ENOENT, "no such link", path)
        return self.files[path]

    def realpath(self, path: str) -> str:
        return path

    def ioctl_value(self, fd: int, request: int, argument: int) -> None:
        name = self._requests[request]
        self._enter(name)
        if name == "tiocexcl" and self.exclusive and self.platform.name == "darwin":
            raise OSError(errno.EBUSY, "taken")  # IOSerialBSDClient makes it atomic
        if name in ("tiocexcl", "tiocnxcl"):
            self.exclusive = int(name == "tiocexcl")

    def input_waiting(self) -> int:
        """Return how many received bytes the kernel holds; a test may put another function in its place."""
        return len(self.near.recv(65536, socket.MSG_PEEK)) if self._readable() else 0

    def ioctl(self, fd: int, request: int, argument: bytes) -> bytes:
        name = self._requests[request]
        self._enter(name, argument)
        if name == "tcgets":
            assert len(argument) == self.platform.layout.struct.size
            return bytes(self.platform.layout.pack(self.attributes))
        answers: dict[str, Callable[[], bytes]] = {
            "fionread": lambda: _int(self.input_waiting()),
            "tiocoutq": lambda: _int(self.queued),
            "tiocmget": lambda: _int(self.lines),
            "tiocgexcl": lambda: _int(self.exclusive),
            "tiocgetd": lambda: _int(self.discipline),
            "tiocsergetlsr": lambda: _int(self.line_status),
            "tiocgicount": lambda: struct.pack("=11i36x", *self.counters),
            "tiocgserial": lambda: bytes(self.serial),
            "tiocgrs485": lambda: self.rs485,
        }
        if name in answers:
            return answers[name]()
        self._set(name, argument)
        return argument

    def _set(self, name: str, argument: bytes) -> None:
        if name == "tcsets":
            asked = self.platform.layout.unpack(argument)
            if IOSSIOSPEED in self._requests and "iossiospeed" not in self.refused and asked.ospeed not in MACOS_RATES:
                raise OSError(errno.EINVAL, "no rate of the table")  # IOSerialBSDClient::iossparam
            self.attributes = self.keep(asked)
        elif name == "iossiospeed":
            (speed,) = struct.unpack("=Q", argument)
            self.attributes = self.attributes._replace(ispeed=speed, ospeed=speed)
        elif name == "tiocsserial":
            self.serial = bytearray(argument)
            self.files.update(self.on_serial())
        elif name == "tiocsrs485":
            self.rs485 = argument
        else:
            value = int.from_bytes(argument, sys.byteorder)
            self.lines = {"tiocmset": value, "tiocmbis": self.lines | value, "tiocmbic": self.lines & ~value}[name]

    def on_serial(self) -> dict[str, str]:
        """Return the files that change with TIOCSSERIAL."""
        return {}

    def _readable(self) -> bool:
        return bool(select.select([self.near], [], [], 0)[0])


def _int(value: int) -> bytes:
    return value.to_bytes(4, sys.byteorder)


@pytest.fixture
def simulated() -> Iterator[Callable[..., Any]]:
    """Make simulated kernels: ``simulated("darwin")`` gives the kernel, with ``open(config)`` for a backend on it."""
    made: list[SimulatedKernel] = []
    backends: list[PosixBackend] = []

    def make(name: str = "linux") -> Any:
        kernel: Any = SimulatedKernel(name)
        made.append(kernel)

        def backend() -> PosixBackend:
            backends.append(PosixBackend(kernel.platform, kernel))
            return backends[-1]

        def open_backend(config: SerialConfig | None = None, **fields: Any) -> PosixBackend:
            opened = backend()
            opened.open(PATH, SerialConfig(**fields) if config is None else config)
            return opened

        kernel.backend = backend
        kernel.open_backend = open_backend
        return kernel

    yield make
    for opened in backends:
        opened.close()
    for kernel in made:
        kernel.near.close()
        kernel.far.close()
