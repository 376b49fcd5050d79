"""A user's mistake shows the user's line, one or two frames of anyserial, and no chained internal error.

With the real driver; permission is tried where the tests do not run as root.
"""

import fcntl
import os
import socket
import traceback
import tty
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import anyio
import anyserial.sync
import pytest
from anyserial import PortPermissionError, SerialError, find_serial_port, open_serial_port
from anyserial import SerialPort as AsyncPort
from anyserial.config import SerialConfig, SerialConfigFields
from anyserial.sync import SerialPort as BlockingPort
from anyserial.sync import open_serial_port as open_blocking

PACKAGES = str(Path(__file__).parents[1] / "packages")


@pytest.fixture
def pty() -> Iterator[str]:
    master, slave = os.openpty()
    tty.setraw(slave)
    yield os.ttyname(slave)
    os.close(slave)
    os.close(master)


def shown(error: BaseException) -> list[str]:
    """Return the frames of anyserial that a traceback of *error* prints, those of chained errors too."""
    printed = traceback.TracebackException.from_exception(error)
    frames: list[str] = []
    part: traceback.TracebackException | None = printed
    while part is not None:
        frames += [frame.name for frame in part.stack if frame.filename.startswith(PACKAGES)]
        part = part.__cause__ or (None if part.__suppress_context__ else part.__context__)
    return frames


async def _enter(path: str, fields: SerialConfigFields) -> None:
    async with open_serial_port(path, **fields):
        pass


def fails(path: str, face: str, **fields: bool | str) -> SerialError:
    settings: SerialConfigFields = fields  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]

    def opening() -> None:
        if face == "async":
            anyio.run(_enter, path, settings)
        else:
            open_blocking(path, **settings).close()

    with pytest.raises(SerialError) as caught:
        opening()
    return caught.value


FACES = pytest.mark.parametrize(("face", "most"), [("async", 1), ("blocking", 3)])


@FACES
def test_a_missing_device(face: str, most: int) -> None:
    error = fails("/dev/no-such-port", face)
    assert len(shown(error)) <= most


@FACES
def test_no_serial_port(face: str, most: int) -> None:
    for path in ("/dev/null", "/dev"):
        error = fails(path, face)
        assert len(shown(error)) <= most


@FACES
def test_an_unsupported_setting(pty: str, face: str, most: int) -> None:
    error = fails(pty, face, parity="even")
    assert len(shown(error)) <= most


@FACES
def test_a_busy_port(pty: str, face: str, most: int) -> None:
    other = os.open(pty, os.O_RDWR | os.O_NOCTTY)
    try:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        error = fails(pty, face, exclusive=True)
    finally:
        os.close(other)
    assert len(shown(error)) <= most


@FACES
def test_no_permission(pty: str, face: str, most: int) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may open everything")
    Path(pty).chmod(0)
    error = fails(pty, face)
    assert isinstance(error, PortPermissionError)
    assert len(shown(error)) <= most


async def _use(path: str, name: str) -> None:
    async with open_serial_port(path) as port:
        await ASYNC_CALLS[name](port)


ASYNC_CALLS: dict[str, Callable[[AsyncPort], Awaitable[object]]] = {
    "modem_lines": lambda port: port.modem_lines(),
    "set_control_lines": lambda port: port.set_control_lines(rts=True),
    "line_counters": lambda port: port.line_counters(),
    "configure": lambda port: port.configure(port.config.with_changes(parity="even")),
    "send_break": lambda port: port.send_break(-1),
}
BLOCKING_CALLS: dict[str, Callable[[BlockingPort], object]] = {
    "modem_lines": lambda port: port.modem_lines(timeout=30),
    "set_control_lines": lambda port: port.set_control_lines(rts=True),
    "line_counters": lambda port: port.line_counters(),
    "configure": lambda port: port.configure(port.config.with_changes(parity="even")),
    "send_break": lambda port: port.send_break(-1),
}


@pytest.mark.parametrize("name", ASYNC_CALLS)
def test_an_operation_of_the_async_port(pty: str, name: str) -> None:
    with pytest.raises((SerialError, ValueError)) as caught:
        anyio.run(_use, pty, name)
    assert len(shown(caught.value)) <= 5


@pytest.mark.parametrize("name", BLOCKING_CALLS)
def test_an_operation_of_the_blocking_port(pty: str, name: str) -> None:
    with open_blocking(pty) as port, pytest.raises((SerialError, ValueError)) as caught:
        BLOCKING_CALLS[name](port)
    assert len(shown(caught.value)) <= 5


@FACES
def test_a_wrong_setting(pty: str, face: str, most: int) -> None:
    error = fails(pty, face, parity="X")
    assert len(shown(error)) <= most + 2
    with pytest.raises(SerialError) as caught:
        SerialConfig(parity="X")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert len(shown(caught.value)) == 1


@FACES
def test_a_host_that_cannot_be_resolved(face: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The words of the resolver are in the message, so its own traceback adds nothing."""

    def fail(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    error = fails("tcp://nowhere.invalid:1", face)
    assert "Name or service not known" in str(error)
    assert error.__cause__ is None
    assert len(shown(error)) <= most + 2


@pytest.mark.parametrize("filters", [{"vid": "x"}, {"vid": -1}, {"serial_number": 5}, {"device": 5}], ids=str)
def test_a_wrong_filter(filters: dict[str, Any]) -> None:
    async def look() -> None:
        await find_serial_port(**filters)

    for call in (partial(anyio.run, look), partial(anyserial.sync.find_serial_port, **filters)):
        with pytest.raises((TypeError, ValueError)) as caught:
            call()
        assert len(shown(caught.value)) <= 3
