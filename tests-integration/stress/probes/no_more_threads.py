"""The life of a port in a process that gets no more threads: RLIMIT_NPROC, which does not bind root.

Prints what went otherwise than expected, and nothing if all is well. The argument is the face: blocking, asyncio,
uvloop or trio. `before` as a second argument sets the limit before the port is opened.
"""

import errno
import os
import resource
import sys
import time
import tty
from typing import Any

import anyio
import anyserial
import anyserial.sync
from anyserial import SerialError

master, slave = os.openpty()
tty.setraw(slave)
path = os.ttyname(slave)
os.fchmod(slave, 0o666)
face, is_before = sys.argv[1], sys.argv[2:] == ["before"]
options: dict[str, dict[str, Any]] = {
    "asyncio": {},
    "uvloop": {"backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}


is_limited = False


def no_more_threads() -> None:
    if is_limited:
        resource.setrlimit(resource.RLIMIT_NPROC, (1, 1))


def expect(condition: object, text: str) -> None:
    if not condition:
        print(text)


def expect_lack_of_threads(exc: SerialError) -> None:
    expect(exc.errno == errno.EAGAIN and "thread" in str(exc), f"{exc!r} does not name the lack of threads")


def expect_nothing_left(port: Any) -> None:
    held = [number for number in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{number}") == path]
    expect(len(held) == 1, f"descriptors of the port: {held}")  # the test's own
    expect(not port.is_open, "the port is open")
    expect(not port._lifecycle.calls and not port._lifecycle.turns, "a lease is held")


async def in_event_loop() -> None:
    if is_before:
        no_more_threads()
    async with anyserial.open_serial_port(path) as port:
        no_more_threads()
        os.write(master, b"hello")
        expect(await port.receive() == b"hello", "not received")
        await port.send(b"x")
        await port.drain()
        try:  # on a thread that waits for work since the opening, or refused if that is the last one
            await port.configure(port.config.with_changes(baudrate=9600))
        except SerialError as exc:
            expect_lack_of_threads(exc)
    expect_nothing_left(port)


def in_this_thread() -> None:
    if is_before:
        no_more_threads()
    with anyserial.sync.SerialPort.open(path) as port:
        no_more_threads()
        os.write(master, b"hello")
        expect(port.receive() == b"hello", "not received")
        port.send(b"x")
        port.drain()
        port.configure(port.config.with_changes(baudrate=9600))
    expect_nothing_left(port)


def live() -> None:
    if face == "blocking":
        in_this_thread()
    else:
        anyio.run(in_event_loop, **options[face])


live()  # loads what a port needs: another user may not be able to read it
if os.geteuid() == 0:
    os.setresuid(54321, 54321, 54321)
while len(os.listdir("/proc/self/task")) > 1:
    time.sleep(0.001)
is_limited = True
try:
    live()
except SerialError as exc:
    expect(is_before, f"{exc!r} from a port that was open before")
    expect_lack_of_threads(exc)
else:
    expect(not is_before, "opened without a thread")
