"""What each error of the operating system becomes: one row per case, on the simulated kernel."""

import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable
from typing import Any

import pytest
from anyserial.config import RS485Config, SerialConfig
from anyserial.exceptions import (
    PortBusyError,
    PortNotFoundError,
    PortPermissionError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
)
from anyserial_posix import _access
from anyserial_posix._inspection import inspect

type Call = Callable[[Any], object]


@pytest.mark.parametrize(
    ("call", "number", "expected", "message"),
    [
        ("stat", errno.ENOENT, PortNotFoundError, "no serial port at this path"),
        ("stat", errno.ENOTDIR, PortNotFoundError, "no serial port at this path"),
        ("open", errno.ENOENT, PortNotFoundError, "no serial port at this path"),
        ("open", errno.ENXIO, PortNotFoundError, "no device behind it"),
        ("open", errno.ENODEV, PortNotFoundError, "no device behind it"),
        ("open", errno.EIO, SerialError, "no working serial device"),
        ("open", errno.EACCES, PortPermissionError, "no permission"),
        ("open", errno.EPERM, PortPermissionError, "no permission"),
        ("open", errno.EBUSY, PortBusyError, "in use"),
        ("open", errno.EMFILE, SerialError, "Too many open files"),
        ("tcgets", errno.EIO, SerialError, "no working serial device"),  # a phantom ttyS opens, and then answers this
        ("tcgets", errno.ENOTTY, SerialError, "not a tty"),
        ("flock", errno.EWOULDBLOCK, PortBusyError, "in use"),
        ("tiocexcl", errno.EBUSY, PortBusyError, "in use"),
        ("tiocexcl", errno.EPERM, PortPermissionError, "no permission"),
        ("tcsets", errno.EINVAL, UnsupportedConfigurationError, "baudrate=115200"),
        ("tcsets", errno.EIO, SerialError, "Input/output error"),
        ("tiocsserial", errno.EIO, SerialError, "Input/output error"),
        ("tiocsserial", errno.EPERM, UnsupportedFeatureError, "low latency"),
        ("tiocgserial", errno.ENOTTY, UnsupportedFeatureError, "low latency"),
        ("tiocsrs485", errno.ENOTTY, UnsupportedFeatureError, "RS-485"),
        ("tiocsrs485", errno.EINVAL, UnsupportedFeatureError, "RS-485"),
        ("tiocsrs485", errno.EIO, SerialError, "Input/output error"),
        ("tiocmset", errno.ENOTTY, UnsupportedFeatureError, "control lines"),
        ("tiocmget", errno.EIO, SerialError, "Input/output error"),
        ("flush", errno.EIO, SerialError, "Input/output error"),
    ],
)
def test_opening(simulated: Any, call: str, number: int, expected: type[SerialError], message: str) -> None:
    kernel = simulated()
    kernel.refused[call] = number
    if call == "tcgets":
        kernel.refused["tcgetattr"] = number  # what is not a tty is none for the C library either
    before = kernel.attributes, kernel.lines, bytes(kernel.serial), kernel.rs485
    config = SerialConfig(
        exclusive=True, low_latency=True, rs485=RS485Config(), dtr_on_open=False, discard_input_on_open=True
    )
    with pytest.raises(expected, match=message) as caught:
        kernel.open_backend(config)
    assert type(caught.value) is expected
    assert caught.value.errno == (errno.EINVAL if expected is UnsupportedConfigurationError else number)
    assert caught.value.filename == "/dev/ttyTEST0"
    assert isinstance(caught.value.__cause__, OSError)
    assert not isinstance(caught.value.__cause__, SerialError)
    # Nothing stays: not a lock, not a setting, not a descriptor.
    assert ("close" in kernel.names()) is ("open" in kernel.names() and call != "open")
    assert kernel.exclusive == 0
    assert [entry[1] for entry in kernel.log if entry[0] == "flock"][1:] in ([], [8])
    assert (kernel.attributes, bytes(kernel.serial), kernel.rs485) == (before[0], before[2], before[3])


@pytest.mark.parametrize(("subsystem", "opens"), [("misc", False), ("mem", False), ("tty", True), (None, True)])
def test_a_device_of_another_kind_is_not_even_opened(simulated: Any, subsystem: str | None, opens: bool) -> None:
    """Opening a watchdog starts it."""
    kernel = simulated()
    kernel.device = os.makedev(10, 130)
    if subsystem is not None:
        kernel.files["/sys/dev/char/10:130/subsystem"] = f"../../../../class/{subsystem}"
    if opens:
        kernel.open_backend()
        return
    with pytest.raises(SerialError, match="not a tty"):
        kernel.open_backend()
    assert kernel.names() == ["stat"]
    with pytest.raises(SerialError, match="not a tty"):
        inspect(kernel, kernel.platform, "/dev/ttyTEST0", opens=False)


@pytest.mark.parametrize("mode", [stat.S_IFREG, stat.S_IFDIR, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFBLK])
def test_what_is_no_character_device_is_not_even_opened(simulated: Any, mode: int) -> None:
    kernel = simulated()
    kernel.mode = mode | 0o666
    with pytest.raises(SerialError, match="not a tty"):
        kernel.open_backend()
    assert "open" not in kernel.names()


def test_an_unplug_while_opening_is_a_port_not_found(simulated: Any) -> None:
    kernel = simulated()
    kernel.unplug()
    with pytest.raises(PortNotFoundError):
        kernel.open_backend()


IO_CALLS: list[tuple[str, Call]] = [
    ("read", lambda port: port.read(16)),
    ("read", lambda port: port.read_into(memoryview(bytearray(16)))),
    ("write", lambda port: port.write(b"x")),
    ("drain", lambda port: port.drain()),
]
REQUESTS: list[tuple[str, Call]] = [
    ("fionread", lambda port: port.input_waiting()),
    ("tiocoutq", lambda port: port.output_waiting()),
    ("flush", lambda port: port.reset_input_buffer()),
    ("flush", lambda port: port.reset_output_buffer()),
    ("tiocsbrk", lambda port: port.set_break(on=True)),
    ("tioccbrk", lambda port: port.set_break(on=False)),
    ("tiocmget", lambda port: port.modem_lines()),
    ("tiocmget", lambda port: port.control_lines()),
    ("tiocmset", lambda port: port.set_control_lines(rts=True, dtr=True)),
    ("tiocmbis", lambda port: port.set_control_lines(rts=True)),
    ("tiocmbic", lambda port: port.set_control_lines(dtr=False)),
    ("tiocgicount", lambda port: port.line_counters()),
    ("tiocsergetlsr", lambda port: port.transmitter_empty()),
    ("tcsets", lambda port: port.configure(SerialConfig(baudrate=4800))),
]
GONE = (errno.ENODEV, errno.ENXIO)
NO_FEATURE = (errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EOPNOTSUPP)


@pytest.mark.parametrize(
    ("name", "call", "number"),
    [
        *((*row, number) for row in (*IO_CALLS, *REQUESTS) for number in GONE),
        *((*row, errno.EPIPE) for row in IO_CALLS),
    ],
)
def test_an_errno_of_a_device_that_is_gone(simulated: Any, name: str, call: Call, number: int) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused[name] = number
    with pytest.raises(SerialDisconnectedError) as caught:
        call(port)
    assert (caught.value.errno, caught.value.filename) == (number, "/dev/ttyTEST0")


@pytest.mark.parametrize(("name", "call"), REQUESTS)
def test_a_stalled_request_is_no_disconnect(simulated: Any, name: str, call: Call) -> None:
    """Measured: ftdi_sio, cp210x, pl2303 and ch341 hand EPIPE through from a device that refuses a request."""
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused[name] = errno.EPIPE
    with pytest.raises(SerialError, match="refused the request") as caught:
        call(port)
    assert type(caught.value) is SerialError
    assert (caught.value.errno, caught.value.filename) == (errno.EPIPE, "/dev/ttyTEST0")
    assert isinstance(caught.value.__cause__, OSError)
    assert port.is_open
    del kernel.refused[name]
    call(port)


@pytest.mark.parametrize(("name", "call"), [*IO_CALLS, *REQUESTS])
def test_eio_alone_is_no_disconnect(simulated: Any, name: str, call: Call) -> None:
    """usb-serial reports a failed control transfer that way."""
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused[name] = errno.EIO
    with pytest.raises(SerialError) as caught:
        call(port)
    assert type(caught.value) is SerialError
    assert caught.value.errno == errno.EIO
    assert port.is_open


@pytest.mark.parametrize(
    ("name", "call"), [row for row in (IO_CALLS[-1], *REQUESTS) if row[0] not in ("fionread", "tiocoutq")]
)
@pytest.mark.parametrize("number", [errno.EIO, errno.EPROTO, errno.EPIPE])  # from ftdi_sio's TIOCSBRK the others
def test_a_transfer_that_fails_just_before_the_hang_up_is_a_disconnect(
    simulated: Any, name: str, call: Call, number: int
) -> None:
    """Only for the calls that are made off the event loop: the others move no data over USB."""
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused[name] = number
    kernel.while_patient = kernel.far.close
    with pytest.raises(SerialDisconnectedError):
        call(port)


@pytest.mark.parametrize("platform", ["linux", "darwin", "freebsd", "netbsd", "openbsd", "generic"])
@pytest.mark.parametrize(("name", "call"), [*IO_CALLS, *REQUESTS])
def test_an_unplug_is_a_disconnect_from_every_call(simulated: Any, platform: str, name: str, call: Call) -> None:
    if platform != "linux" and name in ("tiocgicount", "tiocsergetlsr"):
        name = ""
    kernel = simulated(platform)
    port = kernel.open_backend()
    kernel.unplug()
    assert port.hung_up()
    try:
        answer = call(port)
    except SerialDisconnectedError:
        return
    # What the platform has no request for is known without asking.
    assert not name
    assert answer is None


FEATURES: list[tuple[str, Call, str]] = [
    ("fionread", lambda port: port.input_waiting(), "a count of received bytes"),
    ("tiocoutq", lambda port: port.output_waiting(), "a count of unsent bytes"),
    ("flush", lambda port: port.reset_input_buffer(), "an input queue that can be discarded"),
    ("flush", lambda port: port.reset_output_buffer(), "an output queue that can be discarded"),
    ("tiocsbrk", lambda port: port.set_break(on=True), "breaks"),
    ("tiocmget", lambda port: port.modem_lines(), "modem lines"),
    ("tiocmget", lambda port: port.control_lines(), "control lines"),
    ("tiocmbis", lambda port: port.set_control_lines(rts=True), "control lines"),
    ("tiocgicount", lambda port: port.line_counters(), "counters of line errors"),
]


@pytest.mark.parametrize(("name", "call", "feature"), FEATURES)
@pytest.mark.parametrize("is_pty", [False, True])
def test_a_missing_feature_is_named(simulated: Any, name: str, call: Call, feature: str, is_pty: bool) -> None:
    kernel = simulated()
    kernel.device = os.makedev(136, 3) if is_pty else kernel.device
    port = kernel.open_backend()
    kernel.refused[name] = errno.ENOTTY
    with pytest.raises(UnsupportedFeatureError) as caught:
        call(port)
    remark = "; a pseudo-terminal has no line" if is_pty else ""
    assert caught.value.strerror == f"the serial driver does not have {feature}{remark}"


@pytest.mark.parametrize(
    ("name", "call"), [row for row in REQUESTS if row[0] not in ("tcsets", "tiocsergetlsr", "flush")]
)
@pytest.mark.parametrize("number", NO_FEATURE)
def test_a_request_that_the_driver_does_not_have(simulated: Any, name: str, call: Call, number: int) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused[name] = number
    with pytest.raises(UnsupportedFeatureError) as caught:
        call(port)
    assert caught.value.errno == number
    kernel.refused.clear()


def test_a_write_takes_nothing_only_when_the_kernel_says_so(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused["write"] = errno.EAGAIN
    assert port.write(b"x") is None
    kernel.refused["read"] = errno.EAGAIN
    assert port.read(1) is None


def test_a_read_asks_for_no_more_than_a_tty_gives(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused["read"] = errno.EAGAIN
    port.read(65536)
    port.read(10)
    assert [entry[1] for entry in kernel.log if entry[0] == "read"] == [4096, 10]


@pytest.mark.parametrize(
    ("members", "groups", "expected"),
    [
        ([], {1000}, "is not in group dialout: sudo usermod -aG dialout"),
        (["me"], {1000}, "has not logged in again"),
        (["me"], {1000, 20}, "mode crw-rw----"),
    ],
)
def test_a_refusal_says_who_may(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, members: list[str], groups: set[int], expected: str
) -> None:
    entry = grp.struct_group(("dialout", "x", 20, members))
    user = pwd.struct_passwd(("me", "x", 1000, 1000, "", "/home/me", "/bin/sh"))
    root = pwd.struct_passwd(("root", "x", 0, 0, "", "/root", "/bin/sh"))

    def by_uid(uid: int) -> Any:
        return user if uid == 1000 else root

    def by_name(name: str) -> Any:
        return {"me": user}[name]

    def by_gid(gid: int) -> Any:
        return {20: entry}[gid]

    monkeypatch.setattr(grp, "getgrgid", by_gid)
    monkeypatch.setattr(grp, "getgrall", lambda: [entry])
    monkeypatch.setattr(pwd, "getpwuid", by_uid)
    monkeypatch.setattr(pwd, "getpwnam", by_name)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getegid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: list(groups))
    kernel = simulated()
    kernel.refused["open"] = errno.EACCES
    with pytest.raises(PortPermissionError, match=expected) as caught:
        kernel.open_backend()
    assert isinstance(caught.value, PermissionError)
    assert "owner root, group dialout, mode crw-rw----" in str(caught.value)


def test_numbers_stand_in_for_users_and_groups_that_have_no_name(
    simulated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_key: object) -> Any:
        raise KeyError

    for module, name in ((pwd, "getpwuid"), (pwd, "getpwnam"), (grp, "getgrgid")):
        monkeypatch.setattr(module, name, missing)
    monkeypatch.setattr(os, "getgroups", list[int])
    monkeypatch.setattr(os, "getegid", lambda: 7)
    text = _access.explain(simulated(), "linux", "/dev/ttyTEST0", errno.EACCES)
    assert text is not None
    assert "owner 0, group 20" in text


def test_a_busy_port_names_its_holders(simulated: Any) -> None:
    kernel = simulated()
    for pid in range(11, 16):
        kernel.files[f"/proc/{pid}/fd/3"] = "/dev/ttyTEST0"
        kernel.files[f"/proc/{pid}/comm"] = f"cat{pid}\n"
    kernel.files["/proc/10/fd/3"] = "/dev/null"
    kernel.files["/proc/self/fd/3"] = "/dev/ttyTEST0"
    del kernel.files["/proc/12/comm"]
    kernel.refused["open"] = errno.EBUSY
    with pytest.raises(PortBusyError, match=r"held by pid 11 \(cat11\), pid 12 \(\?\), pid 13 \(cat13\), and others"):
        kernel.open_backend()


def test_a_holder_s_name_cannot_forge_a_line(simulated: Any) -> None:
    kernel = simulated()
    kernel.files["/proc/7/fd/3"] = "/dev/ttyTEST0"
    kernel.files["/proc/7/comm"] = "\x1b[2Jx\nERROR: \x07\n"
    kernel.refused["open"] = errno.EBUSY
    with pytest.raises(PortBusyError) as caught:
        kernel.open_backend()
    assert str(caught.value).isprintable()
    assert r"pid 7 (\x1b[2Jx\nERROR: \x07)" in str(caught.value)


def test_who_holds_the_lock_is_told_even_to_other_users(simulated: Any) -> None:
    kernel = simulated()
    kernel.files["/proc/locks"] = (
        "1: POSIX  ADVISORY  WRITE 9 00:05:1 0 EOF\n"
        "2: FLOCK  ADVISORY  WRITE 8 00:06:1 0 EOF\n"
        "3: FLOCK  ADVISORY  WRITE 7 00:05:1 0 EOF\n"
        "3: -> FLOCK  ADVISORY  WRITE 6 00:05:1 0 EOF\n"
        "4: FLOCK  ADVISORY  WRITE -1 00:05:1 0 EOF\n"
    )
    kernel.files["/proc/7/comm"] = "minicom\n"
    kernel.refused["flock"] = errno.EWOULDBLOCK
    with pytest.raises(PortBusyError, match=r"held by pid 7 \(minicom\)$"):
        kernel.open_backend(exclusive=True)


@pytest.mark.parametrize("busy", ["TIOCEXCL, which root's open passes by", "flock"])
def test_the_descriptor_that_found_the_port_busy_is_no_holder(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, busy: str
) -> None:
    kernel, me = simulated(), os.getpid()
    open_descriptor = kernel.open

    def opened(path: str, flags: int) -> int:
        fd: int = open_descriptor(path, flags)
        kernel.files[f"/proc/{me}/fd/{fd}"] = path
        return fd

    monkeypatch.setattr(kernel, "open", opened)
    kernel.files["/proc/7/fd/3"] = "/dev/ttyTEST0"
    kernel.files["/proc/7/comm"] = "minicom\n"
    if busy == "flock":
        kernel.refused["flock"] = errno.EWOULDBLOCK
    else:
        kernel.exclusive = 1
    with pytest.raises(PortBusyError, match=r": held by pid 7 \(minicom\)$"):
        kernel.open_backend(exclusive=True)
    # Another of this process's descriptors is one, though.
    kernel.files[f"/proc/{me}/fd/4711"] = "/dev/ttyTEST0"
    with pytest.raises(PortBusyError, match=rf"this process \(pid {me}\)"):
        kernel.open_backend(exclusive=True)


@pytest.mark.parametrize(
    ("name", "number", "named"),
    [
        ("linux", 0, None),
        ("linux", 18, None),  # PPS: a GPS receiver is read through it
        ("linux", 1, "SLIP"),
        ("linux", 17, "SLCAN"),
        ("linux", 4711, "number 4711"),
        ("linux-mips", 3, "PPP"),
        ("netbsd", 4, "SLIP"),
        ("openbsd", 7, None),  # NMEA: it sets the clock, and hands on what it reads
        ("darwin", 5, "PPP"),
        ("generic", 3, None),
    ],
)
def test_a_port_that_a_line_discipline_has_is_busy(simulated: Any, name: str, number: int, named: str | None) -> None:
    kernel = simulated(name)
    kernel.discipline = number
    kernel.files["/proc/7/fd/3"] = "/dev/ttyTEST0"
    kernel.files["/proc/7/comm"] = "slcand\n"
    if named is None:
        kernel.open_backend()
        return
    with pytest.raises(PortBusyError, match=rf"line discipline is {named}, .* held by pid 7 \(slcand\)") as caught:
        kernel.open_backend()
    assert (caught.value.errno, caught.value.filename) == (errno.EBUSY, "/dev/ttyTEST0")
    assert not {"tcsets", "flush", "flock"} & set(kernel.names())
    assert kernel.names()[-1] == "close"


@pytest.mark.parametrize("refused", [False, True])
def test_a_tty_that_hangs_up_while_it_is_opened_is_not_busy(simulated: Any, refused: bool) -> None:
    """Measured: TCGETS answers EINVAL, and TIOCGETD 27 (N_NULL), in the middle of a hang-up."""
    kernel = simulated()
    kernel.discipline = 27
    kernel.while_patient = kernel.far.close
    if refused:
        kernel.refused["tcgets"] = errno.EINVAL
    with pytest.raises(PortNotFoundError, match="no device behind it"):
        kernel.open_backend()


def test_a_port_that_hangs_up_while_it_is_configured_is_gone(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.discipline = 27
    kernel.while_patient = kernel.far.close
    with pytest.raises(SerialDisconnectedError):
        port.configure(SerialConfig(baudrate=300))


def test_a_tty_that_cannot_tell_its_discipline_has_the_usual_one(simulated: Any) -> None:
    kernel = simulated()
    kernel.refused["tiocgetd"] = errno.ENOTTY
    kernel.open_backend()


@pytest.mark.parametrize("number", [errno.EIO, errno.EINVAL, errno.ENOTTY, errno.EOPNOTSUPP])
@pytest.mark.parametrize(
    ("name", "call"), [row for row in (*IO_CALLS, *REQUESTS) if row[0] not in ("tcsets", "tiocsergetlsr")]
)
def test_a_line_discipline_that_comes_later_is_told(simulated: Any, name: str, call: Call, number: int) -> None:
    """Measured: SLIP's tty answers a read with EIO, FIONREAD with EINVAL, and TCGETS as ever."""
    kernel = simulated()
    port = kernel.open_backend()
    kernel.discipline = 1
    kernel.refused[name] = number
    with pytest.raises(PortBusyError, match="line discipline is SLIP") as caught:
        call(port)
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == number
    assert port.is_open


def test_the_settings_of_a_link_of_a_line_discipline_are_not_changed(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    before = kernel.attributes
    kernel.discipline = 3
    with pytest.raises(PortBusyError, match="PPP"):
        port.configure(SerialConfig(baudrate=300, exclusive=True))
    assert kernel.attributes == before
    assert kernel.exclusive == 0


def test_a_busy_port_without_proc_names_nobody(simulated: Any) -> None:
    kernel = simulated("darwin")
    kernel.refused["open"] = errno.EBUSY
    with pytest.raises(PortBusyError) as caught:
        kernel.open_backend()
    assert "held" not in str(caught.value)
