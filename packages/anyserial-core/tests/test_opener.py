"""What the async openers return: awaited, entered, started as a task, forgotten, and used wrongly."""

import asyncio
import collections.abc
import contextlib
import gc
import inspect
import sys
import traceback
import types
import warnings
import weakref
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any, assert_type

import anyio
import anyserial
import pytest
import trio
from anyserial import (
    ConfigurationError,
    PortInfo,
    PortNotFoundError,
    SerialClosedError,
    SerialConfig,
    SerialConnectable,
    SerialError,
    SerialPort,
    open_serial_port,
)
from anyserial._opener import Opener
from anyserial.exceptions import errno_to_exception
from backends import Far, OwnBackend, PtyBackend
from event_loops import only_on

pytestmark = pytest.mark.anyio

OURS = str(Path(anyserial.__file__).parent)


class Instrument(SerialPort):
    """A subclass opens as itself."""


def connect(path: Any, config: Any = None, **fields: Any) -> Opener[SerialPort]:
    return SerialConnectable(path=path, config=config, **fields).connect()


OPENERS: dict[str, Callable[..., Opener[Any]]] = {
    "open_serial_port": open_serial_port,
    "SerialPort.open": SerialPort.open,
    "Instrument.open": Instrument.open,
    "SerialConnectable.connect": connect,
}


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> PtyBackend:
    """The platform's driver is the test's backend; discovery is not installed."""
    backend = PtyBackend()
    part = ModuleType("anyserial_posix")
    part.create_backend = lambda: backend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anyserial_posix", part)
    monkeypatch.setitem(sys.modules, "anyserial_discovery", None)
    return backend


@pytest.fixture(params=OPENERS)
def name(request: pytest.FixtureRequest) -> str:
    text: str = request.param
    return text


# Awaited and entered


async def test_it_is_awaited_or_entered_or_both(far: Far, driver: PtyBackend, name: str) -> None:
    opener = OPENERS[name]
    port = await opener(far.path)
    assert port.is_open
    await port.aclose()
    async with opener(far.path) as entered:
        assert entered.is_open
        assert driver.is_open
    async with await opener(far.path) as both:
        assert both.is_open
    for closed in (port, entered, both):
        assert type(closed).__name__ == ("Instrument" if name == "Instrument.open" else "SerialPort")
        with pytest.raises(SerialClosedError):
            await closed.send(b"x")
    assert driver.names().count("close") == 3
    assert not driver.is_open


@pytest.mark.parametrize("how", ["exception", "return", "cancellation", "closed inside"])
async def test_every_exit_closes_the_port(far: Far, driver: PtyBackend, how: str) -> None:
    async def leave() -> None:
        async with open_serial_port(far.path) as port:
            if how == "exception":
                raise LookupError
            if how == "return":
                return
            if how == "closed inside":
                await port.aclose()
            else:
                await anyio.sleep_forever()

    with anyio.move_on_after(0.05 if how == "cancellation" else 5), contextlib.suppress(LookupError):
        await leave()
    assert driver.names().count("close") == 1
    assert not driver.is_open


async def test_an_exit_stack_takes_it(far: Far, driver: PtyBackend) -> None:
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(open_serial_port(far.path))
        assert port.is_open
    assert not driver.is_open


async def test_a_backend_that_waits_itself_is_entered_too() -> None:
    backend = OwnBackend()
    async with open_serial_port("/dev/own", backend=backend) as port:
        assert port.is_open
    assert not backend.is_open


async def test_an_open_port_can_be_entered_again_until_it_is_closed(far: Far, driver: PtyBackend) -> None:
    async with open_serial_port(far.path) as port, port as same:
        assert same is port
    async with port:  # closed by now: there is nothing more to close
        assert not port.is_open
    assert driver.names().count("close") == 1


# Used twice, or wrongly

TWICE: dict[str, Callable[[Opener[SerialPort]], Any]] = {
    "await": lambda opener: opener.__await__(),
    "enter": lambda opener: opener.__aenter__(),
}


@pytest.mark.parametrize("second", TWICE)
@pytest.mark.parametrize("first", ["await", "enter", "close"])
async def test_the_second_time_is_refused(far: Far, driver: PtyBackend, first: str, second: str) -> None:
    opener = open_serial_port(far.path)
    if first == "await":
        await (await opener).aclose()
    elif first == "enter":
        async with opener:
            pass
    else:
        opener.close()
    text = rf"open_serial_port\('{far.path}'\) was awaited already: call it again"
    with pytest.raises(RuntimeError, match=text):
        TWICE[second](opener)


async def test_leaving_what_was_not_entered_is_refused(far: Far, driver: PtyBackend) -> None:
    opener = open_serial_port(far.path)
    with pytest.raises(RuntimeError, match="was not entered"):
        await opener.__aexit__(None, None, None)
    opener.close()


async def test_using_it_as_a_port_says_what_is_missing(name: str) -> None:
    opener = OPENERS[name]("/dev/ttyX")
    with pytest.raises(
        AttributeError, match=rf"^{name}\('/dev/ttyX'\) has no attribute 'receive': .* await it$"
    ) as got:
        _ = opener.receive  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    assert got.value.name == "receive"
    assert not hasattr(opener, "_asyncio_future_blocking")
    assert repr(opener) == f"<{name}('/dev/ttyX'): not awaited>"
    opener.close()
    assert repr(opener) == f"<{name}('/dev/ttyX'): awaited>"


def test_sending_to_one_that_was_not_awaited_says_what_to_write(name: str) -> None:
    opener = OPENERS[name]("/dev/ttyX")
    with pytest.raises(
        TypeError, match=rf"^{name}\('/dev/ttyX'\) is not a port until it is awaited: write 'async with"
    ):
        opener.send(b"*IDN?\n")
    opener.close()


def test_entering_it_with_a_plain_with_says_what_to_write(name: str) -> None:
    with (
        pytest.raises(
            TypeError, match=rf"^{name}\('/dev/ttyX'\) opens an async port: write 'async with', or use anyserial\.sync"
        ),
        OPENERS[name]("/dev/ttyX"),  # type: ignore[attr-defined]  # pyright: ignore[reportGeneralTypeIssues]
    ):
        pass
    gc.collect()  # it warns of nothing forgotten beside that


def test_a_forgotten_one_warns_with_its_path_where_it_was_forgotten(name: str) -> None:
    opener = OPENERS[name]
    with pytest.warns(
        RuntimeWarning, match=rf"^{name}\('/dev/ttyX'\) was never awaited, so the port was not"
    ) as caught:
        opener("/dev/ttyX")
        gc.collect()
    (warning,) = caught
    assert warning.filename == __file__
    assert isinstance(warning.source, Opener)


async def test_nothing_else_warns(far: Far, driver: PtyBackend) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        open_serial_port(far.path).close()
        with pytest.raises(LookupError):
            open_serial_port(far.path).throw(LookupError)
        async with open_serial_port(far.path):
            pass
        cls: Any = Opener
        cls.__new__(cls)  # as when the constructor is interrupted
        gc.collect()
    assert caught == []


async def test_a_forgotten_port_is_collected_although_its_opener_is_kept(far: Far, driver: PtyBackend) -> None:
    opener = open_serial_port(far.path)
    port = await opener
    seen = weakref.ref(port)
    with pytest.warns(ResourceWarning, match=far.path):
        del port
        gc.collect()
    assert seen() is None
    assert repr(opener).endswith("awaited>")


# A coroutine wherever one is wanted


async def test_it_is_a_coroutine() -> None:
    opener = open_serial_port("/dev/ttyX")
    assert isinstance(opener, collections.abc.Coroutine)
    assert isinstance(opener, types.CoroutineType)
    assert inspect.iscoroutine(opener)
    assert inspect.isawaitable(opener)
    assert asyncio.iscoroutine(opener)
    assert inspect.getcoroutinestate(opener) == inspect.CORO_CREATED  # pyright: ignore[reportArgumentType]
    opener.close()
    assert inspect.getcoroutinestate(opener) == inspect.CORO_CLOSED  # pyright: ignore[reportArgumentType]
    for function in (open_serial_port, SerialPort.open, Instrument.open):
        assert inspect.iscoroutinefunction(function)


@only_on("asyncio", "uvloop", "portable")
async def test_asyncio_takes_it_wherever_it_takes_a_coroutine(
    far: Far, driver: PtyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends: list[PtyBackend] = []

    def create_backend() -> PtyBackend:
        backends.append(PtyBackend())
        return backends[-1]

    monkeypatch.setattr("anyserial_posix.create_backend", create_backend)
    ports = [
        await asyncio.create_task(open_serial_port(far.path)),
        await asyncio.ensure_future(SerialPort.open(far.path)),
        await asyncio.wait_for(open_serial_port(far.path), 5),
        await asyncio.shield(open_serial_port(far.path)),
        *await asyncio.gather(open_serial_port(far.path), SerialConnectable(path=far.path).connect()),
    ]
    async with asyncio.TaskGroup() as group:
        task = group.create_task(open_serial_port(far.path))
    ports.append(task.result())
    assert len({id(port) for port in ports}) == 7
    for port in ports:
        await port.aclose()
    task = asyncio.create_task(open_serial_port(far.path))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(PortNotFoundError):
        await asyncio.create_task(open_serial_port("/dev/no-such-port"))
    assert not any(backend.is_open for backend in backends)


class Kept(SerialPort):
    """Keeps what is opened where nothing takes the result."""

    made: "list[Kept]" = []  # noqa: RUF012

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.made.append(self)


async def test_task_groups_and_nurseries_take_it(far: Far, driver: PtyBackend, anyio_backend: Any) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(Kept.open, far.path)
    await Kept.made.pop().aclose()
    if anyio_backend[0] == "trio":
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Kept.open, far.path)
        await Kept.made.pop().aclose()
    with pytest.raises(ExceptionGroup) as caught:
        async with anyio.create_task_group() as group:
            group.start_soon(open_serial_port, "/dev/no-such-port")
    assert caught.group_contains(PortNotFoundError)
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            group.start_soon(Kept.open, far.path)
            scope.cancel()
    assert Kept.made == []


@pytest.mark.parametrize("runtime", ["asyncio", "trio"])
def test_a_run_takes_it(far: Far, driver: PtyBackend, runtime: str) -> None:
    port = anyio.run(open_serial_port, far.path, backend=runtime)
    anyio.run(port.aclose, backend=runtime)
    assert not driver.is_open
    with asyncio.Runner() as runner:
        port = runner.run(open_serial_port(far.path))
        runner.run(port.aclose())


# A configuration, fields, or both

BOTH = SerialConfig(baudrate=9600, parity="even")


async def test_every_opener_takes_a_configuration_or_fields_or_both(far: Far, driver: PtyBackend) -> None:
    async def settings(opener: Opener[SerialPort]) -> SerialConfig:
        async with opener as port:
            return port.config

    for opener in (open_serial_port, SerialPort.open):
        assert await settings(opener(far.path)) == SerialConfig()
        assert await settings(opener(far.path, BOTH)) == BOTH
        assert await settings(opener(far.path, baudrate=9600, parity="E")) == BOTH
        assert await settings(opener(far.path, BOTH, baudrate=300)) == BOTH.with_changes(baudrate=300)
        assert await settings(opener(far.path, None, baudrate=300)) == SerialConfig(baudrate=300)
    path = far.path
    for connectable, config in (
        (SerialConnectable(path=path), SerialConfig()),
        (SerialConnectable(path=path, config=BOTH), BOTH),
        (SerialConnectable(path=path, baudrate=9600, parity="E"), BOTH),
        (SerialConnectable(path=path, config=BOTH, baudrate=300), BOTH.with_changes(baudrate=300)),
    ):
        assert await settings(connectable.connect()) == config
    assert SerialConnectable(path=path, config=BOTH) == SerialConnectable(path=path, baudrate=9600, parity="even")
    assert SerialConnectable(path=path).config is None


type Calls = dict[str, Callable[..., object]]
CALLS: Calls = {
    "open_serial_port": open_serial_port,
    "SerialPort.open": SerialPort.open,
    "SerialConnectable": connect,
}
WRONG: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ((None,), {}, TypeError, "path must be a str, a path or a PortInfo"),
    (("",), {}, ConfigurationError, "path must be the path of a serial port"),
    (("/dev/x", 9600), {}, TypeError, r"config must be a SerialConfig \(got 9600\); write baudrate=9600$"),
    (("/dev/x", {"baudrate": 1}), {}, TypeError, "config must be a SerialConfig"),
    (("/dev/x",), {"baudrate": 0}, ConfigurationError, "baudrate must be"),
    (("/dev/x", SerialConfig()), {"baudrate": 0}, ConfigurationError, "baudrate must be"),
    (("/dev/x",), {"baud": 9600}, TypeError, "no field 'baud'; write baudrate"),
    (("/dev/x", SerialConfig()), {"baud": 9600}, TypeError, "no field 'baud'; write baudrate"),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("arguments", "fields", "error", "text"), WRONG)
def test_a_wrong_argument_is_refused_by_the_call_itself(
    call: str, arguments: Any, fields: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        CALLS[call](*arguments, **fields)  # nothing is awaited
    assert len(ours(caught.value)) <= 3
    assert is_unchained(caught.value)


async def test_what_the_type_checkers_see(far: Far, driver: PtyBackend) -> None:
    assert_type(open_serial_port(far.path).close(), None)
    async with open_serial_port(far.path) as port:
        assert_type(port, SerialPort)
    async with Instrument.open(far.path, baudrate=9600, stop_bits=2) as instrument:
        assert_type(instrument, Instrument)
    async with SerialConnectable(path=Path(far.path), parity="N").connect() as port:
        assert_type(port, SerialPort)
    async with await open_serial_port(PortInfo(device=far.path), BOTH, baudrate=300) as port:
        assert_type(port, SerialPort)
    port = await open_serial_port(far.path)
    assert_type(port, SerialPort)
    await port.aclose()
    coroutine: Coroutine[Any, Any, SerialPort] = SerialPort.open(far.path, BOTH)
    coroutine.close()
    manager: contextlib.AbstractAsyncContextManager[SerialPort] = open_serial_port(far.path)
    async with manager as port:
        assert_type(port, SerialPort)
    # The ignored errors are the test: the type checkers complain where there is none.
    for wrong in (
        lambda: open_serial_port("/dev/x", baudrate="fast"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        lambda: open_serial_port("/dev/x", 9600),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        lambda: SerialPort.open("/dev/x", config=BOTH),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        lambda: SerialConnectable("/dev/x"),  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        lambda: SerialPort("/dev/x", BOTH),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ):
        with pytest.raises((TypeError, ConfigurationError)):
            wrong()


# The constructor

CONSTRUCTED: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("/dev/x",), {}),
    (("/dev/x", SerialConfig()), {}),
    (("/dev/x", 9600), {}),
    (("/dev/x",), {"baudrate": 9600}),
    ((Path("/dev/x"),), {}),
    ((PortInfo(device="/dev/x"), SerialConfig()), {}),
    ((), {"port": "/dev/x"}),
]


@pytest.mark.parametrize(("arguments", "fields"), CONSTRUCTED)
def test_a_path_for_the_constructor_says_what_to_use(arguments: Any, fields: Any) -> None:
    for cls in (SerialPort, Instrument):
        with pytest.raises(TypeError, match=rf"use {cls.__name__}\.open\(\.\.\.\), as in \"async with {cls.__name__}"):
            cls(*arguments, **fields)
    assert list(inspect.signature(SerialPort).parameters) == ["backend", "config", "port_info"]


async def test_a_subclass_may_take_a_path_in_a_constructor_of_its_own(far: Far, backend: PtyBackend) -> None:
    class Named(SerialPort):
        def __init__(self, path: str, backend: PtyBackend) -> None:
            backend.open(path, SerialConfig())
            super().__init__(backend, SerialConfig())

    async with Named(far.path, backend) as port:
        assert port.path == far.path


def test_another_wrong_argument_of_the_constructor_is_python_s_to_refuse() -> None:
    with pytest.raises(TypeError, match="missing 2 required positional arguments"):
        SerialPort()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# Tracebacks


def ours(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(OURS)]


def is_unchained(error: BaseException) -> bool:
    return error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)


@pytest.mark.parametrize("number", [2, 13, 16, 22])
async def test_an_error_of_the_open_shows_one_frame_and_no_cause_that_adds_nothing(
    driver: PtyBackend, name: str, number: int
) -> None:
    def fail() -> None:
        raise errno_to_exception(OSError(number, "said by the system"), context="open", path="/dev/x")

    driver.hooks["open"] = fail
    with pytest.raises(SerialError) as caught:
        async with OPENERS[name]("/dev/x"):
            pass
    assert caught.value.errno == number
    assert ours(caught.value) == ["opened"]
    assert is_unchained(caught.value)


async def test_a_cause_that_adds_something_is_kept(driver: PtyBackend) -> None:
    def fail() -> None:
        raise SerialError(5, "failed", "/dev/x") from ValueError("the reason")

    driver.hooks["open"] = fail
    with pytest.raises(SerialError) as caught:
        await open_serial_port("/dev/x")
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_defect_shows_all_its_frames(driver: PtyBackend) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    driver.hooks["open"] = fail
    with pytest.raises(ZeroDivisionError) as caught:
        await open_serial_port("/dev/x")
    assert [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)][-1] == "fail"
    assert "_open" in ours(caught.value)


async def test_a_subclass_that_raises_in_its_constructor_keeps_its_frames(far: Far, driver: PtyBackend) -> None:
    class Refusing(SerialPort):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            raise SerialError(None, "no")

    with pytest.raises(SerialError) as caught:
        await Refusing.open(far.path)
    assert traceback.extract_tb(caught.value.__traceback__)[-1].name == "__init__"
    assert not driver.is_open


async def test_a_backend_that_waits_itself_shows_no_frames_of_its_own() -> None:
    backend = OwnBackend()

    async def fail() -> None:
        raise SerialError(5, "failed", "/dev/own")

    backend.hooks["open"] = fail
    with pytest.raises(SerialError) as caught:
        await open_serial_port("/dev/own", backend=backend)
    assert len(ours(caught.value)) <= 2
