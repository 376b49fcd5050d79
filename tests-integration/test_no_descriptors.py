"""A process that has no descriptor left gets a SerialError from every opener, and nothing is left open."""

import errno
import subprocess
import sys

PROGRAM = """
import gc, os, resource, tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
import anyio
from anyserial import SerialError, inspect_serial_port, open_serial_port
from anyserial.sync import SerialPort

@contextmanager
def leaving(count: int) -> Iterator[None]:
    held = []
    with suppress(OSError):
        while True:
            held.append(os.open("/dev/null", os.O_RDONLY))
    for _ in range(count):
        os.close(held.pop())
    try:
        yield
        gc.collect()  # half a loop of asyncio's
        free = 0
        with suppress(OSError):
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
                free += 1
        assert free == count, f"{count - free} descriptors are left open"
    finally:
        for fd in held:
            os.close(fd)

async def opened(target: str) -> None:
    async with open_serial_port(target):
        pass

async def main() -> None:
    with suppress(SerialError):
        await opened("/dev/no-such-port")
    for target, function in ((path, opened), (URL, opened), (path, inspect_serial_port)):
        with leaving(0):
            try:
                await function(target)
            except SerialError as error:
                assert error.filename == target, error
                print(function.__name__, target, error.errno)

URL = "tcp://127.0.0.1:1"
master, slave = os.openpty()
tty.setraw(slave)
path = os.ttyname(slave)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
with suppress(SerialError):
    SerialPort.open("/dev/no-such-port")
for count in (0, 1, 2):
    for target in (path, URL):
        with leaving(count):
            try:
                SerialPort.open(target, timeout=30).close()
            except SerialError as error:
                assert error.filename == target, error
                print("blocking", count, target, error.errno)
anyio.run(main)
"""


def test_an_opener_without_a_descriptor_raises_a_serial_error() -> None:
    command = [sys.executable, "-W", "ignore::ResourceWarning", "-c", PROGRAM]  # CPython's, of half a loop
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    said = ended.stdout.splitlines()
    full = [line for line in said if line.endswith(f" {errno.EMFILE}")]
    assert [line.split()[0] for line in full].count("opened") == 2, said
    assert any(line.startswith("blocking 0 /dev") for line in full), said
    assert any(line.startswith("blocking 0 tcp") for line in full), said
    assert any(line.startswith("inspect_serial_port") for line in full), said
