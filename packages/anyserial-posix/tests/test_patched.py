"""The driver in a process whose `select` module eventlet or gevent has patched."""

import subprocess
import sys

import pytest

PATCHES = {
    "eventlet": "del select.poll, select.epoll",
    "gevent": """
del select.epoll
class poll:
    def register(self, fd, events):
        assert events, "gevent's libev refuses a watcher that watches for nothing"
    def poll(self, timeout):
        return []  # selectors, which the oldest AnyIO imports, asks whether this works
select.poll = poll
""",
}
PROGRAM = """
import os, select, sys, tty
{patch}
import anyserial_posix
from anyserial import SerialConfig, SerialDisconnectedError, SerialError

master, slave = os.openpty()
tty.setraw(slave)
port = anyserial_posix.create_backend()
port.open(os.ttyname(slave), SerialConfig())
assert not port.hung_up()
os.write(master, b"in")
assert select.select([port.fileno()], [], [], 5)[0]
assert not port.hung_up()
assert port.read(16) == b"in"
assert port.read(16) is None
try:
    port.line_counters()
except SerialError as error:
    assert not isinstance(error, SerialDisconnectedError), error
else:
    raise AssertionError("a pty counts nothing")
os.close(master)
os.close(slave)
assert port.hung_up()
for call in (
    lambda: port.read(16),
    lambda: port.read_into(memoryview(bytearray(16))),
    lambda: port.write(b"x"),
    port.input_waiting,
    port.output_waiting,
    port.drain,
    port.reset_input_buffer,
    port.modem_lines,
    port.line_counters,
    lambda: port.set_break(True),
    lambda: port.configure(SerialConfig(baudrate=300)),
):
    try:
        call()
    except SerialDisconnectedError:
        pass
    else:
        raise AssertionError(call)
port.close()
"""


@pytest.mark.parametrize("library", PATCHES)
def test_a_hang_up_is_noticed_without_poll(library: str) -> None:
    program = PROGRAM.format(patch=PATCHES[library])
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
