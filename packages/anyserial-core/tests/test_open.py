"""Opening: what is taken for a path, what is refused, and a cancelled open that leaves nothing."""

import asyncio
import os
import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import anyio
import pytest
from anyserial import (
    PortInfo,
    PortNotFoundError,
    SerialConfig,
    SerialConnectable,
    SerialError,
    SerialPort,
    UnsupportedAsyncBackendError,
    open_serial_port,
)
from anyserial.exceptions import ConfigurationError
from backends import Far, OwnBackend, PtyBackend, until

pytestmark = pytest.mark.anyio

# A cancelled open waits that long for a driver that is stuck.
IMPATIENT = SerialConfig(close_timeout=0.01)


def descriptors() -> list[str]:
    return sorted(os.listdir("/dev/fd"))  # noqa: PTH208  # names, not paths


def info(path: str) -> PortInfo:
    return PortInfo(device=path)


class Path2:
    """A path of a user's own kind."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __fspath__(self) -> str:
        return self._path


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> PtyBackend:
    """The platform's driver is the test's backend; discovery is not installed."""
    backend = PtyBackend()
    part = ModuleType("anyserial_posix")
    part.create_backend = lambda: backend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anyserial_posix", part)
    monkeypatch.setitem(sys.modules, "anyserial_discovery", None)
    return backend


@pytest.mark.parametrize("kind", [str, Path, Path2, info])
async def test_every_kind_of_path(far: Far, backend: PtyBackend, kind: Any) -> None:
    async with await open_serial_port(kind(far.path), backend=backend) as port:
        assert port.path == far.path
        assert port.is_open


@pytest.mark.parametrize("wrong", [None, 5, b"/dev/x", [], Path2(b"/dev/x"), PortInfo(device=5)])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
async def test_what_is_no_path_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="path must be a str, a path or a PortInfo"):
        await open_serial_port(wrong)


@pytest.mark.parametrize("wrong", ["", "/dev/tty\0"])
async def test_an_impossible_path_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigurationError, match="path must be the path of a serial port"):
        await open_serial_port(wrong)


@pytest.mark.parametrize("wrong", [9600, {"baudrate": 9600}, SerialConfig])
async def test_what_is_no_configuration_is_refused(far: Far, backend: PtyBackend, wrong: Any) -> None:
    with pytest.raises(TypeError, match="config must be a SerialConfig"):
        await open_serial_port(far.path, wrong, backend=backend)
    assert backend.names() == []


async def test_the_platform_s_driver_is_loaded(far: Far, driver: PtyBackend) -> None:
    async with await open_serial_port(far.path) as port:
        assert driver.is_open
        assert port.port_info is None
        assert port.config == SerialConfig()


async def test_keywords_are_settings(far: Far, driver: PtyBackend) -> None:
    async with await SerialPort.open(far.path, baudrate=9600, parity="E") as port:
        assert port.config == driver.config == SerialConfig(baudrate=9600, parity="even")
    with pytest.raises(TypeError, match="baud"):
        await SerialPort.open(far.path, baud=9600)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def test_a_subclass_opens_as_itself(far: Far, driver: PtyBackend) -> None:
    class Instrument(SerialPort):
        pass

    async with await Instrument.open(far.path) as port:
        assert type(port) is Instrument
        assert driver.is_open


async def test_a_connectable_connects(far: Far, driver: PtyBackend) -> None:
    config = SerialConfig(baudrate=4800)
    connectable = SerialConnectable(path=far.path, config=config)
    assert isinstance(connectable, anyio.abc.ByteStreamConnectable)
    for _ in range(2):
        async with await connectable.connect() as port:
            assert port.config == config
    async with await SerialConnectable(path=Path(far.path)).connect() as port:
        assert port.config == SerialConfig()
        assert port.path == far.path
    assert driver.names().count("close") == 3


async def test_every_way_of_opening_takes_a_path_or_what_discovery_found(far: Far, driver: PtyBackend) -> None:
    for path in (far.path, Path(far.path), PortInfo(device=far.path)):
        for opening in (open_serial_port(path), SerialPort.open(path), SerialConnectable(path=path).connect()):
            async with await opening as port:
                assert port.path == far.path
    assert not driver.is_open


async def test_a_missing_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anyserial_posix", None)
    with pytest.raises(ImportError, match="pip install anyserial-posix"):
        await open_serial_port("/dev/ttyUSB0")


async def test_discovery_tells_about_the_device(far: Far, driver: PtyBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    known = PortInfo(device=far.path, vid=1)
    threads: list[int] = []

    def port_info_for(device: str) -> PortInfo:
        assert device == far.path
        threads.append(threading.get_ident())
        return known

    part = ModuleType("anyserial_discovery")
    part.port_info_for = port_info_for  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anyserial_discovery", part)
    async with await open_serial_port(far.path) as port:
        assert port.port_info is known
        assert driver.is_open
    assert threads != [threading.get_ident()]
    given = PortInfo(device=far.path, vid=2)
    async with await open_serial_port(given) as port:
        assert port.port_info is given
    assert len(threads) == 1


async def test_discovery_is_not_asked_about_a_port_without_a_device(
    far: Far, driver: PtyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = ModuleType("anyserial_discovery")
    asked: list[str] = []
    part.port_info_for = asked.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anyserial_discovery", part)
    for has_device in (True, False):
        monkeypatch.setattr(driver, "has_device", has_device, raising=False)
        async with await open_serial_port(far.path) as port:
            assert port.port_info is None
    assert asked == [far.path]


async def test_a_discovery_that_fails_does_not_fail_the_open(
    far: Far, driver: PtyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_device: str) -> NoReturn:
        raise RuntimeError("sysfs is strange today")

    part = ModuleType("anyserial_discovery")
    part.port_info_for = fail  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anyserial_discovery", part)
    async with await open_serial_port(far.path) as port:
        assert port.port_info is None
    assert not driver.is_open


async def test_an_error_of_the_driver_comes_through_and_leaves_nothing(backend: PtyBackend) -> None:
    with pytest.raises(PortNotFoundError):
        await open_serial_port("/dev/no-such-port", backend=backend)
    with pytest.raises(SerialError):
        await open_serial_port("/dev/null", backend=backend)
    assert not backend.is_open


async def test_an_open_in_a_cancelled_scope_does_not_begin(far: Far, backend: PtyBackend) -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await open_serial_port(far.path, backend=backend)
    assert scope.cancelled_caught
    assert backend.names() == []


@pytest.mark.parametrize("native", [False, True])
async def test_a_cancelled_open_leaves_no_descriptor(
    far: Far, backend: PtyBackend, native: bool, anyio_backend: Any
) -> None:
    if native and anyio_backend[0] != "asyncio":
        pytest.skip("asyncio's own cancellation")
    entered, go = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert go.wait(10)

    backend.hooks["open"] = stay
    if native:
        task = asyncio.create_task(open_serial_port(far.path, IMPATIENT, backend=backend))
        await until(entered.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: open_serial_port(far.path, IMPATIENT, backend=backend))
            await until(entered.is_set)
            group.cancel_scope.cancel()
    assert backend.names() == ["open"]
    go.set()
    await until(lambda: backend.names() == ["open", "close"])
    assert not backend.is_open


async def test_an_open_that_is_over_when_its_task_is_cancelled_leaves_no_descriptor(
    far: Far, backend: PtyBackend
) -> None:
    opened = threading.Event()
    backend.hooks["open"] = opened.set

    async def use() -> None:
        # The result may come through; then the port is there to be closed.
        async with await open_serial_port(far.path, backend=backend):
            await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        group.start_soon(use)
        while not backend.calls:
            await anyio.lowlevel.checkpoint()
        assert opened.wait(5)
        group.cancel_scope.cancel()
    await until(lambda: backend.names()[-1] == "close" and not backend.is_open)
    assert backend.names().count("close") == 1


async def test_an_open_that_fails_after_its_cancellation_is_silent(backend: PtyBackend) -> None:
    entered, go = threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert go.wait(10)

    backend.hooks["open"] = stay
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: open_serial_port("/dev/no-such-port", IMPATIENT, backend=backend))
        await until(entered.is_set)
        group.cancel_scope.cancel()
    go.set()


async def test_a_close_that_fails_after_a_cancelled_open_is_silent(far: Far, backend: PtyBackend) -> None:
    entered, go, closing = threading.Event(), threading.Event(), threading.Event()

    def stay() -> None:
        entered.set()
        assert go.wait(10)

    def fail() -> None:
        closing.set()
        raise SerialError(5, "unhappy")

    backend.hooks.update(open=stay, close=fail)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: open_serial_port(far.path, IMPATIENT, backend=backend))
        await until(entered.is_set)
        group.cancel_scope.cancel()
    go.set()
    await until(closing.is_set)
    backend.hooks.clear()
    backend.close()


async def test_a_cancelled_open_of_a_backend_that_waits_itself_is_its_own_affair() -> None:
    backend = OwnBackend()

    async def stay() -> None:
        await anyio.sleep_forever()

    backend.hooks["open"] = stay
    with anyio.move_on_after(0.01) as scope:
        await open_serial_port("/dev/own", backend=backend)
    assert scope.cancelled_caught
    assert not backend.is_open


def test_without_an_event_loop_it_says_so(backend: PtyBackend) -> None:
    async def nothing() -> None:
        """No event loop that AnyIO knows runs this."""
        await open_serial_port("/dev/x", backend=backend)

    coroutine = nothing()
    with pytest.raises(UnsupportedAsyncBackendError, match="event loop") as caught:
        coroutine.send(None)
    assert isinstance(caught.value, RuntimeError)
    coroutine.close()
    assert backend.names() == []


async def test_many_opens_and_closes_leave_nothing(far: Far) -> None:
    before = descriptors()
    backends: list[PtyBackend] = []
    for _ in range(50):
        backend = PtyBackend()
        with anyio.move_on_after(0.0001):
            async with await open_serial_port(far.path, backend=backend):
                pass
        backends.append(backend)
    await until(lambda: all(backend.names()[-1:] in ([], ["close"]) for backend in backends))
    await until(lambda: descriptors() == before)
