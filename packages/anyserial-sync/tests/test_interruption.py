"""A blocking call that is interrupted at any instruction: nothing is lost, held, or left behind.

Two ways. Tracing raises at the n-th instruction of our own code, for every n: it finds each hole, and more than
a signal could reach. Real signals raise at random moments.
"""

import dis
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from types import CodeType, FunctionType
from typing import Any, Self
from weakref import ref

import pytest
from anyserial import _workers
from anyserial.config import SerialConfig
from anyserial_sync import SerialPort, open_serial_port
from anyserial_sync._pyserial._link import Link
from anyserial_sync._pyserial._serial import Serial

# An interruption of a finalizer, or of a generator that is let go of, is reported so and goes no further.
pytestmark = pytest.mark.filterwarnings("ignore:Exception ignored (in|while).*:pytest.PytestUnraisableExceptionWarning")

type Rig = Any  # conftest's, which has no name to import it by

OURS = f"{os.sep}anyserial{os.sep}", f"{os.sep}anyserial_sync{os.sep}"
# These never raise, and no signal comes there: locals, jumps, results, and what surrounds a handler.
CALM = frozenset(
    (
        *("NOP", "RESUME", "COPY", "SWAP", "POP_TOP", "END_FOR", "EXTENDED_ARG", "CACHE", "PUSH_NULL"),
        *("RETURN_VALUE", "RETURN_CONST", "YIELD_VALUE", "RETURN_GENERATOR"),
        *("PUSH_EXC_INFO", "POP_EXCEPT", "RERAISE", "CHECK_EXC_MATCH", "END_SEND"),
        *("JUMP_FORWARD", "JUMP_BACKWARD_NO_INTERRUPT", "POP_JUMP_IF_NONE", "POP_JUMP_IF_NOT_NONE"),
        *("POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE", "LOAD_FAST", "LOAD_FAST_LOAD_FAST", "LOAD_FAST_AND_CLEAR"),
        *("STORE_FAST", "STORE_FAST_STORE_FAST", "STORE_FAST_LOAD_FAST", "LOAD_CONST", "IS_OP", "COPY_FREE_VARS"),
        # Python 3.14's
        *("LOAD_FAST_BORROW", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "LOAD_SMALL_INT", "LOAD_COMMON_CONSTANT"),
        *("NOT_TAKEN", "POP_ITER"),
    )
)
EVENTS = sys.monitoring.events
TOOL = 4  # none of the ids that sys.monitoring has names for
FULL = os.environ.get("ANYSERIAL_STRESS") == "full"
MANY = 40_000  # bytes: more than a pty takes


def _code_of(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _code_of(constant)


class Interrupter:
    """Raises *error* at the n-th chance in anyserial's own code on this thread.

    A chance is an instruction that may raise, and is not made then (memory, recursion), or else a moment at
    which Python runs signal handlers: a function begins, or a call of C is over and its result is lost. By
    sys.monitoring: sys.settrace does not see every instruction of code that runs already.
    """

    def __init__(self, *, signals: bool, error: type[BaseException]) -> None:
        self.left = 0
        self.error = error
        self.where = "nowhere"
        self._thread = threading.get_ident()
        self._ours = {
            code
            for function in gc.get_objects()
            if isinstance(function, FunctionType) and any(part in function.__code__.co_filename for part in OURS)
            for code in _code_of(function.__code__)
        }
        self._callbacks: dict[int, Callable[..., object]] = {EVENTS.INSTRUCTION: self._on_instruction}
        self._local = EVENTS.INSTRUCTION
        if signals:
            self._callbacks = {
                EVENTS.C_RETURN: self._count,
                EVENTS.PY_START: self._count,
                EVENTS.PY_RESUME: self._count,
            }
            self._local = EVENTS.CALL | EVENTS.PY_START | EVENTS.PY_RESUME

    def __enter__(self) -> Self:
        sys.monitoring.use_tool_id(TOOL, "interrupter")
        for event, callback in self._callbacks.items():
            sys.monitoring.register_callback(TOOL, event, callback)
        for code in self._ours:
            sys.monitoring.set_local_events(TOOL, code, self._local)
        gc.disable()  # a finalizer would count too
        return self

    def __exit__(self, *_: object) -> None:
        gc.enable()
        for code in self._ours:
            sys.monitoring.set_local_events(TOOL, code, 0)
        for event in self._callbacks:
            sys.monitoring.register_callback(TOOL, event, None)
        sys.monitoring.free_tool_id(TOOL)

    def _on_instruction(self, code: CodeType, offset: int) -> None:
        if self.left and dis.opname[code.co_code[offset]] not in CALM:
            self._count(code, offset)

    def _count(self, code: CodeType, offset: int, *_: object) -> None:
        if not self.left or threading.get_ident() != self._thread:
            return
        self.left -= 1
        if not self.left:
            self.where = f"{code.co_qualname}+{offset}"
            raise self.error


def interrupted_everywhere(
    prepare: Callable[[], Callable[[], object]],
    check: Callable[[str], object],
    *,
    signals: bool,
    error: type[BaseException] = KeyboardInterrupt,
    step: int = 1,
) -> None:
    """Interrupt what *prepare* returns at every chance in turn, or at each *step*-th, and *check* after each."""
    at = 1
    with Interrupter(signals=signals, error=error) as interrupter:
        while True:
            call = prepare()
            try:
                interrupter.left = at
                call()
            except (error, TimeoutError):
                pass
            finally:
                over, interrupter.left = interrupter.left > 0, 0
            check(f"{at}: {interrupter.where}")
            if over:
                return
            at += step


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0)


def quiet(rig: Rig, where: str) -> None:
    """Check that nobody uses the port, once the workers have done what they have in hand."""
    lifecycle = rig.port._lifecycle
    until(lambda: lifecycle.is_idle, f"{where}: {lifecycle.turns} {lifecycle.calls}")


WAYS: dict[str, dict[str, Any]] = {
    "instructions": {"signals": False},
    "signals": {"signals": True},
    "memory": {"signals": False, "error": MemoryError},
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Where a call is interrupted, and with what."""
    return WAYS[request.param]


@pytest.fixture
def warm(rig: Rig) -> Rig:
    """A port that has been used, so that imports and wake-ups are made."""
    rig.write(b"x")
    rig.port.receive()
    rig.port.modem_lines()
    return rig


@pytest.fixture
def rig(exact_rig: Rig) -> Rig:
    return exact_rig


class Account:
    """Bytes that were sent to the port, and those that came out of it, in order."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.sent = bytearray()
        self.received = bytearray()
        self.count = 0

    def feed(self, tail: bytes = b"") -> None:
        self.count += 1
        data = b"%06d" % self.count + tail
        self.sent += data
        self.rig.write(data)

    def settle(self, where: str) -> None:
        quiet(self.rig, where)
        with suppress(TimeoutError):
            while True:
                self.received += self.rig.port.receive(timeout=0)
        assert self.received == self.sent, where
        assert self.rig.port.statistics.bytes_received == len(self.sent), where
        self.sent.clear()
        self.received.clear()
        self.rig.port._port.bytes_received = 0


def receive(account: Account) -> None:
    account.received += account.rig.port.receive(4)


def receive_into(account: Account) -> None:
    buffer = bytearray(4)
    count = account.rig.port.receive_into(buffer)
    account.received += buffer[:count]


def receive_exactly(account: Account) -> None:
    account.received += account.rig.port.receive_exactly(3)


def receive_until(account: Account) -> None:
    account.received += account.rig.port.receive_until(b";", 100) + b";"


def lines(account: Account) -> None:
    account.received += next(account.rig.port.lines())


def receive_polled(account: Account) -> None:
    account.received += account.rig.port.receive(timeout=0)


def receive_too_long(account: Account) -> None:
    account.rig.port.receive_exactly(100, timeout=0.0001)


RECEIVING = [receive, receive_into, receive_exactly, receive_until, lines, receive_polled, receive_too_long]


@pytest.mark.parametrize("call", RECEIVING)
def test_a_receive_loses_and_doubles_nothing(warm: Rig, way: dict[str, Any], call: Callable[[Account], None]) -> None:
    account = Account(warm)
    warm.port._port.bytes_received = 0

    def prepare() -> Callable[[], object]:
        account.feed(b";\n")
        return lambda: call(account)

    interrupted_everywhere(prepare, account.settle, **way)


READS: tuple[Callable[[Serial], bytes], ...] = (
    lambda port: port.read(4),
    lambda port: port.read(12),
    lambda port: port.readline(),
    lambda port: port.read_until(b";"),
    lambda port: port.read_until(size=5),
)


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize("timeout", [0.001, 0] if FULL else [0.001])
def test_a_read_of_pyserial_loses_and_doubles_nothing(
    warm: Rig, way: dict[str, Any], read: Callable[[Serial], bytes], timeout: float
) -> None:
    warm.port.__class__ = Link
    port = Serial()
    port._open_link, port.is_open = warm.port, True
    port.timeout = timeout
    account = Account(warm)

    def prepare() -> Callable[[], object]:
        account.feed(b";\n")
        return lambda: account.received.extend(read(port))

    def check(where: str) -> None:
        warm.port._port.bytes_received = len(account.received)
        account.settle(where)

    interrupted_everywhere(prepare, check, **way, step=1 if FULL else 3)
    port._open_link = None


def test_a_query_holds_nothing(warm: Rig, way: dict[str, Any]) -> None:
    interrupted_everywhere(lambda: warm.port.input_waiting, lambda where: quiet(warm, where), **way)


def test_a_send_counts_what_it_sent(warm: Rig, way: dict[str, Any]) -> None:
    port = warm.port
    os.set_blocking(warm.master, False)
    start = 0

    def prepare() -> Callable[[], object]:
        nonlocal start
        start = port.statistics.bytes_sent
        return lambda: port.send(b"12345")

    def check(where: str) -> None:
        quiet(warm, where)
        got = b""
        with suppress(BlockingIOError):
            got = os.read(warm.master, 100)
        assert port.statistics.bytes_sent - start == len(got), where

    interrupted_everywhere(prepare, check, **way)


def test_a_send_that_does_not_fit_counts_what_it_sent(warm: Rig, way: dict[str, Any]) -> None:
    port = warm.port
    os.set_blocking(warm.master, False)
    start = 0

    def prepare() -> Callable[[], object]:
        nonlocal start
        start = port.statistics.bytes_sent
        return lambda: port.send(bytes(MANY), timeout=0.0001)

    def check(where: str) -> None:
        quiet(warm, where)
        got = 0
        try:
            while True:
                got += len(os.read(warm.master, 65536))
        except BlockingIOError:
            pass
        assert port.statistics.bytes_sent - start == got, where

    interrupted_everywhere(prepare, check, **way)


OPERATIONS: dict[str, Callable[[Any], object]] = {
    "configure": lambda port: port.configure(port.config),
    "drain": lambda port: port.drain(),
    "drain that takes too long": lambda port: port.drain(timeout=0.0001),
    "send_break": lambda port: port.send_break(0.0001),
    "modem_lines": lambda port: port.modem_lines(),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_leaves_nothing_behind(warm: Rig, way: dict[str, Any], name: str) -> None:
    if "long" in name:
        warm.backend.queued = 1

    def prepare() -> Callable[[], object]:
        warm.backend.calls.clear()
        return lambda: OPERATIONS[name](warm.port)

    def check(where: str) -> None:
        quiet(warm, where)
        if ("set_break", True) in warm.backend.calls:
            assert warm.backend.calls[-1] == ("set_break", False), where
        warm.port.modem_lines()

    interrupted_everywhere(prepare, check, **way)
    warm.backend.queued = 0


def test_a_close_is_finished_by_the_next(exact_rig: Rig, way: dict[str, Any]) -> None:
    ports: list[Any] = []
    master, slave = os.openpty()
    path = os.ttyname(slave)

    def prepare() -> Callable[[], object]:
        backend = type(exact_rig.backend)()
        backend.open(path, SerialConfig())
        port = SerialPort(backend, SerialConfig(close_timeout=0.2))
        ports.append((port, backend))
        return port.close

    def check(where: str) -> None:
        port, backend = ports.pop()
        start = time.monotonic()
        port.close()
        assert not backend.is_open, where
        assert backend.calls.count(("close",)) == 1, where
        assert time.monotonic() - start < 1, where

    try:
        interrupted_everywhere(prepare, check, **way)
    finally:
        os.close(master)
        os.close(slave)
    until(lambda: _workers._the_pool().holders == {ref(exact_rig.port._lifecycle.hold)}, "held")


def test_an_open_leaves_nothing_open(exact_rig: Rig, way: dict[str, Any]) -> None:
    master, slave = os.openpty()
    path = os.ttyname(slave)
    backend: Any = None
    opened: list[SerialPort] = []

    def prepare() -> Callable[[], object]:
        nonlocal backend
        backend = type(exact_rig.backend)()
        opened.clear()
        return lambda: opened.append(open_serial_port(path, SerialConfig(close_timeout=1), backend=backend))

    def check(where: str) -> None:
        for port in opened:
            port.close()
        if backend.is_open:
            until(lambda: not backend.is_open, where)
        assert backend.calls.count(("close",)) == backend.calls.count(("open",)), where
        pool = _workers._the_pool()
        # What was only half made is the collector's.
        held = {ref(exact_rig.port._lifecycle.hold)}
        until(lambda: pool.holders == held or gc.collect() < 0, where)

    try:
        interrupted_everywhere(prepare, check, **way, step=1 if FULL else 3 if way["signals"] else 11)
    finally:
        os.close(master)
        os.close(slave)
