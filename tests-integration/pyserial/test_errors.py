"""What programs look for in an error: pySerial's class, its errno and its words."""

import copy
import errno
import os
import pickle
from collections.abc import Callable
from typing import Any

import anyserial
import pytest
from anyserial.pyserial import PARITY_EVEN, Serial, SerialException

type Rig = Any  # conftest's

NOBODY = "/dev/no-such-port"


def test_a_missing_port() -> None:
    with pytest.raises(SerialException) as caught:
        Serial(NOBODY)
    assert str(caught.value).startswith(
        f"[Errno 2] could not open port {NOBODY}: [Errno 2] No such file or directory: '{NOBODY}'; "
    )


def test_a_locked_port(rig: Rig) -> None:
    rig.open(exclusive=True)
    with pytest.raises(SerialException) as caught:
        rig.open(exclusive=True)
    assert caught.value.errno == errno.EAGAIN
    system = f"[Errno {errno.EAGAIN}] {os.strerror(errno.EAGAIN)}"
    assert f"Could not exclusively lock port {rig.path}: {system}; the serial port is in use: held by" in str(
        caught.value
    )
    with pytest.raises(SerialException) as caught:
        rig.open()
    assert caught.value.errno == errno.EBUSY
    assert f"could not open port {rig.path}: [Errno {errno.EBUSY}]" in str(caught.value)
    assert isinstance(caught.value, anyserial.PortBusyError)


def _set_baudrate(port: Serial) -> None:
    port.baudrate = 19200


def _write(port: Serial) -> None:
    port.write(b"x")


def _in_waiting(port: Serial) -> int:
    return port.in_waiting


CALLS: list[tuple[Callable[[Serial], object], str]] = [
    (Serial.read, "read failed: [Errno 5] Input/output error; device reports readiness to read but returned no data"),
    (_in_waiting, "in_waiting failed: [Errno 5] Input/output error"),
    (_write, "write failed: [Errno 5] Input/output error"),
    (Serial.flush, "flush failed: [Errno 5] Input/output error"),
    (_set_baudrate, "could not configure port: [Errno 5] Input/output error"),
]


@pytest.mark.parametrize(("call", "words"), CALLS)
@pytest.mark.parametrize("known", [False, True])
def test_an_unplugged_port(rig: Rig, call: Callable[[Serial], object], words: str, known: bool) -> None:
    port = rig.open(timeout=1)
    rig.unplug()
    if known:
        with pytest.raises(SerialException):
            port.read()
    with pytest.raises(SerialException) as caught:
        call(port)
    assert (caught.value.errno, isinstance(caught.value, anyserial.SerialDisconnectedError)) == (errno.EIO, True)
    assert words in str(caught.value)


def test_a_setting_that_is_refused(rig: Rig) -> None:
    port = rig.open()
    with pytest.raises(ValueError, match=r"^could not configure port: baudrate must be"):
        port.baudrate = 0


def _pickled(port: Serial) -> Serial:
    other: Serial = pickle.loads(pickle.dumps(port))  # noqa: S301  # made here
    return other


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, _pickled])
def test_a_closed_port_can_be_copied_and_an_open_one_cannot(rig: Rig, copied: Callable[[Serial], Serial]) -> None:
    port = Serial(None, 19200, parity=PARITY_EVEN, timeout=0)
    port.port = rig.path
    other = copied(port)
    other.open()
    assert (other.get_settings(), port.is_open) == (port.get_settings(), False)
    with pytest.raises(TypeError, match="an open port cannot be copied or pickled"):
        copied(other)
    other.__exit__()  # as some programs call it
    assert not other.is_open
