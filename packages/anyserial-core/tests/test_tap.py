"""`anyserial.tap.Tap`: what is told, in which order, and that nothing else changes."""

import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import anyio
import pytest
from anyserial import (
    LineError,
    LineErrors,
    SerialClosedError,
    SerialDisconnectedError,
    SerialError,
    SerialPort,
    SerialStreamAttribute,
    UnsupportedFeatureError,
    _clock,
    open_serial_port,
)
from anyserial._looking.observing import ObservedBackend
from anyserial.capabilities import ModemLines
from anyserial.tap import TRACE, Tap, TapEvent
from backends import Far, OwnBackend, PtyBackend

pytestmark = pytest.mark.anyio


def told(events: list[TapEvent]) -> list[tuple[str, Any]]:
    """What happened, without times."""
    return [(event.kind, event.data or event.value) for event in events]


async def receive_into(port: SerialPort) -> bytes:
    buffer = bytearray(64)
    return bytes(buffer[: await port.receive_into(buffer)])


@pytest.mark.parametrize("receive", [SerialPort.receive, receive_into])
async def test_what_is_received_and_sent_is_told_with_its_time(
    far: Far, backend: PtyBackend, receive: Callable[[SerialPort], Any]
) -> None:
    events: list[TapEvent] = []
    async with await open_serial_port(far.path, backend=backend) as port:
        before = time.monotonic()
        with Tap(port, events.append) as tap:
            assert tap.is_attached
            far.write(b"one")
            assert await receive(port) == b"one"
            await port.send(b"two")
        assert not tap.is_attached
        await port.send(b"unseen")
        assert port.statistics.bytes_sent == 9
    assert told(events) == [("received", b"one"), ("sent", b"two")]
    assert before <= events[0].time <= events[1].time <= time.monotonic()
    assert {event.path for event in events} == {far.path}


async def test_the_port_is_as_before_once_the_last_tap_is_gone(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        first, second = Tap(port, print), Tap(port, print)
        first.detach()
        first.detach()
        assert second.is_attached
        assert port._port.transport.backend is not backend
        second.detach()
        assert port._port.transport.backend is backend
        assert port._port.transport.read == backend.read
        assert port._port.transport.write == backend.write


async def test_calls_that_wait_are_seen_too(far: Far, backend: PtyBackend) -> None:
    events: list[TapEvent] = []
    full = bytes(300_000)
    before = 0
    got = b""
    async with await open_serial_port(far.path, backend=backend) as port, anyio.create_task_group() as tasks:
        with anyio.fail_after(10):

            async def receive() -> None:
                nonlocal got
                got = await port.receive()

            tasks.start_soon(receive)
            tasks.start_soon(port.send, full)
            await anyio.wait_all_tasks_blocked()
            before += port.statistics.bytes_sent
            Tap(port, events.append)
            far.write(b"late")
            drained = 0
            while drained < len(full):
                await anyio.wait_readable(far.master)
                drained += len(os.read(far.master, 65536))
    assert got == b"late"
    assert sum(len(event.data) for event in events if event.kind == "sent") == len(full) - before > 0
    assert ("received", b"late") in told(events)


async def test_events_have_the_time_of_a_virtual_clock_also_from_a_worker(
    far: Far, backend: PtyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[TapEvent] = []
    ours = threading.get_ident()
    monkeypatch.setattr(
        _clock, "virtual", [lambda: None, lambda: (lambda: 7.0) if threading.get_ident() == ours else None]
    )
    async with await open_serial_port(far.path, backend=backend) as port:
        with Tap(port, events.append):
            await port.send(b"here")
            await port.set_break(False)
            far.write(b"timed")
            assert await port.receive_with_time() == (b"timed", 7.0)
    assert [(event.kind, event.time) for event in events] == [("sent", 7.0), ("break", 7.0), ("received", 7.0)]


async def test_the_port_keeps_its_whole_face(far: Far, backend: PtyBackend) -> None:
    async with await open_serial_port(far.path, backend=backend) as port:
        Tap(port, lambda _: None)
        assert port.extra(SerialStreamAttribute.config) is port.config
        assert port.capabilities is backend.capabilities
        far.write(b"x")
        assert port.input_waiting() == 1
        backend.queued = 7
        assert port.output_waiting() == 7
        backend.queued = 0
        await port.drain()
        assert await port.control_lines() == backend.control


CONTROLS: list[tuple[Callable[[SerialPort], Any], list[tuple[str, Any]]]] = [
    (lambda port: port.send_break(0), [("break", True), ("break", False)]),
    (lambda port: port.set_control_lines(rts=False), [("control_lines", {"rts": False})]),
    (lambda port: port.reset_input_buffer(), [("discarded", "input")]),
    (lambda port: port.reset_output_buffer(), [("discarded", "output")]),
    (lambda port: port.aclose(), [("closed", None)]),
]


@pytest.mark.parametrize("kind", [PtyBackend, OwnBackend])
@pytest.mark.parametrize(("call", "expected"), CONTROLS, ids=["break", "lines", "input", "output", "close"])
async def test_control_is_told(
    far: Far, kind: Callable[[], Any], call: Callable[[SerialPort], Any], expected: list[tuple[str, Any]]
) -> None:
    events: list[TapEvent] = []
    async with await open_serial_port(far.path, backend=kind()) as port:
        Tap(port, events.append)
        await call(port)
        assert told(events) == expected


@pytest.mark.parametrize("kind", [PtyBackend, OwnBackend])
async def test_settings_and_changes_of_the_lines_are_told(far: Far, kind: Callable[[], Any]) -> None:
    events: list[TapEvent] = []
    backend = kind()
    async with await open_serial_port(far.path, backend=backend) as port:
        Tap(port, events.append)
        faster = port.config.with_changes(baudrate=230400)
        await port.configure(faster)
        quiet = await port.modem_lines()
        await port.modem_lines()
        backend.lines = ModemLines(cts=True, dsr=False, ri=False, cd=False)
        await port.modem_lines()
    assert told(events) == [
        ("configured", faster),
        ("modem_lines", quiet),
        ("modem_lines", backend.lines),
        ("closed", None),
    ]


async def test_a_backend_that_waits_by_itself_is_seen(far: Far) -> None:
    events: list[TapEvent] = []
    own = OwnBackend()
    async with await open_serial_port("/dev/own", backend=own) as port:
        await port.send(b"before")
        await port.receive()
        tap = Tap(port, events.append)
        await port.send(b"there")
        assert await port.receive() == b"there"
        own.gone = True
        for call in (port.receive, lambda: port.send(b"x"), port.modem_lines):
            with pytest.raises(SerialDisconnectedError):
                await call()
        tap.detach()
    assert told(events)[:2] == [("sent", b"there"), ("received", b"there")]
    assert [event.kind for event in events[2:]][:1] == ["failed"]


async def test_line_errors_are_told_in_their_place_and_marks_are_not(far: Far, backend: PtyBackend) -> None:
    events: list[TapEvent] = []
    error = LineError(None, "damaged", far.path, byte=0x58)
    backend.decoder = lambda data: [data[:1], error, data[1:]]
    async with await open_serial_port(far.path, backend=backend, config=None) as port:
        await port.configure(port.config.with_changes(line_errors=LineErrors.RAISE))
        Tap(port, events.append)
        far.write(b"ab")
        assert await port.receive() == b"a"
        with pytest.raises(LineError):
            await port.receive()
        assert await port.receive() == b"b"
        backend.decoder = None
        await port.configure(port.config.with_changes(line_errors=LineErrors.IGNORE))
        far.write(b"cd")
        assert await port.receive() == b"cd"
    assert told(events)[:3] == [("received", b"a"), ("line_error", error), ("received", b"b")]
    assert told(events)[4] == ("received", b"cd")


@pytest.mark.parametrize("name", ["read", "read_into", "write", "set_break"])
async def test_a_failure_is_told_and_still_raised(far: Far, backend: PtyBackend, name: str) -> None:
    events: list[TapEvent] = []
    failure = SerialError(5, "failed", far.path)

    def fail() -> None:
        raise failure

    calls: dict[str, Callable[[SerialPort], Any]] = {
        "read": SerialPort.receive,
        "read_into": receive_into,
        "write": lambda port: port.send(b"x"),
        "set_break": lambda port: port.set_break(True),
    }
    async with await open_serial_port(far.path, backend=backend) as port:
        Tap(port, events.append)
        backend.hooks[name] = fail
        far.write(b"x")
        with pytest.raises(SerialError, match="failed") as caught:
            await calls[name](port)
        assert caught.value is failure
        del backend.hooks[name]
        assert told(events) == [("failed", failure)]


async def test_a_sink_that_raises_is_let_go_and_the_port_goes_on(
    far: Far, backend: PtyBackend, caplog: pytest.LogCaptureFixture
) -> None:
    events: list[TapEvent] = []

    def stumble(event: TapEvent) -> None:
        raise ZeroDivisionError(event.kind)

    async with await open_serial_port(far.path, backend=backend) as port:
        bad, good = Tap(port, stumble), Tap(port, events.append)
        far.write(b"x")
        assert await port.receive() == b"x"
        assert not bad.is_attached
        assert good.is_attached
        await port.send(b"y")
        bad.detach()
    assert told(events)[:2] == [("received", b"x"), ("sent", b"y")]
    (record,) = caplog.records
    assert record.name == "anyserial.tap"
    assert "the tap is detached" in record.message
    assert record.exc_info is not None


@pytest.mark.parametrize(("level", "lines"), [(TRACE, 1), (logging.DEBUG, 0)])
async def test_a_logger_gets_lines_at_the_level_trace(
    far: Far, backend: PtyBackend, caplog: pytest.LogCaptureFixture, level: int, lines: int
) -> None:
    logger = logging.getLogger("test.wire")
    async with await open_serial_port(far.path, backend=backend) as port:
        with caplog.at_level(level, "test.wire"), Tap(port, logger):
            await port.send(b"\x1b[2J")
    assert [record.levelno for record in caplog.records] == [TRACE] * lines
    assert [record.message.partition(" sent ")[2] for record in caplog.records] == [r"b'\x1b[2J'"] * lines


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (TapEvent(1.5, "/dev/x", "sent", b"a\r\n"), r"1.500000 /dev/x sent b'a\r\n'"),
        (TapEvent(1.5, "/dev/x", "sent", bytes(65)), f"1.500000 /dev/x sent {bytes(64)!r} and 1 more bytes"),
        (TapEvent(0.0, "/dev/\x1b", "closed"), r"0.000000 /dev/\x1b closed"),
        (TapEvent(0.0, "p", "failed", value=ValueError("a\nb")), r"0.000000 p failed ValueError: a\nb"),
        (TapEvent(0.0, "p", "failed", value=ValueError("x" * 999)), f"0.000000 p failed ValueError: {'x' * 288}..."),
        (TapEvent(0.0, "p", "break", value=True), "0.000000 p break True"),
    ],
)
def test_an_event_is_one_printable_line_of_bounded_length(event: TapEvent, text: str) -> None:
    assert str(event) == text


async def test_what_is_no_port_or_no_sink_is_refused(far: Far, backend: PtyBackend) -> None:
    with pytest.raises(TypeError, match="port must be an open SerialPort"):
        Tap(object(), print)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    async with await open_serial_port(far.path, backend=backend) as port:
        with pytest.raises(TypeError, match="sink must be a function"):
            Tap(port, "log")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        tap = Tap(port, print)
        assert repr(tap) == f"<anyserial.tap.Tap of {far.path!r}, attached>"
    tap.detach()
    assert repr(tap).endswith("detached>")
    with pytest.raises(SerialClosedError):
        Tap(port, print)


@pytest.mark.parametrize("name", ["send", "modem_lines"])
async def test_a_failure_of_a_backend_that_waits_by_itself_is_told(name: str) -> None:
    events: list[TapEvent] = []
    own = OwnBackend()
    async with await open_serial_port("/dev/own", backend=own) as port:
        Tap(port, events.append)
        own.gone = True
        with pytest.raises(SerialDisconnectedError):
            await (port.send(b"x") if name == "send" else port.modem_lines())
    assert [event.kind for event in events] == ["failed", "closed"]


class AttemptingBackend(OwnBackend):
    """One that can also send without waiting."""

    def send_now(self, data: bytes | memoryview) -> int | None:
        if self.gone:
            raise SerialDisconnectedError(5, "gone", self.path)
        return None if bytes(data) == b"later" else len(data)


async def test_what_a_backend_takes_without_waiting_is_told() -> None:
    events: list[TapEvent] = []
    own = AttemptingBackend()
    async with await open_serial_port("/dev/own", backend=own) as port:
        with Tap(port, events.append):
            await port.send(b"now")
            await port.send(b"later")
            own.gone = True
            with pytest.raises(SerialDisconnectedError):
                await port.send(b"now")
    assert told(events)[:2] == [("sent", b"now"), ("sent", b"later")]
    assert [event.kind for event in events[2:]] == ["failed"]


async def test_a_wait_for_output_that_fails_is_told_and_a_missing_queue_length_is_not(
    far: Far, backend: PtyBackend
) -> None:
    events: list[TapEvent] = []
    failures: list[SerialError] = [UnsupportedFeatureError(25, "no queue"), SerialError(5, "failed", far.path)]

    def fail() -> None:
        raise failures[0]

    async with await open_serial_port(far.path, backend=backend) as port:
        Tap(port, events.append)
        backend.hooks["output_waiting"] = fail
        with pytest.raises(UnsupportedFeatureError):
            port.output_waiting()
        failures.pop(0)
        with pytest.raises(SerialError, match="failed"):
            await port.drain()
        del backend.hooks["output_waiting"]
        assert told(events) == [("failed", failures[0])]


async def test_a_tap_may_come_while_the_settings_change(far: Far, backend: PtyBackend) -> None:
    events: list[TapEvent] = []
    async with await open_serial_port(far.path, backend=backend) as port:
        backend.hooks["configure"] = lambda: Tap(port, events.append) and None
        backend.decoder = lambda data: [data]
        await port.configure(port.config.with_changes(line_errors=LineErrors.RAISE))
        far.write(b"x")
        assert await port.receive() == b"x"
        await port.send(b"y")
    assert told(events) == [("received", b"x"), ("sent", b"y"), ("closed", None)]


async def test_a_tap_that_comes_while_the_port_takes_up_settings_is_not_passed_by(
    far: Far, backend: PtyBackend
) -> None:
    events: list[TapEvent] = []
    async with await open_serial_port(far.path, backend=backend) as port:
        pending = [lambda: Tap(port, events.append)]

        class Decoder:
            """The tap comes between two steps of the worker."""

            def __get__(self, *_: object) -> None:
                if pending:
                    pending.pop()()

        kind = type("Late", (PtyBackend,), {"line_decoder": Decoder()})
        backend.__class__ = kind
        await port.configure(port.config)
        far.write(b"x")
        assert await port.receive() == b"x"
    assert told(events) == [("received", b"x"), ("closed", None)]


class Attempts:
    """The attempts of a backend; each result is given once."""

    line_decoder = None

    def __init__(self, result: Any) -> None:
        self.results = [result]

    def attempt(self, *_: object) -> Any:
        result = self.results.pop()
        if isinstance(result, Exception):
            raise result
        return result

    read = write = attempt


class DirectAttempts(Attempts):
    """The same with the optional methods of the contract."""

    def onto(self, items: list[Any], _: object) -> bool:
        result = self.attempt()
        if result:
            items.append(result)
        return bool(result)

    read_onto = write_onto = onto


@pytest.mark.parametrize("kind", [Attempts, DirectAttempts])
@pytest.mark.parametrize("failure", [None, SerialError(5, "failed")])
def test_the_attempts_of_the_blocking_port_are_told(kind: type[Attempts], failure: SerialError | None) -> None:
    heard: list[tuple[str, Any]] = []

    class Heard:
        lock = nullcontext()

        def begun(self, kind: str, value: object) -> None:
            raise NotImplementedError

        def done(self, kind: str, data: bytes = b"", value: object = None) -> None:
            heard.append((kind, data or value))

        def failed(self, kind: str, error: Exception) -> None:
            heard.append((f"not {kind}", error))

    audience = Heard()
    items: list[Any] = []
    counts: list[int] = []
    assert ObservedBackend(kind(b"abc"), audience).read_onto(items, 3)
    assert ObservedBackend(kind(2), audience).write_onto(counts, b"xyz")
    assert (items, counts) == ([b"abc"], [2])
    expected: list[tuple[str, Any]] = [("received", b"abc"), ("sent", b"xy")]
    attempts: list[Callable[[], bool]] = [
        lambda: ObservedBackend(kind(failure), audience).read_onto(items, 3),
        lambda: ObservedBackend(kind(failure), audience).write_onto(counts, b"xyz"),
    ]
    for attempt in attempts:
        if failure is None:
            assert not attempt()
        else:
            with pytest.raises(SerialError, match="failed"):
                attempt()
            expected.append(("not received" if len(expected) == 2 else "not sent", failure))
    assert heard == expected
    assert (items, counts) == ([b"abc"], [2])
