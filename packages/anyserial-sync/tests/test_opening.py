"""The blocking openers: their settings, the default timeout, what their errors show, and the constructor's."""

import contextlib
import inspect
import logging
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, assert_type

import anyserial
import anyserial_sync
import pytest
from anyserial.config import SerialConfig
from anyserial.discovery import PortInfo
from anyserial.exceptions import ConfigurationError, PortNotFoundError, SerialError
from anyserial.sync import SerialConnectable, SerialPort, open_serial_port
from anyserial_sync._misread_timeout import MisreadTimeout

type Rig = Any  # conftest's, which has no name to import it by

OURS = tuple(module.__path__[0] for module in (anyserial, anyserial_sync))
BOTH = SerialConfig(baudrate=9600, parity="even")


class Instrument(SerialPort):
    """A subclass opens as itself."""


def connect(path: Any, config: Any = None, *, timeout: Any = None, default_timeout: Any = None, **fields: Any) -> Any:
    connectable = SerialConnectable(path=path, config=config, **fields)
    return connectable.connect(timeout=timeout, default_timeout=default_timeout)


OPENERS: dict[str, Callable[..., Any]] = {
    "open_serial_port": open_serial_port,
    "SerialPort.open": SerialPort.open,
    "Instrument.open": Instrument.open,
    "SerialConnectable": connect,
}


@pytest.fixture(params=OPENERS)
def opener(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return OPENERS[request.param]


@pytest.fixture
def fresh(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A rig whose backend is unopened and the platform's driver; discovery is not installed."""
    rig.port.close()
    rig.backend.calls.clear()
    part = ModuleType("anyserial_posix")
    part.create_backend = lambda: rig.backend  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "anyserial_posix", part)
    monkeypatch.setitem(sys.modules, "anyserial_discovery", None)
    return rig


# A configuration, fields, or both


def test_every_opener_takes_a_configuration_or_fields_or_both(fresh: Rig, opener: Callable[..., Any]) -> None:
    def settings(*arguments: Any, **fields: Any) -> SerialConfig:
        with opener(fresh.backend.path, *arguments, **fields) as port:
            config: SerialConfig = port.config
        return config

    assert settings() == SerialConfig()
    assert settings(BOTH) == BOTH
    assert settings(baudrate=9600, parity="E") == BOTH
    assert settings(BOTH, baudrate=300) == BOTH.with_changes(baudrate=300)
    assert settings(None, baudrate=300, timeout=5) == SerialConfig(baudrate=300)
    assert not fresh.backend.is_open


WRONG: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ((None,), {}, TypeError, "path must be a str, a path or a PortInfo"),
    (("",), {}, ConfigurationError, "path must be the path of a serial port"),
    (("/dev/x", 9600), {}, TypeError, r"config must be a SerialConfig \(got 9600\); write baudrate=9600$"),
    (("/dev/x",), {"baudrate": 0}, ConfigurationError, "baudrate must be"),
    (("/dev/x", BOTH), {"baudrate": 0}, ConfigurationError, "baudrate must be"),
    (("/dev/x",), {"baud": 9600}, TypeError, "no field 'baud'; write baudrate"),
    (("/dev/x", BOTH), {"baud": 9600}, TypeError, "no field 'baud'; write baudrate"),
    (("/dev/x",), {"timeout": -1}, ValueError, "^timeout must be"),
    (("/dev/x",), {"default_timeout": -1}, ValueError, "^default_timeout must be"),
    (("/dev/x",), {"default_timeout": "1"}, TypeError, "^default_timeout must be"),
]


@pytest.mark.parametrize(("arguments", "fields", "error", "text"), WRONG)
def test_a_wrong_argument_is_refused_in_few_frames(  # noqa: PLR0917
    fresh: Rig, opener: Callable[..., Any], arguments: Any, fields: Any, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text) as caught:
        opener(*arguments, **fields)
    assert len(ours(caught.value)) <= 4
    assert is_unchained(caught.value)
    assert fresh.backend.calls == []


def test_what_the_type_checkers_see(fresh: Rig) -> None:
    path: str = fresh.backend.path
    with open_serial_port(path, BOTH, baudrate=300, timeout=5, default_timeout=1) as port:
        assert_type(port, SerialPort)
    with Instrument.open(path, stop_bits=2) as instrument:
        assert_type(instrument, Instrument)
    with SerialConnectable(path=Path(path), parity="N").connect(timeout=5) as port:
        assert_type(port, SerialPort)
        assert_type(port.default_timeout, float | None)
    # The ignored errors are the test: the type checkers complain where there is none.
    wrongs: tuple[Callable[[], object], ...] = (
        lambda: open_serial_port("/dev/x", baudrate="fast"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        lambda: open_serial_port("/dev/x", 9600),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        lambda: SerialPort("/dev/x", BOTH),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    )
    for wrong in wrongs:
        with pytest.raises((TypeError, ConfigurationError)):
            wrong()


# The constructor

CONSTRUCTED: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("/dev/x",), {}),
    (("/dev/x", SerialConfig()), {}),
    (("/dev/x", 9600), {}),
    (("/dev/x",), {"baudrate": 9600, "timeout": 1}),
    ((Path("/dev/x"),), {}),
    ((PortInfo(device="/dev/x"), SerialConfig()), {}),
    ((), {"port": "/dev/x"}),
]


@pytest.mark.parametrize(("arguments", "fields"), CONSTRUCTED)
def test_a_path_for_the_constructor_says_what_to_use(arguments: Any, fields: Any) -> None:
    for cls in (SerialPort, Instrument):
        with pytest.raises(
            TypeError, match=rf"use {cls.__name__}\.open\(\.\.\.\), as in \"with {cls.__name__}\.open\("
        ):
            cls(*arguments, **fields)


# The default timeout

CALLS: dict[str, Callable[[SerialPort], object]] = {
    "receive": lambda port: port.receive(),
    "receive_into": lambda port: port.receive_into(bytearray(9)),
    "receive_available": lambda port: port.receive_available(),
    "receive_with_time": lambda port: port.receive_with_time(),
    "receive_exactly": lambda port: port.receive_exactly(2),
    "receive_until": lambda port: port.receive_until(b"x", 9),
    "lines": lambda port: next(port.lines()),
    "iteration": lambda port: next(iter(port)),
    "send": lambda port: port.send(bytes(2**20)),
    "send_buffer": lambda port: port.send_buffer(bytearray(2**20)),
    "drain": lambda port: port.drain(),
    "wait_modem_change": lambda port: port.wait_modem_change(),
    "modem_changes": lambda port: next(port.modem_changes()),
}


@pytest.mark.parametrize("default", [0, 0.02])
@pytest.mark.parametrize("call", CALLS)
def test_the_default_timeout_limits_every_call_that_has_none_of_its_own(rig: Rig, call: str, default: float) -> None:
    rig.backend.queued = 1  # of output, which never leaves
    rig.port.default_timeout = default
    with pytest.raises(TimeoutError):
        CALLS[call](rig.port)
    assert rig.port.is_open


def test_every_call_with_a_timeout_is_tried_or_cannot_wait_in_the_rig() -> None:
    timed = {
        name for name, member in inspect.getmembers(SerialPort) if name[0] != "_" and "timeout" in _parameters(member)
    }
    at_once = {"configure", "control_lines", "line_counters", "modem_lines", "set_break", "set_control_lines"}
    at_once |= {"reset_input_buffer", "reset_output_buffer", "send_eof", "drain_exact", "send_break"}
    assert timed - {"open", "close"} == {*CALLS} - {"iteration"} | at_once


def _parameters(member: Any) -> set[str]:
    is_method = inspect.isfunction(member) or inspect.ismethod(member)
    return {*inspect.signature(member).parameters} if is_method else set()


@pytest.mark.parametrize("opener_", OPENERS)
def test_an_opener_sets_it_and_a_call_overrides_it(fresh: Rig, opener_: str) -> None:
    with OPENERS[opener_](fresh.backend.path, default_timeout=0.01) as port:
        assert port.default_timeout == 0.01
        with pytest.raises(TimeoutError):
            port.receive()
        threading.Timer(0.1, os.write, (fresh.master, b"late")).start()
        assert port.receive(timeout=float("inf")) == b"late"
        port.default_timeout = None
        threading.Timer(0.1, os.write, (fresh.master, b"later")).start()
        assert port.receive() == b"later"
        with pytest.raises(ValueError, match=r"^default_timeout must be"):
            port.default_timeout = -1
        assert port.default_timeout is None


def test_closing_has_a_limit_of_its_own(rig: Rig) -> None:
    rig.port.default_timeout = 0
    rig.backend.queued = 1
    with pytest.warns(RuntimeWarning, match="1 byte"):
        rig.port.close()  # after SerialConfig.close_timeout


# The hint about `open`'s timeout

HINT = r"a receive without a timeout waits without limit.*default_timeout=0\.02"
WAITING: dict[str, Callable[[SerialPort], object]] = {
    name: CALLS[name] for name in ("receive", "receive_into", "receive_exactly", "lines", "iteration")
}


def opened(path: str, **fields: Any) -> SerialPort:
    """Open with a timeout that a busy machine may exceed: then, once more."""
    for _ in range(100):
        with contextlib.suppress(TimeoutError):
            return SerialPort.open(path, **fields)
    return SerialPort.open(path, **fields)


def answered_later(rig: Rig, call: Callable[[SerialPort], object], port: SerialPort) -> None:
    """Let the answer come later than the hint would."""
    threading.Timer(0.1, os.write, (rig.master, b"x\n")).start()
    call(port)


@pytest.fixture
def told(fresh: Rig, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """The rig, whose device answers as soon as the hint has been given."""
    tell = MisreadTimeout.tell

    def then_answer(self: MisreadTimeout) -> None:
        tell(self)
        os.write(fresh.master, b"x\n")

    monkeypatch.setattr(MisreadTimeout, "tell", then_answer)
    return fresh


@pytest.mark.parametrize("call", WAITING)
def test_a_receive_that_outlasts_the_timeout_of_open_says_so_once_and_goes_on(told: Rig, call: str) -> None:
    with opened(told.backend.path, timeout=0.02) as port:
        with pytest.warns(RuntimeWarning, match=HINT) as caught:
            WAITING[call](port)
        assert [Path(warning.filename).name for warning in caught] == [Path(__file__).name]
        answered_later(told, WAITING[call], port)  # without a warning, which would be an error


def test_where_warnings_are_errors_a_log_record_says_it(told: Rig, caplog: pytest.LogCaptureFixture) -> None:
    with (
        opened(told.backend.path, timeout=0.02) as port,
        warnings.catch_warnings(),
        caplog.at_level(logging.WARNING, "anyserial"),
    ):
        warnings.simplefilter("error")
        assert port.receive() == b"x\n"
    assert "waits without limit" in caplog.text


def correct(port: SerialPort, rig: Rig, name: str) -> None:
    if name == "a timeout first":
        with pytest.raises(TimeoutError):
            port.receive(timeout=0.001)
    if name == "a timeout of each call":
        for _ in range(3):
            with pytest.raises(TimeoutError):
                port.receive(timeout=0.05)
    elif name == "an answer in time":
        for _ in range(3):
            rig.write(b"x")
            port.receive()
    elif name == "only sending":
        port.send(b"x")
        port.modem_lines()
    else:
        answered_later(rig, WAITING["receive"], port)


def test_a_port_that_waits_in_the_portal_says_so_too(queue_backend: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[MisreadTimeout] = []
    with open_serial_port("/dev/queue", backend=queue_backend, timeout=5) as port:
        port._watch_for_misread_timeout(0.02)  # less than the portal may take to open
        tell = MisreadTimeout.tell

        def then_answer(self: MisreadTimeout) -> None:
            told.append(self)
            tell(self)
            port.send(b"x")

        monkeypatch.setattr(MisreadTimeout, "tell", then_answer)
        with pytest.warns(RuntimeWarning, match=HINT):
            assert port.receive() == b"x"
        threading.Timer(0.1, port.send, (b"y",)).start()
        assert port.receive() == b"y"
        port._watch_for_misread_timeout(0.02)  # as after another open
        with pytest.raises(TimeoutError):
            port.receive(timeout=0.01)
        threading.Timer(0.1, port.send, (b"z",)).start()
        assert port.receive() == b"z"
    assert len(told) == 1


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"timeout": 0.02}, "a timeout first"),
        ({"timeout": 0.02}, "a timeout of each call"),
        ({"timeout": 0.02}, "an answer in time"),
        ({"timeout": 0.02}, "only sending"),
        ({"timeout": 0.02, "default_timeout": float("inf")}, "a long wait"),
        ({"timeout": float("inf")}, "a long wait"),
        ({"timeout": None}, "a long wait"),
        ({}, "a long wait"),
        ({"timeout": 30}, "a long wait"),
    ],
)
def test_correct_use_gets_no_hint(
    fresh: Rig, caplog: pytest.LogCaptureFixture, fields: dict[str, Any], name: str
) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with opened(fresh.backend.path, **fields) as port:
            correct(port, fresh, name)
    assert caught == []
    assert caplog.text == ""


# Tracebacks


def ours(error: BaseException) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(OURS)]


def is_unchained(error: BaseException) -> bool:
    return error.__cause__ is None and (error.__context__ is None or error.__suppress_context__)


def test_an_error_of_the_open_shows_few_frames_and_no_cause_that_adds_nothing(
    fresh: Rig, opener: Callable[..., Any]
) -> None:
    def fail(path: str, config: SerialConfig) -> None:
        raise PortNotFoundError(2, "nothing there", path) from FileNotFoundError(2, "No such file", path)

    fresh.backend.open = fail
    with pytest.raises(PortNotFoundError) as caught:
        opener("/dev/x")
    assert len(ours(caught.value)) <= 4
    assert ours(caught.value)[-1] == "_open"
    assert is_unchained(caught.value)


def test_a_cause_that_adds_something_is_kept(fresh: Rig) -> None:
    def fail(path: str, config: SerialConfig) -> None:
        raise SerialError(5, "failed", path) from ValueError("the reason")

    fresh.backend.open = fail
    with pytest.raises(SerialError) as caught:
        open_serial_port("/dev/x")
    assert isinstance(caught.value.__cause__, ValueError)


# Iterators go on after an error


def test_lines_go_on_after_a_timeout_and_lose_nothing(rig: Rig) -> None:
    lines = rig.port.lines(timeout=0.02)
    rig.write(b"one\ntw")
    assert next(lines) == b"one\n"
    for _ in range(2):
        with pytest.raises(TimeoutError):
            next(lines)
    rig.write(b"o\nthree\n")
    assert [next(lines), next(lines)] == [b"two\n", b"three\n"]
    rig.port.default_timeout = 0
    plain = iter(rig.port)
    with pytest.raises(TimeoutError):
        next(plain)
    rig.write(b"four\n")
    assert next(plain) == b"four\n"


def test_wrong_arguments_of_an_iterator_are_refused_where_it_is_made(rig: Rig) -> None:
    calls: tuple[tuple[Callable[[], object], str], ...] = (
        (lambda: rig.port.lines(timeout=-1), "timeout must be"),
        (lambda: rig.port.lines(max_bytes=0), "max_bytes must be"),
        (lambda: rig.port.modem_changes(timeout=-1), "timeout must be"),
        (lambda: rig.port.modem_changes(interval=0), "interval must be"),
    )
    for call, text in calls:
        with pytest.raises(ValueError, match=text):
            call()


def test_modem_changes_go_on_after_a_timeout_and_miss_nothing(rig: Rig) -> None:
    rig.backend.counts = {"cts": 0}
    changes = rig.port.modem_changes(interval=0.001, timeout=0.02)
    with pytest.raises(TimeoutError):
        next(changes)
    rig.backend.counts = {"cts": 2}  # a pulse while nobody looks
    assert next(changes) == rig.backend.lines
    with pytest.raises(TimeoutError):
        next(changes)
