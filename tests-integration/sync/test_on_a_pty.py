"""The blocking port with the real driver, on a pty."""

import os
import shutil
import subprocess
import sys
import threading
import tty
from collections.abc import Iterator

import pytest
from anyserial import PortNotFoundError, SerialClosedError, SerialDisconnectedError, UnsupportedFeatureError
from anyserial.config import SerialConfig
from anyserial.sync import SerialConnectable, SerialPort, open_serial_port

type Far = list[int]


@pytest.fixture
def far() -> Iterator[Far]:
    """The far end: its descriptor, taken out by whoever closes it."""
    master, slave = os.openpty()
    tty.setraw(slave)
    ends = [master, slave]
    yield ends
    while ends:
        os.close(ends.pop())


def test_every_way_to_open(far: Far) -> None:
    path = os.ttyname(far[1])
    config = SerialConfig(baudrate=9600)
    for port in (
        SerialPort.open(path, baudrate=9600),
        SerialPort.open(path, config),
        SerialPort.open(path, SerialConfig(), baudrate=9600, timeout=5.0),
        open_serial_port(path, config, timeout=5.0),
        SerialConnectable(path=path, config=config).connect(timeout=5.0),
    ):
        with port:
            assert port.config.baudrate == port.actual_baudrate == 9600
            port.send(b"ping", timeout=5)
            assert os.read(far[0], 16) == b"ping"
            os.write(far[0], b"pong\n")
            assert next(port.lines(timeout=5)) == b"pong\n"
        assert not port.is_open


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_opening_what_is_not_there(timeout: float | None) -> None:
    with pytest.raises(PortNotFoundError):
        open_serial_port("/dev/nothing-here", timeout=timeout)
    with pytest.raises(ValueError, match="timeout"):
        open_serial_port("/dev/nothing-here", timeout=-1)
    with pytest.raises(ValueError, match="baudrate"):
        SerialPort.open("/dev/nothing-here", baudrate=0)


def test_an_open_whose_time_was_up_does_not_refuse_the_next(far: Far) -> None:
    path = os.ttyname(far[1])
    config = SerialConfig(exclusive=True)
    given_up = 0
    for number in range(60):
        try:
            open_serial_port(path, config, timeout=0.00002 * (number % 6)).close()
        except TimeoutError:
            given_up += 1
            open_serial_port(path, config).close()
    assert given_up


def test_what_a_pty_cannot_do(far: Far) -> None:
    with SerialPort.open(os.ttyname(far[1])) as port:
        for call in (port.modem_lines, port.control_lines, port.wait_modem_change, port.line_counters):
            with pytest.raises(UnsupportedFeatureError):
                call(timeout=5.0)
        port.drain()
        port.drain_exact(timeout=5)
        port.configure(port.config.with_changes(baudrate=1200), timeout=5)
        assert port.actual_baudrate == 1200


@pytest.mark.parametrize("timeout", [None, 5.0])
def test_a_hang_up_wakes_a_blocked_receive(far: Far, timeout: float | None) -> None:
    with SerialPort.open(os.ttyname(far[1])) as port:
        os.close(far.pop())  # this process holds the slave itself otherwise
        hang_up = threading.Timer(0.02, lambda: os.close(far.pop()))
        hang_up.start()
        with pytest.raises(SerialDisconnectedError):
            port.receive(timeout=timeout)
        hang_up.join()
        assert not port.is_open
        with pytest.raises(SerialDisconnectedError):
            port.send(b"x")
    with pytest.raises(SerialClosedError):
        port.send(b"x")


AT_EXIT = """
import atexit, os

def clean_up():
    port.send(b"bye")
    port.drain(timeout=5)
    port.configure(port.config.with_changes(baudrate=9600))
    port.close()
    os.write(1, b"closed after " + os.read(master, 10))
    with SerialPort.open(path, timeout=5) as again:
        again.send(b" and opened again", timeout=5)
        again.drain(timeout=5)
    os.write(1, os.read(master, 100))

atexit.register(clean_up)  # before the library's own, so it runs after that

from anyserial.sync import SerialPort

master, slave = os.openpty()
path = os.ttyname(slave)
port = SerialPort.open(path)
"""


def test_an_exit_handler_may_use_a_port() -> None:
    """No thread is started that late, and none is missed."""
    done = subprocess.run([sys.executable, "-c", AT_EXIT], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("closed after bye and opened again", "")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace counts the system calls")
def test_three_system_calls_a_round_trip() -> None:
    program = """
import os, sys, tty
from anyserial.sync import SerialPort
master, slave = os.openpty()
tty.setraw(slave)
if not (child := os.fork()):
    os.close(slave)
    while data := os.read(master, 64):
        os.write(master, data)
with SerialPort.open(os.ttyname(slave)) as port:
    for _ in range(int(sys.argv[1])):
        port.send(b"0123456789abcdef")
        received = 0
        while received < 16:
            received += len(port.receive(16, timeout=5))
os.kill(child, 9)
os.waitpid(child, 0)
"""
    counts: list[int] = []
    for trips in (100, 300):
        strace = ["strace", "-e", "trace=all", "-o", "/dev/stdout", sys.executable, "-c", program, str(trips)]
        done = subprocess.run(strace, check=True, capture_output=True, text=True)
        counts.append(len(done.stdout.splitlines()))
    # A message may arrive in two pieces now and then, which takes a poll and a read more.
    assert (counts[1] - counts[0]) / 200 <= 3.2
