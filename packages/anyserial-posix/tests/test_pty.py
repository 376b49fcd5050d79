"""The driver on a real tty: a pty."""

import errno
import fcntl
import os
import select
import subprocess
import sys
import termios
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyserial_posix
import pytest
from anyserial.capabilities import Capability
from anyserial.config import (
    ByteSize,
    FlowControl,
    LineErrors,
    Parity,
    RS485Config,
    SerialConfig,
    StopBits,
    UnsupportedPolicy,
)
from anyserial.exceptions import (
    PortBusyError,
    PortNotFoundError,
    SerialClosedError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
)
from anyserial_posix import _generic, _lock
from anyserial_posix._backend import PosixBackend
from anyserial_posix._platform import current_platform
from anyserial_posix._syscalls import KERNEL, Kernel

if TYPE_CHECKING:
    from pathlib import Path
    from types import SimpleNamespace

    from anyserial.backend import SerialBackend


def _readable(fd: int) -> None:
    """Wait until *fd* can be read: what a pty's other end wrote arrives by a kernel thread."""
    assert select.select([fd], [], [], 5)[0], "nothing arrived within 5 s"


def test_bytes_go_both_ways(port: "SerialBackend", far: "SimpleNamespace") -> None:
    assert port.read(16) is None
    assert port.write(b"to the far end\xff\x00\r\n\x11\x13\x03") == 21
    _readable(far.master)
    assert os.read(far.master, 64) == b"to the far end\xff\x00\r\n\x11\x13\x03"
    os.write(far.master, b"\xff\x00\r\n\x11\x13\x03back")
    _readable(port.fileno())
    assert port.input_waiting() == 11
    assert port.read(4) == b"\xff\x00\r\n"
    buffer = bytearray(16)
    assert port.read_into(memoryview(buffer)) == 7
    assert buffer[:7] == b"\x11\x13\x03back"
    assert port.read_into(memoryview(buffer)) is None


def test_a_full_queue_takes_nothing(port: "SerialBackend") -> None:
    block = bytes(65536)
    assert any(port.write(block) is None for _ in range(1000))


def test_the_tty_is_raw(port: "SerialBackend") -> None:
    iflag, oflag, cflag, lflag, _, _, cc = termios.tcgetattr(port.fileno())
    assert (iflag, oflag, lflag) == (0, 0, 0)
    assert cflag & termios.CLOCAL
    assert cflag & termios.CREAD
    assert cflag & termios.HUPCL
    assert (cc[termios.VMIN], cc[termios.VTIME]) in ((1, 0), (b"\x01", b"\x00"))


def test_the_descriptor_is_not_inherited_and_not_blocking(port: "SerialBackend") -> None:
    assert not os.get_inheritable(port.fileno())
    assert not os.get_blocking(port.fileno())


@pytest.mark.parametrize("rate", [50, 300, 9600, 31250, 115200, 250000, 4000000, 12345678])
def test_every_rate_is_set_and_read_back(far: "SimpleNamespace", rate: int) -> None:
    port = anyserial_posix.create_backend()
    port.open(far.path, SerialConfig(baudrate=rate))
    assert port.actual_baudrate == rate
    port.close()


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (SerialConfig(parity=Parity.EVEN), "parity='even'"),
        (SerialConfig(parity=Parity.MARK), "parity='mark'"),
        (SerialConfig(byte_size=ByteSize.SEVEN), "byte_size='7'"),
        (SerialConfig(stop_bits=StopBits.ONE_POINT_FIVE), "stop_bits='1.5'"),
        (SerialConfig(flow_control=FlowControl(dtr_dsr=True)), "flow_control.dtr_dsr=True"),
    ],
)
@pytest.mark.parametrize("when", ["open", "configure"])
def test_what_a_pty_does_not_take_goes_by_the_policy(
    far: "SimpleNamespace", config: SerialConfig, named: str, when: str
) -> None:
    port = anyserial_posix.create_backend()
    before = SerialConfig(baudrate=4800)

    def put(config: SerialConfig) -> None:
        if when == "open":
            port.open(far.path, config)
        else:
            port.open(far.path, before)
            port.configure(config)

    with pytest.raises(UnsupportedConfigurationError, match="unsupported_policy") as caught:
        put(config)
    assert named in str(caught.value)
    assert "; a pseudo-terminal has no line" in str(caught.value)
    assert caught.value.filename == far.path
    assert port.is_open is (when == "configure")
    if when == "configure":
        assert port.actual_baudrate == 4800
        assert termios.tcgetattr(port.fileno())[4] == termios.B4800
        port.close()
    with pytest.warns(RuntimeWarning, match="does not accept"):
        put(config.with_changes(unsupported_policy=UnsupportedPolicy.WARN))
    port.close()
    put(config.with_changes(unsupported_policy=UnsupportedPolicy.IGNORE))
    port.close()


@pytest.mark.parametrize(
    ("config", "when"),
    [
        *((SerialConfig(low_latency=True), when) for when in ("open", "configure")),
        *((SerialConfig(rs485=RS485Config()), when) for when in ("open", "configure")),
        (SerialConfig(dtr_on_open=False), "open"),
        (SerialConfig(rts_on_open=True), "open"),
    ],
)
def test_a_mechanism_that_a_pty_lacks_goes_by_the_policy(
    far: "SimpleNamespace", config: SerialConfig, when: str
) -> None:
    port = anyserial_posix.create_backend()

    def put(config: SerialConfig) -> None:
        if when == "configure":
            port.open(far.path, SerialConfig())
            port.configure(config)
        else:
            port.open(far.path, config)

    with pytest.raises(UnsupportedFeatureError, match="unsupported_policy"):
        put(config)
    assert port.is_open is (when == "configure")
    port.close()
    with pytest.warns(RuntimeWarning, match="does not have") as caught:
        put(config.with_changes(unsupported_policy=UnsupportedPolicy.WARN))
    assert len(caught) == 1
    port.close()
    put(config.with_changes(unsupported_policy=UnsupportedPolicy.IGNORE))
    assert port.is_open
    port.close()


def test_a_pty_is_known_for_what_it_is(port: "SerialBackend") -> None:
    found = port.capabilities
    assert found.modem_lines is Capability.UNSUPPORTED
    assert found.mark_space_parity is Capability.UNSUPPORTED
    with pytest.raises(UnsupportedFeatureError, match=r"modem lines; a pseudo-terminal"):
        port.modem_lines()
    with pytest.raises(UnsupportedFeatureError, match=r"counters of line errors; a pseudo-terminal"):
        port.line_counters()
    assert port.transmitter_empty() is None


def test_exclusive_keeps_others_out_until_it_is_closed(far: "SimpleNamespace") -> None:
    first, second = anyserial_posix.create_backend(), anyserial_posix.create_backend()
    first.open(far.path, SerialConfig(exclusive=True))
    for config in (SerialConfig(), SerialConfig(exclusive=True)):
        with pytest.raises(PortBusyError, match=f"pid {os.getpid()}"):
            second.open(far.path, config)
        assert not second.is_open
    first.configure(SerialConfig())
    second.open(far.path, SerialConfig())
    second.close()
    first.configure(SerialConfig(exclusive=True))
    first.close()
    second.open(far.path, SerialConfig(exclusive=True))
    second.close()


def _set_discipline(fd: int, number: int) -> None:
    """N_NULL is in every Linux, but only root may set it."""
    try:
        fcntl.ioctl(fd, termios.TIOCSETD, number.to_bytes(4, sys.byteorder))
    except OSError as exc:
        pytest.skip(f"TIOCSETD: {exc}")


def test_a_pty_that_a_line_discipline_has_is_busy(port: "SerialBackend", far: "SimpleNamespace") -> None:
    calls: list[Callable[[], object]] = [
        lambda: port.read(1),
        lambda: port.read_into(memoryview(bytearray(1))),
        lambda: port.write(b"x"),
        port.input_waiting,
        lambda: port.configure(SerialConfig(baudrate=300)),
        lambda: anyserial_posix.create_backend().open(far.path, SerialConfig()),
    ]
    _set_discipline(far.slave, 27)
    for call in calls:
        with pytest.raises(PortBusyError, match="line discipline is null"):
            call()
    _set_discipline(far.slave, 0)
    port.configure(SerialConfig(baudrate=300))


@pytest.mark.parametrize(
    ("path", "expected", "message"),
    [
        ("/dev/null", SerialError, "not a tty"),
        ("/dev/ptmx", SerialError, "makes a new pseudo-terminal"),
        ("/", SerialError, "not a tty"),
        ("/etc/passwd", SerialError, "not a tty"),
        ("/dev/no-such-port", PortNotFoundError, "no serial port at this path"),
        ("/etc/passwd/no-such-port", PortNotFoundError, "no serial port at this path"),
        ("/dev/\0", PortNotFoundError, "null"),
    ],
)
def test_what_is_no_port_is_refused(path: str, expected: type[SerialError], message: str) -> None:
    port = anyserial_posix.create_backend()
    with pytest.raises(expected, match=message) as caught:
        port.open(path, SerialConfig())
    assert type(caught.value) is expected
    assert caught.value.filename == path
    assert not port.is_open


def test_a_dangling_link_names_its_target(tmp_path: "Path") -> None:
    link = tmp_path / "by-id"
    link.symlink_to("/dev/no-such-port")
    with pytest.raises(PortNotFoundError, match="link to '/dev/no-such-port'"):
        anyserial_posix.create_backend().open(str(link), SerialConfig())


def test_a_failed_open_leaves_nothing(far: "SimpleNamespace") -> None:
    before = os.listdir("/proc/self/fd")
    attributes = termios.tcgetattr(far.slave)
    with pytest.raises(UnsupportedConfigurationError):
        anyserial_posix.create_backend().open(far.path, SerialConfig(baudrate=300, parity="E", exclusive=True))
    assert os.listdir("/proc/self/fd") == before
    assert termios.tcgetattr(far.slave) == attributes
    port = anyserial_posix.create_backend()
    port.open(far.path, SerialConfig(exclusive=True))
    port.close()


def _fileno(port: "SerialBackend") -> int:
    return port.fileno()


_CALLS: list[Callable[["SerialBackend"], object]] = [
    lambda port: port.read(16),
    lambda port: port.read_into(memoryview(bytearray(16))),
    lambda port: port.write(b"x"),
    lambda port: port.input_waiting(),
    lambda port: port.output_waiting(),
    lambda port: port.configure(SerialConfig()),
    lambda port: port.reset_input_buffer(),
    lambda port: port.reset_output_buffer(),
    lambda port: port.set_break(on=True),
    lambda port: port.modem_lines(),
    lambda port: port.control_lines(),
    lambda port: port.set_control_lines(rts=True),
    lambda port: port.set_control_lines(rts=True, dtr=False),
    lambda port: port.line_counters(),
    lambda port: port.transmitter_empty(),
    lambda port: port.drain(),
]


@pytest.mark.parametrize("call", _CALLS)
def test_every_call_notices_a_hang_up(
    port: "SerialBackend", far: "SimpleNamespace", call: Callable[["SerialBackend"], object]
) -> None:
    assert not port.hung_up()
    far.hang_up()
    assert port.hung_up()
    with pytest.raises(SerialDisconnectedError) as caught:
        call(port)
    assert caught.value.filename == far.path
    assert caught.value.errno is not None


@pytest.mark.parametrize("call", [*_CALLS, _fileno])
def test_every_call_on_a_closed_port_says_so(port: "SerialBackend", call: Callable[["SerialBackend"], object]) -> None:
    port.close()
    with pytest.raises(SerialClosedError):
        call(port)
    port.close()


def test_closing_destroys_nothing_that_the_far_end_has_not_read(port: "SerialBackend", far: "SimpleNamespace") -> None:
    # More than the far end's line discipline holds: TCOFLUSH destroys what waits before that.
    written = 0
    while (count := port.write(bytes(4096))) is not None:
        written += count
    assert written > 8192
    port.close()
    received = 0
    while received < written:
        _readable(far.master)
        received += len(os.read(far.master, 65536))


def test_input_that_a_cooked_tty_has_changed_is_discarded() -> None:
    """As a tty is before anybody has set it: DEL erases, CR becomes NL, ^C and XOFF vanish."""
    master, slave = os.openpty()
    try:
        os.write(master, b"12\x7f3\r\x13\x03late\n")
        _readable(slave)
        port = anyserial_posix.create_backend()
        port.open(os.ttyname(slave), SerialConfig())
        assert port.read(64) is None
        os.write(master, b"12\x7f3\r\x13\x03\n")
        _readable(slave)
        assert port.read(64) == b"12\x7f3\r\x13\x03\n"
        port.close()
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize(
    ("before", "after", "data"),
    [
        (LineErrors.DISCARD, LineErrors.IGNORE, b"A\xff\xffB"),
        (LineErrors.DISCARD, LineErrors.IGNORE, b"\xff"),
        (LineErrors.IGNORE, LineErrors.RAISE, b"\xff\x00\x42"),
    ],
)
def test_what_is_queued_survives_a_change_of_line_errors(
    far: "SimpleNamespace", before: LineErrors, after: LineErrors, data: bytes
) -> None:
    port = anyserial_posix.create_backend()
    port.open(far.path, SerialConfig(line_errors=before))
    for settings in (SerialConfig(line_errors=after), SerialConfig(line_errors=before)):
        os.write(far.master, data)
        _readable(port.fileno())
        port.configure(settings)
        os.write(far.master, data)
        received = b""
        while len(received) < 2 * len(data):
            _readable(port.fileno())
            raw = port.read(3)
            assert raw is not None
            for item in [raw] if port.line_decoder is None else port.line_decoder(raw):
                assert isinstance(item, bytes)
                received += item
        assert received == 2 * data
    port.close()


def test_input_is_kept_unless_asked_otherwise(far: "SimpleNamespace") -> None:
    port = anyserial_posix.create_backend()
    os.write(far.master, b"early")
    _readable(far.slave)
    port.open(far.path, SerialConfig())
    assert port.read(16) == b"early"
    port.close()
    os.write(far.master, b"early")
    _readable(far.slave)
    port.open(far.path, SerialConfig(discard_input_on_open=True))
    assert port.read(16) is None
    port.close()


def test_the_kernel_is_asked_for_a_hang_up_as_long_as_the_caller_has_patience(far: "SimpleNamespace") -> None:
    """With patience, a device that goes meanwhile is gone; without, the answer is about now."""
    assert not KERNEL.gone(far.slave)
    assert not KERNEL.gone(far.slave, 0.001)
    other, near = os.openpty()
    leave = threading.Timer(0.01, os.close, (other,))
    leave.start()
    try:
        assert KERNEL.gone(near, 30)
    finally:
        leave.join()
        os.close(near)


def test_a_tty_that_somebody_set_to_vmin_0_is_not_taken_for_gone(port: "SerialBackend", far: "SimpleNamespace") -> None:
    attributes = termios.tcgetattr(far.slave)
    attributes[6][termios.VMIN] = 0
    termios.tcsetattr(far.slave, termios.TCSANOW, attributes)
    assert port.read(16) is None
    assert port.read_into(memoryview(bytearray(16))) is None


@pytest.mark.parametrize("generic", [False, True])
def test_a_tty_that_somebody_set_to_lines_is_not_taken_for_gone(far: "SimpleNamespace", generic: bool) -> None:
    """A ^D from the far end ends a line there, and a read of an empty line is empty."""
    port = PosixBackend(_generic.platform("sunos5") if generic else current_platform())
    port.open(far.path, SerialConfig())
    raw = termios.tcgetattr(far.slave)
    cooked = [*raw]
    cooked[3] = termios.ICANON
    cooked[6] = [*raw[6]]
    cooked[6][termios.VEOF] = b"\x04"
    termios.tcsetattr(far.slave, termios.TCSANOW, cooked)
    buffer = memoryview(bytearray(16))
    for read in (lambda: port.read(16), lambda: port.read_into(buffer)):
        os.write(far.master, b"\x04")
        _readable(port.fileno())
        assert read() is None
        assert read() is None
    port.configure(SerialConfig(baudrate=300))
    os.write(far.master, b"\x04")
    _readable(port.fileno())
    assert port.read(16) == b"\x04"
    far.hang_up()
    with pytest.raises(SerialDisconnectedError):
        port.read(16)
    port.close()


def test_the_user_s_own_terminal_is_left_as_it_was() -> None:
    """Under both of its names, in a process that has one."""
    program = """
import os, sys, termios
import anyserial_posix
from anyserial import SerialConfig

for path in ("/dev/tty", os.ttyname(0)):
    before = termios.tcgetattr(0)
    assert before[3] & termios.ECHO
    port = anyserial_posix.create_backend()
    port.open(path, SerialConfig(baudrate=300))
    assert not termios.tcgetattr(0)[3] & termios.ECHO
    port.close()
    assert termios.tcgetattr(0) == before, path
"""
    master, slave = os.openpty()
    try:
        ended = subprocess.run(
            [sys.executable, "-c", f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n{program}"],
            stdin=slave,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            start_new_session=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
    finally:
        os.close(master)
        os.close(slave)


def test_ptmx_under_another_name_is_refused_too(tmp_path: "Path", monkeypatch: pytest.MonkeyPatch) -> None:
    link = tmp_path / "modem"
    link.symlink_to("/dev/ptmx")
    opened: list[object] = []

    def note(path: object, _flags: int) -> None:
        opened.append(path)

    monkeypatch.setattr(os, "open", note)
    with pytest.raises(SerialError, match="makes a new pseudo-terminal"):
        anyserial_posix.create_backend().open(str(link), SerialConfig())
    assert opened == []


def test_the_generic_platform_sets_a_real_tty(far: "SimpleNamespace") -> None:
    """Through the C library: what a system without a table gets."""
    port = PosixBackend(_generic.platform("sunos5"))
    config = SerialConfig(baudrate=19200, stop_bits=2, flow_control=FlowControl(xon_xoff=True, rts_cts=True))
    port.open(far.path, config)
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = termios.tcgetattr(far.slave)
    assert (iflag, oflag, lflag) == (termios.IXON | termios.IXOFF, 0, 0)
    wanted = termios.CSTOPB | termios.CRTSCTS | termios.CLOCAL | termios.CREAD | termios.HUPCL | termios.CS8
    assert cflag & wanted == wanted
    assert (ispeed, ospeed) == (termios.B19200, termios.B19200)
    assert (cc[termios.VMIN], cc[termios.VTIME]) in ((1, 0), (b"\x01", b"\x00"))
    assert port.actual_baudrate == 19200
    with pytest.raises(UnsupportedConfigurationError, match="parity='even'"):
        port.configure(config.with_changes(parity="E"))
    assert termios.tcgetattr(far.slave)[2] == cflag
    os.write(far.master, b"in")
    _readable(port.fileno())
    assert port.read(16) == b"in"
    far.hang_up()
    with pytest.raises(SerialDisconnectedError):
        port.configure(SerialConfig(baudrate=300))
    with pytest.raises(SerialDisconnectedError):
        port.drain()
    port.close()


def test_a_kernel_without_tcgets2_sets_a_real_tty(far: "SimpleNamespace") -> None:
    class Older(Kernel):
        def ioctl(self, fd: int, request: int, argument: bytes) -> bytes:
            if request in (tables.ioctls.tcgets, tables.ioctls.tcsets):
                raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
            return super().ioctl(fd, request, argument)

    tables = current_platform()
    port = PosixBackend(tables, Older())
    port.open(far.path, SerialConfig(baudrate=38400, stop_bits=2))
    assert port.actual_baudrate == 38400
    assert termios.tcgetattr(far.slave)[4] == termios.B38400
    assert termios.tcgetattr(far.slave)[2] & termios.CSTOPB
    port.close()
    with pytest.raises(SerialError, match="not a tty"):
        port.open("/dev/null", SerialConfig())


def test_the_library_calls_raise_os_errors_only() -> None:
    closed = os.open("/dev/null", os.O_RDONLY)
    os.close(closed)
    characters: list[bytes | int] = [b"\0"] * 32
    calls: list[Callable[[], object]] = [
        lambda: KERNEL.get_attributes(closed),
        lambda: KERNEL.set_attributes(closed, [0, 0, 0, 0, 0, 0, characters]),
        lambda: KERNEL.drain(closed),
        lambda: KERNEL.flush(closed, termios.TCIFLUSH),
    ]
    for call in calls:
        with pytest.raises(OSError, match="Bad file descriptor"):
            call()


_SLEEPING: list[tuple[str, str, Callable[[int], object]]] = [
    ("termios", "tcdrain", KERNEL.drain),
    ("termios", "tcflush", lambda fd: KERNEL.flush(fd, termios.TCIFLUSH)),
    ("termios", "tcgetattr", KERNEL.get_attributes),
    ("termios", "tcsetattr", lambda fd: KERNEL.set_attributes(fd, [])),
    ("fcntl", "ioctl", lambda fd: KERNEL.ioctl(fd, 1, b"")),
    ("fcntl", "ioctl", lambda fd: KERNEL.ioctl_value(fd, 1, 0)),
]


@pytest.mark.parametrize(("module", "name", "call"), _SLEEPING)
def test_a_signal_does_not_end_a_call_that_sleeps(
    far: "SimpleNamespace", monkeypatch: pytest.MonkeyPatch, module: str, name: str, call: Callable[[int], object]
) -> None:
    """A driver may sleep in any of them, for its output or a USB transfer; a pty never does."""
    interrupted = (errno.EINTR, os.strerror(errno.EINTR))
    error = termios.error(*interrupted) if module == "termios" else InterruptedError(*interrupted)
    answers = iter([error, error, None])

    def sleeping(*_arguments: object) -> None:
        if (answer := next(answers)) is not None:
            raise answer

    monkeypatch.setattr(sys.modules[module], name, sleeping)
    call(far.slave)
    assert next(answers, "used up") == "used up"


@pytest.mark.parametrize(("module", "name", "call"), _SLEEPING)
def test_a_handler_that_raises_ends_a_call_that_sleeps(
    far: "SimpleNamespace", monkeypatch: pytest.MonkeyPatch, module: str, name: str, call: Callable[[int], object]
) -> None:
    def sleeping(*_arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[module], name, sleeping)
    with pytest.raises(KeyboardInterrupt):
        call(far.slave)


def test_small_files_are_read_and_written(tmp_path: "Path") -> None:
    path = str(tmp_path / "latency_timer")
    KERNEL.write_file(path, "16")
    assert KERNEL.read_file(path) == "16"


def test_another_process_is_named_by_its_lock_alone(far: "SimpleNamespace") -> None:
    """As for a user who may not look into the other process's descriptors."""
    holder = anyserial_posix.create_backend()
    holder.open(far.path, SerialConfig(exclusive=True))
    assert list(_lock._lockers(KERNEL, far.path)) == [os.getpid()]
    holder.close()
    assert list(_lock._lockers(KERNEL, far.path)) == []
