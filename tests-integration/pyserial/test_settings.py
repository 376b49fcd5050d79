"""Settings: in the constructor, by attribute, on an open port; and what is refused."""

import errno
import os
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from anyserial import PortBusyError, PortNotFoundError, SerialError
from anyserial.pyserial import (
    EIGHTBITS,
    PARITY_EVEN,
    PARITY_NONE,
    SEVENBITS,
    STOPBITS_ONE,
    STOPBITS_TWO,
    PortNotOpenError,
    Serial,
    SerialException,
    rs485,
    serial_for_url,
)

if TYPE_CHECKING:
    from collections.abc import Callable

type Rig = Any  # conftest's


def test_all_arguments_by_place(rig: Rig) -> None:
    with Serial(
        rig.path, 19200, SEVENBITS, PARITY_EVEN, STOPBITS_TWO, 0.5, True, False, 0.25, False, 0.125, True
    ) as port:
        assert port.get_settings() == {
            "baudrate": 19200,
            "bytesize": 7,
            "parity": "E",
            "stopbits": 2,
            "timeout": 0.5,
            "xonxoff": True,
            "rtscts": False,
            "write_timeout": 0.25,
            "dsrdtr": False,
            "inter_byte_timeout": 0.125,
        }
        assert port.exclusive is True
        assert port.name == port.port == port.portstr == rig.path


def test_numbers_of_other_types(rig: Rig) -> None:
    class Number(float):
        """As of numpy."""

    port = rig.open(baudrate=Number(19200), bytesize=Number(7), stopbits=Number(2), timeout=Number(0.5))
    assert (port.baudrate, port.bytesize, port.stopbits, port.timeout) == (19200, 7, 2, 0.5)


def test_old_names(rig: Rig) -> None:
    port = Serial(writeTimeout=1, interCharTimeout=2)
    assert (port.write_timeout, port.inter_byte_timeout) == (port.writeTimeout, port.interCharTimeout) == (1, 2)
    port.writeTimeout = port.interCharTimeout = 3
    assert (port.write_timeout, port.inter_byte_timeout) == (3, 3)
    port.setPort(rig.path)
    assert not port.isOpen()
    port.open()
    assert port.isOpen()
    settings = port.getSettingsDict()
    settings["baudrate"] = 57600
    port.applySettingsDict(settings)
    assert port.baudrate == 57600
    port.close()


def test_unknown_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="foo"):
        Serial(foo=1)


INVALID: "tuple[tuple[str, Any], ...]" = (
    ("port", 3),
    ("port", b"/dev/tty"),
    ("baudrate", -1),
    ("baudrate", "fast"),
    ("baudrate", None),
    ("bytesize", 9),
    ("parity", "X"),
    ("parity", None),
    ("stopbits", 3),
    ("timeout", -1),
    ("timeout", "a"),
    ("write_timeout", -1),
    ("inter_byte_timeout", "a"),
)


def test_a_value_that_is_not_valid_is_refused_and_changes_nothing() -> None:
    port = Serial()
    for name, value in INVALID:
        before = getattr(port, name)
        with pytest.raises(ValueError, match=name):
            setattr(port, name, value)
        assert getattr(port, name) == before


@pytest.mark.parametrize("baudrate", [0, 2**33])
def test_a_rate_that_no_driver_takes_is_refused_when_it_is_applied(rig: Rig, baudrate: int) -> None:
    port = rig.open(9600)
    with pytest.raises(ValueError, match="baudrate"):
        port.baudrate = baudrate
    assert port.baudrate == 9600
    with pytest.raises(ValueError, match="baudrate"):
        Serial(rig.path, baudrate)


def test_settings_reach_an_open_port(rig: Rig) -> None:
    port = rig.open(9600)
    port.baudrate = 115200
    port.stopbits = 2
    port.xonxoff = True
    attributes = termios.tcgetattr(port.fd)
    assert attributes[5] == termios.B115200
    assert attributes[2] & termios.CSTOPB
    assert attributes[0] & termios.IXON
    port.rtscts = True
    assert termios.tcgetattr(port.fd)[2] & termios.CRTSCTS
    port.apply_settings({"baudrate": 4800, "rtscts": False, "unknown": 1})
    attributes = termios.tcgetattr(port.fd)
    assert attributes[4] == termios.B4800
    assert not attributes[2] & termios.CRTSCTS
    port.baudrate = 12345
    assert port.baudrate == 12345


def test_what_a_pty_drops_is_no_error(rig: Rig) -> None:
    port = rig.open(9600, 7, "E", 2)
    port.parity = "M"
    port.bytesize = 5
    assert (port.parity, port.bytesize) == ("M", 5)


@pytest.mark.parametrize("hangs_up", [True, False])
def test_a_hang_up_on_close_that_another_program_has_set_is_left_alone(rig: Rig, hangs_up: bool) -> None:
    with rig.open() as port:
        attributes = termios.tcgetattr(port.fd)
        attributes[2] = attributes[2] | termios.HUPCL if hangs_up else attributes[2] & ~termios.HUPCL
        termios.tcsetattr(port.fd, termios.TCSANOW, attributes)
    with rig.open() as port:
        port.baudrate = 4800
        assert bool(termios.tcgetattr(port.fd)[2] & termios.HUPCL) is hangs_up


def test_dsrdtr_follows_rtscts_if_none() -> None:
    assert not Serial(rtscts=True).dsrdtr
    assert Serial(rtscts=True, dsrdtr=None).dsrdtr


def test_changing_the_port_reopens_it(rig: Rig) -> None:
    far, near = os.openpty()
    try:
        port = rig.open(timeout=1)
        port.port = os.ttyname(near)
        assert port.is_open
        port.write(b"there")
        assert os.read(far, 5) == b"there"
        port.port = Path(rig.path)
        assert port.port == rig.path
        port.close()
    finally:
        os.close(near)
        os.close(far)


def test_exclusive_locks_the_port_at_any_time(rig: Rig) -> None:
    first, second = rig.open(exclusive=True), Serial()
    second.port = rig.path
    second.exclusive = True
    with pytest.raises(SerialException, match="Could not exclusively lock port") as caught:
        second.open()
    assert isinstance(caught.value, PortBusyError)
    first.exclusive = False
    second.open()
    with pytest.raises(SerialException):
        first.exclusive = True
    assert first.exclusive is False
    second.exclusive = None  # which leaves the lock
    assert second.exclusive is None
    with pytest.raises(SerialException):
        first.exclusive = True
    second.close()
    second.open()
    first.exclusive = True
    second.close()


def test_a_port_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(SerialException, match="could not open port /dev/no-such-port") as caught:
        Serial("/dev/no-such-port")
    error = caught.value
    assert error.errno == error.args[0] == errno.ENOENT
    assert isinstance(error, PortNotFoundError)
    assert isinstance(error, FileNotFoundError)
    assert isinstance(error, SerialError)
    assert str(error).startswith("[Errno 2] could not open port")
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(SerialException) as caught:
        Serial(str(file))
    assert caught.value.errno == errno.ENOTTY


def test_opening_without_a_port_and_twice(rig: Rig) -> None:
    with pytest.raises(SerialException, match="configured"):
        Serial().open()
    port = rig.open()
    with pytest.raises(SerialException, match="already open"):
        port.open()


def test_a_with_block_opens_again(rig: Rig) -> None:
    port = Serial(timeout=1)
    with port:
        assert not port.is_open
    port.port = rig.path
    for _ in range(2):
        with port as opened:
            assert opened is port
            assert port.is_open
        assert not port.is_open
        assert not port.closed
    port.close()


def test_old_input_is_discarded_when_it_opens(rig: Rig) -> None:
    rig.feed(b"old")
    port = rig.open(timeout=0.02)
    assert port.read(10) == b""


CLOSED: "tuple[Callable[[Any], object], ...]" = (
    lambda port: port.read(),
    lambda port: port.readline(),
    lambda port: port.read_until(),
    lambda port: port.read_all(),
    lambda port: port.write(b"x"),
    lambda port: port.flush(),
    lambda port: port.in_waiting,
    lambda port: port.out_waiting,
    lambda port: port.fileno(),
    lambda port: port.cts,
    lambda port: port.dsr,
    lambda port: port.ri,
    lambda port: port.cd,
    lambda port: port.send_break(),
    lambda port: port.reset_input_buffer(),
    lambda port: port.reset_output_buffer(),
    lambda port: port.set_input_flow_control(),
    lambda port: port.set_output_flow_control(),
    lambda port: port.set_low_latency_mode(True),
)


def test_a_port_that_is_not_open(rig: Rig) -> None:
    for port in (Serial(), rig.open()):
        port.close()
        for use in CLOSED:
            with pytest.raises(PortNotOpenError, match="not open"):
                use(port)
    port = Serial()
    port.cancel_read()
    port.cancel_write()
    port.rts = port.dtr = port.break_condition = False
    assert (port.rts, port.dtr, port.break_condition, port.fd) == (False, False, False, None)


def test_a_pty_has_no_lines(rig: Rig) -> None:
    port = rig.open()
    for name in ("cts", "dsr", "ri", "cd"):
        with pytest.raises(SerialException, match="pseudo-terminal") as caught:
            getattr(port, name)
        assert caught.value.errno == errno.ENOTTY
    with pytest.raises(SerialException):
        port.rts = False
    with pytest.raises(ValueError, match="low latency"):
        port.set_low_latency_mode(True)
    with pytest.raises(ValueError, match="RS-485"):
        port.rs485_mode = rs485.RS485Settings()
    assert port.rs485_mode is None
    port.baudrate = 9600


def test_flow_control_by_hand(rig: Rig, in_thread: Any) -> None:
    port = rig.open(timeout=1)
    port.set_input_flow_control(False)
    assert rig.take(1) == b"\x13"
    port.set_input_flow_control(True)
    assert rig.take(1) == b"\x11"
    port.set_output_flow_control(False)
    port.write_timeout = 0.05
    call = in_thread(lambda: port.write(b"held"))
    port.set_output_flow_control()
    try:
        call.end()
    except SerialException:
        port.write(b"held")
    assert rig.take(4) == b"held"


def test_the_repr_tells_the_settings(rig: Rig) -> None:
    port = rig.open(9600, timeout=2)
    assert f"open=True>(port='{rig.path}', baudrate=9600, bytesize=8, parity='N'" in repr(port)


def test_a_path_as_a_url(rig: Rig) -> None:
    port = serial_for_url(rig.path, 19200, timeout=1, do_not_open=True)
    assert type(port) is Serial
    assert (port.is_open, port.port, port.baudrate) == (False, rig.path, 19200)
    with serial_for_url(rig.path, bytesize=EIGHTBITS, parity=PARITY_NONE, stopbits=STOPBITS_ONE) as port:
        assert port.is_open
    with pytest.raises(ValueError, match="nope"):
        serial_for_url("nope://x")
