"""A blocking port in a program that gevent or eventlet has patched, or whose `select` has lost poll and epoll.

The libraries themselves are tried where they are installed, as in the gate's step `patched`.
"""

import subprocess
import sys
from importlib.util import find_spec

import pytest

PATCHES = {
    "select": "import select; del select.poll, select.epoll",
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
PROGRAM = """
{patch}
import os, threading, tty
from anyserial import SerialCancelledError, SerialClosedError, SerialDisconnectedError
from anyserial.config import SerialConfig
from anyserial.sync import SerialPort, list_serial_ports, watch_serial_ports
from anyserial.testing import MockBackend

def ends(error, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except error:
        return
    raise AssertionError(error)

def soon(function, *arguments):
    timer = threading.Timer(0.1, function, arguments)
    timer.start()
    return timer

master, slave = os.openpty()
tty.setraw(slave)
port = SerialPort.open(os.ttyname(slave), timeout=30)
ends(TimeoutError, port.receive, timeout=0)
ends(TimeoutError, port.receive, timeout=0.05)
os.write(master, b"in")
assert port.receive(timeout=30) == b"in"
port.send(b"out", timeout=30)
assert os.read(master, 16) == b"out"
soon(os.write, master, b"late\\n")
assert next(port.lines(timeout=30)) == b"late\\n"
soon(port.cancel_receive)
ends(SerialCancelledError, port.receive, timeout=30)
os.write(master, b"abcd")
assert port.receive_into(bytearray(4), timeout=30) == 4
ends(TimeoutError, port.send, bytes(10**6), timeout=0.1)
port.configure(port.config.with_changes(baudrate=9600))
list_serial_ports()
with watch_serial_ports(timeout=0.05) as events:
    ends(TimeoutError, list, events)
soon(port.close)
ends(SerialClosedError, port.receive, timeout=30)
port.close(timeout=0)

port = SerialPort.open(os.ttyname(slave))
os.close(slave)
os.close(master)
for _ in range(2):
    ends(SerialDisconnectedError, port.receive, timeout=30)
port.close()

backends = MockBackend.pair(path_a="/mock/a", path_b="/mock/b")
for backend in backends:
    backend.open(backend.path, SerialConfig())
here, there = [SerialPort(backend, SerialConfig()) for backend in backends]
here.send(b"x")
assert there.receive(timeout=30) == b"x"
ends(TimeoutError, there.receive, timeout=0.05)
here.close()
ends(SerialDisconnectedError, there.receive, timeout=30)
there.close()
print("done")
"""


@pytest.mark.parametrize("library", PATCHES)
def test_a_blocking_port_works_in_a_patched_program(library: str) -> None:
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    command = [sys.executable, "-W", "ignore", "-X", "faulthandler", "-c", PROGRAM.format(patch=PATCHES[library])]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "done\n"
