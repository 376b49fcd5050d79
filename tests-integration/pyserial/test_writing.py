"""Writing as pySerial has it, and what cannot hang."""

import gc
import os
import warnings
from time import monotonic
from typing import Any

import pytest
from anyserial.pyserial import XOFF, PortNotOpenError, SerialException, SerialTimeoutException
from anyserial.pyserial import Serial as Port

type Rig = Any  # conftest's

MANY = b"m" * 1_000_000  # more than a pty takes


@pytest.mark.parametrize("data", [b"abc", bytearray(b"abc"), memoryview(b"abc"), [97, 98, 99], (97, 98, 99)])
def test_what_can_be_written(rig: Rig, data: Any) -> None:
    port = rig.open()
    assert port.write(data) == 3
    assert rig.take(3) == b"abc"
    assert port.write(data=data) == 3
    assert port.write(b"") == 0
    assert port.out_waiting == 0


def test_text_is_refused(rig: Rig) -> None:
    with pytest.raises(TypeError, match="encode"):
        rig.open().write("text")


def test_a_write_that_is_not_taken_times_out(rig: Rig) -> None:
    port = rig.open(write_timeout=0.05)
    with pytest.raises(SerialTimeoutException, match="Write timeout"):
        port.write(MANY)
    assert port.is_open


def test_a_write_that_does_not_wait_tells_how_much_was_taken(rig: Rig) -> None:
    port = rig.open(write_timeout=0)
    taken = port.write(MANY)
    assert 0 < taken < len(MANY)
    while more := port.write(MANY):
        taken += more
    assert rig.take(taken) == MANY[:1] * taken


def test_cancelling_a_write(rig: Rig, in_thread: Any, sending: Any) -> None:
    port = rig.open()
    call = in_thread(lambda: port.write(MANY))
    sending(port)
    port.cancel_write()
    taken = call.end()
    assert 0 < taken < len(MANY)
    assert rig.take(taken) == MANY[:taken]
    # A cancellation between two writes lets the next one write what it can without waiting.
    port.cancel_write()
    assert port.write(b"next") == 4
    assert rig.take(4) == b"next"


@pytest.mark.parametrize("write_timeout", [None, 30])
def test_an_unplug_ends_a_write(rig: Rig, in_thread: Any, sending: Any, write_timeout: float | None) -> None:
    port = rig.open(write_timeout=write_timeout)
    call = in_thread(lambda: port.write(MANY))
    sending(port)
    rig.unplug()
    with pytest.raises(SerialException, match="gone"):
        call.end()


def test_closing_ends_a_write_in_another_thread(rig: Rig, in_thread: Any, sending: Any) -> None:
    port = rig.open()
    call = in_thread(lambda: port.write(MANY))
    sending(port)
    port.close()
    with pytest.raises(PortNotOpenError):
        call.end()


def test_output_that_flow_control_holds_back_does_not_hang_flush_or_close(rig: Rig) -> None:
    port = rig.open(xonxoff=True, write_timeout=0.1)
    rig.feed(XOFF)
    begun = monotonic()
    with pytest.raises(SerialTimeoutException):
        port.write(MANY)
    # A pty tells of no queue, so that a flush has nothing to wait for.
    port.flush()
    port.close()
    assert monotonic() - begun < 8


def test_writes_of_two_threads_are_not_mixed(rig: Rig, in_thread: Any) -> None:
    port = rig.open()
    parts = [letter * 3000 for letter in (b"a", b"b", b"c", b"d")]
    calls = [in_thread(lambda part=part: port.write(part)) for part in parts]
    received = rig.take(4 * 3000)
    assert [call.end() for call in calls] == [3000] * 4
    assert sorted(received[start : start + 3000] for start in range(0, 12000, 3000)) == parts


def test_a_second_writer_waits_no_longer_than_its_timeout(rig: Rig, in_thread: Any, sending: Any) -> None:
    port = rig.open()
    call = in_thread(lambda: port.write(MANY))
    sending(port)
    port.write_timeout = 0.05
    with pytest.raises(SerialTimeoutException):
        port.write(b"x")
    port.write_timeout = 0
    assert port.write(b"x") == 0
    port.cancel_write()
    assert call.end() < len(MANY)


def test_flushing(rig: Rig) -> None:
    port = rig.open()
    port.write(b"abc")
    port.flush()
    port.reset_output_buffer()
    rig.feed(b"old", port)
    port.reset_input_buffer()
    assert port.in_waiting == 0
    rig.feed(b"old", port)
    port.flushInput()
    port.flushOutput()
    assert port.inWaiting() == 0


def test_a_forgotten_port_is_closed_without_a_word_and_keeps_its_output(rig: Rig) -> None:
    port = Port(rig.path)
    port.write(b"last")
    descriptor = port.fileno()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        del port
        gc.collect()
    assert rig.take(4) == b"last"
    deadline = monotonic() + 5
    while os.path.exists(f"/proc/self/fd/{descriptor}") and monotonic() < deadline:  # noqa: PTH110
        pass
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(descriptor)
