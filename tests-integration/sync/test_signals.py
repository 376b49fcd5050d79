"""Real signals, whose handlers raise or close a port, against blocking calls: in processes that could hang for good."""

import os
import subprocess
import sys

import pytest

FULL = os.environ.get("ANYSERIAL_STRESS") == "full"

# What every program begins with: a pty, whose far end answers.
BEGIN = """
import os, random, signal, sys, threading, time, tty, warnings
from anyserial import SerialConfig, SerialError
from anyserial.sync import open_serial_port

# Between an open and the storing of its port, the handler leaves the port to the collector, which closes it.
warnings.filterwarnings("ignore", "unclosed serial port", ResourceWarning)
count, name = int(sys.argv[1]), sys.argv[2]
master, slave = os.openpty()
tty.setraw(slave)
path = os.ttyname(slave)
threading.Thread(target=lambda: [os.write(master, b"answer" * 4) for _ in iter(lambda: os.read(master, 4096), b"")],
                 daemon=True).start()
CALLS = {
    "receive": lambda port: (port.send(b"x"), port.receive(timeout=1)),
    "receive_exactly": lambda port: (port.send(b"x"), port.receive_exactly(7, timeout=0.01)),
    "input_waiting": lambda port: port.input_waiting() and port.receive(),
    "configure": lambda port: port.configure(port.config),
    "drain": lambda port: (port.send(b"x"), port.drain()),
    "open": lambda port: open_serial_port(path).close(),
}
call = CALLS[name]

def descriptors():
    return [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
            if os.path.lexists(f"/proc/self/fd/{fd}")].count(path)
"""

# A handler that raises comes at a random moment of a call or of the close after it.
STORM = """
class Interruption(Exception):
    pass

def interrupt(*_):
    fired.append(True)
    raise Interruption

def unraisable(unraised):
    # Python itself ends an exception in a finalizer, and the call goes on.
    if unraised.exc_type is not Interruption:
        sys.__unraisablehook__(unraised)

fired = []
sys.unraisablehook = unraisable
signal.signal(signal.SIGALRM, interrupt)
for _ in range(count):
    port = open_serial_port(path, SerialConfig(close_timeout=0.1))
    fired.clear()
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.002))
        while True:
            if fired:
                raise Interruption
            try:
                call(port)
            except TimeoutError:
                pass
    except Interruption:
        pass
    if port.is_open and name != "open":
        try:
            call(port)  # the port is usable
        except TimeoutError:
            pass
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.0005))
        port.close()
        time.sleep(0.01)
    except Interruption:
        pass
    signal.setitimer(signal.ITIMER_REAL, 0)
    port.close()
    until = time.monotonic() + 5
    while descriptors() > 1 and time.monotonic() < until:
        time.sleep(0.001)
    assert descriptors() == 1, descriptors()
print("over")
"""

# A handler that closes this port, or another, while the thread is inside of a call, as for SIGTERM.
CLOSER = """
for number in range(count):
    port = open_serial_port(path, SerialConfig(close_timeout=0.1))
    other = open_serial_port(path, SerialConfig(close_timeout=0.1))
    victim = (port, other)[number % 2]
    closed = []

    def close(*_):
        victim.close()
        closed.append(True)

    signal.signal(signal.SIGALRM, close)
    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.002))
    while not closed:
        try:
            call(port)
        except (SerialError, TimeoutError):
            pass
    assert not victim.is_open
    port.close()
    other.close()
    until = time.monotonic() + 5
    while descriptors() > 1 and time.monotonic() < until:
        time.sleep(0.001)
    assert descriptors() == 1, descriptors()
print("over")
"""

NAMES = ["receive", "receive_exactly", "input_waiting", "configure", "drain", "open"]


@pytest.mark.skipif(sys.platform != "linux", reason="the descriptors are counted in /proc")
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("program", [STORM, CLOSER], ids=["a handler that raises", "a handler that closes"])
def test_a_signal_at_any_moment_leaves_nothing_held(program: str, name: str) -> None:
    count = 2000 if FULL else 40
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + program, str(count), name],
        capture_output=True,
        text=True,
        timeout=300 if FULL else 60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("over\n", "", 0)
