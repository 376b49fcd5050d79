"""`anyserial.sync.share`: one blocking port, several threads, each with a link of its own. And taps on it."""

import os
import select
import signal
import threading
import time
import tty
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import anyio
import pytest
from anyio.streams.file import FileStreamAttribute
from anyserial import SerialClosedError, SerialDisconnectedError, SerialError, SerialPort, SerialStreamAttribute
from anyserial.sync import PortLink, SharedPort, share
from anyserial.tap import InputLostError, Tap, TapEvent

LIMIT = 5.0  # seconds, for what must happen


@pytest.fixture
def shared(rig: Any) -> SharedPort:
    return share(rig.port, capacity=8)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    pool = ThreadPoolExecutor(8)
    yield pool
    pool.shutdown(wait=False)  # what still waits ends with its port


def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread does, which has no event to wait for."""
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def waiting(shared: SharedPort, threads: ThreadPoolExecutor, *links: PortLink) -> list[Future[bytes]]:
    """Have every link receive in a thread; the first one reads for all, once this returns."""
    futures: list[Future[bytes]] = []
    for link in links:
        futures.append(threads.submit(link.receive))
        until(lambda: "receiver" in shared.port._port.lifecycle.turns)
    until(lambda: len(shared._changed._waiters) == len(links) - 1)  # type: ignore[attr-defined]
    return futures


def test_every_link_receives_everything(rig: Any, shared: SharedPort) -> None:
    one, two = shared.link(), shared.link()
    rig.write(b"abc")
    assert one.receive(2, timeout=LIMIT) == b"ab"
    assert two.receive(timeout=0) == b"abc"
    assert one.receive(timeout=0) == b"c"
    late = shared.link()
    rig.write(b"d")
    assert [link.receive(timeout=0) for link in (late, two, one)] == [b"d"] * 3


def test_threads_that_wait_get_one_read(rig: Any, shared: SharedPort, threads: ThreadPoolExecutor) -> None:
    futures = waiting(shared, threads, *(shared.link() for _ in range(5)))
    os.write(rig.master, b"x")
    assert [future.result(LIMIT) for future in futures] == [b"x"] * 5


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_a_timeout_leaves_everything_usable(
    rig: Any, shared: SharedPort, threads: ThreadPoolExecutor, timeout: float
) -> None:
    one, two = shared.link(), shared.link()
    with pytest.raises(TimeoutError):
        one.receive(timeout=timeout)
    (future,) = waiting(shared, threads, one)
    with pytest.raises(TimeoutError, match="nothing was received"):
        two.receive(timeout=timeout)
    os.write(rig.master, b"x")
    assert future.result(LIMIT) == b"x"
    assert two.receive(timeout=0) == b"x"


def test_another_thread_reads_on_when_the_reader_times_out(
    rig: Any, shared: SharedPort, threads: ThreadPoolExecutor
) -> None:
    one, two = shared.link(), shared.link()
    first = threads.submit(one.receive, timeout=0.2)
    until(lambda: "receiver" in shared.port._port.lifecycle.turns)
    second = threads.submit(two.receive)
    assert isinstance(first.exception(LIMIT), TimeoutError)
    until(lambda: shared._reading is not None and shared._reading[0] is two)
    os.write(rig.master, b"x")
    assert second.result(LIMIT) == b"x"


def test_a_slow_link_loses_the_oldest_and_is_told(rig: Any, shared: SharedPort) -> None:
    fast, slow = shared.link(), shared.link()
    for piece in (b"abcdef", b"ghijkl", b"m"):
        rig.write(piece)
        assert fast.receive(timeout=LIMIT) == piece
    with pytest.raises(InputLostError, match="5 bytes were dropped") as caught:
        slow.receive()
    assert caught.value.missed == 5
    assert slow.receive(timeout=0) == b"fghijklm"


@pytest.mark.parametrize("closed", [0, 1])
def test_closing_a_link_ends_its_receive_and_no_other(
    rig: Any, shared: SharedPort, threads: ThreadPoolExecutor, closed: int
) -> None:
    links = [shared.link(), shared.link()]
    futures = waiting(shared, threads, *links)
    links[closed].close()
    assert isinstance(futures[closed].exception(LIMIT), SerialClosedError)
    os.write(rig.master, b"x")
    assert futures[1 - closed].result(LIMIT) == b"x"
    for call in (links[closed].receive, lambda: links[closed].send(b"x"), links[closed].send_eof):
        with pytest.raises(SerialClosedError, match="make another one"):
            call()
    links[closed].close()
    assert shared.port.is_open


def test_a_signal_handler_may_close_the_link_that_it_interrupts(rig: Any, shared: SharedPort) -> None:
    link = shared.link()
    me = threading.get_ident()

    def interrupt() -> None:
        until(lambda: "receiver" in shared.port._port.lifecycle.turns)
        signal.pthread_kill(me, signal.SIGUSR1)

    def close(_number: int, _frame: object) -> None:
        link.close()

    before = signal.signal(signal.SIGUSR1, close)
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(SerialClosedError):
            link.receive(timeout=LIMIT)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize(("end", "error"), [("hang up", SerialDisconnectedError), ("close", SerialClosedError)])
def test_the_end_of_the_port_reaches_every_link_after_its_bytes(
    rig: Any, shared: SharedPort, threads: ThreadPoolExecutor, end: str, error: type[SerialError]
) -> None:
    slow, links = shared.link(), [shared.link() for _ in range(3)]
    rig.write(b"last")
    assert [link.receive(timeout=LIMIT) for link in links] == [b"last"] * 3
    futures = waiting(shared, threads, *links)
    if end == "close":
        shared.close()
    else:
        rig.hang_up()
    assert [type(future.exception(LIMIT)) for future in futures] == [error] * 3
    assert slow.receive() == b"last"
    with pytest.raises(error):
        slow.receive()
    shared.close()


def test_one_sends_at_a_time_in_the_order_of_asking(rig: Any, shared: SharedPort, threads: ThreadPoolExecutor) -> None:
    links = [shared.link(), shared.link()]
    pieces = [bytes(100_000), *(bytes([number]) * 9000 for number in range(1, 6))]  # a pty does not take the first
    for number, piece in enumerate(pieces):
        threads.submit(links[number % 2].send, piece)
        until(lambda: len(shared._senders) == number + 1)  # noqa: B023
    got = b""
    while len(got) < 145_000:
        assert select.select([rig.master], [], [], LIMIT)[0]
        got += os.read(rig.master, 65536)
    assert got == b"".join(pieces)


def test_a_send_whose_turn_does_not_come_sends_nothing(
    rig: Any, shared: SharedPort, threads: ThreadPoolExecutor
) -> None:
    one, two, three = (shared.link() for _ in range(3))
    first = threads.submit(one.send, bytes(100_000))
    until(lambda: shared.port.statistics.bytes_sent)
    with pytest.raises(TimeoutError, match="nothing was sent"):
        two.send(b"never", timeout=0.01)
    closed = threads.submit(three.send, b"never")
    until(lambda: len(shared._senders) == 2)
    three.close()
    assert isinstance(closed.exception(LIMIT), SerialClosedError)
    shared.cancel_send(two)  # does nothing: two is not sending
    shared.cancel_send(one)
    assert isinstance(first.exception(LIMIT), SerialError)
    assert not shared._senders


def test_a_cancellation_that_is_meant_for_nobody_is_ignored(
    rig: Any, shared: SharedPort, threads: ThreadPoolExecutor
) -> None:
    (future,) = waiting(shared, threads, shared.link())
    shared.port.cancel_receive()
    os.write(rig.master, b"x")
    assert future.result(LIMIT) == b"x"


def test_a_second_receive_on_a_link_is_refused(rig: Any, shared: SharedPort, threads: ThreadPoolExecutor) -> None:
    link = shared.link()
    (future,) = waiting(shared, threads, link)
    with pytest.raises(anyio.BusyResourceError, match="this link"):
        link.receive()
    os.write(rig.master, b"x")
    assert future.result(LIMIT) == b"x"


def test_an_interruption_between_the_read_and_the_log_loses_nothing(
    shared: SharedPort, rig: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = shared.link()
    append, left = shared._log.append, [KeyboardInterrupt]

    def interrupted(item: Any) -> None:
        if left:
            raise left.pop()
        append(item)

    monkeypatch.setattr(shared._log, "append", interrupted)
    rig.write(b"x")
    with pytest.raises(KeyboardInterrupt):
        link.receive()
    assert shared._reading is None
    assert link.receive(timeout=0) == b"x"


def test_the_face(rig: Any, shared: SharedPort) -> None:
    with shared as same, same.link() as link:
        assert link.extra(SerialStreamAttribute.config) is shared.port.config
        assert link.extra(FileStreamAttribute.fileno, None) is None
        link.send_eof(timeout=LIMIT)
        assert "PortLink" in repr(link)
        assert "SharedPort of <" in repr(shared)
    assert "closed>" in repr(link)
    assert not shared.port.is_open


def test_what_cannot_be_shared_is_refused(rig: Any) -> None:
    with pytest.raises(TypeError, match=r"anyserial\.tap\.share"):
        share(SerialPort)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="capacity must be"):
        share(rig.port, capacity=0)


@pytest.mark.parametrize("kind", ["rig", "exact_rig"])
def test_a_tap_sees_a_blocking_port(kind: str, request: pytest.FixtureRequest) -> None:
    rig = request.getfixturevalue(kind)
    events: list[TapEvent] = []
    with Tap(rig.port, events.append):
        rig.write(b"one")
        assert rig.port.receive(timeout=LIMIT) == b"one"
        rig.write(b"two\n")
        assert rig.port.receive_until(b"\n", 9, timeout=LIMIT) == b"two"
        rig.port.send(b"three")
        rig.port.set_break(True)
    rig.port.send(b"unseen")
    assert [(event.kind, event.data or event.value) for event in events] == [
        ("received", b"one"),
        ("received", b"two\n"),
        ("sent", b"three"),
        ("break", True),
    ]


def test_a_tap_sees_a_blocking_port_that_waits_already(exact_rig: Any, threads: ThreadPoolExecutor) -> None:
    events: list[TapEvent] = []
    future = threads.submit(exact_rig.port.receive)
    until(lambda: "receiver" in exact_rig.port._port.lifecycle.turns)
    Tap(exact_rig.port, events.append)
    os.write(exact_rig.master, b"x")
    assert future.result(LIMIT) == b"x"
    assert [event.data for event in events] == [b"x"]


def test_a_tap_sees_a_blocking_port_on_a_backend_that_waits_by_itself(queue_backend: Any) -> None:
    from anyserial.sync import open_serial_port  # noqa: PLC0415

    events: list[TapEvent] = []
    with open_serial_port("/dev/queue", backend=queue_backend) as port:
        port.send(b"before")
        assert port.receive(timeout=LIMIT) == b"before"
        Tap(port, events.append)
        port.send(b"x")
        assert port.receive(timeout=LIMIT) == b"x"
    assert [(event.kind, event.data) for event in events][:2] == [("sent", b"x"), ("received", b"x")]


class Pty:
    """A pty whose program side the test holds."""

    def __init__(self) -> None:
        self.device, self.program = os.openpty()
        tty.setraw(self.program)
        os.set_blocking(self.device, False)
        self.path = os.ttyname(self.program)
        self.is_full = False
        self.discarded = 0

    def fileno(self) -> int:
        return self.device

    def read(self, max_bytes: int) -> bytes | None:
        try:
            return os.read(self.device, max_bytes)
        except BlockingIOError:
            return None

    def write(self, data: memoryview) -> int | None:
        if self.is_full:
            time.sleep(0.001)  # a pty that is full is not writable, and this one is
            return None
        return os.write(self.device, data)

    def discard_unread(self) -> None:
        self.discarded += 1

    def close(self) -> None:
        os.close(self.device)
        os.close(self.program)

    def until_read(self, end: bytes) -> bytes:
        got = b""
        while not got.endswith(end):
            assert select.select([self.program], [], [], LIMIT)[0], got
            got += os.read(self.program, 65536)
        return got


@pytest.fixture
def pty(monkeypatch: pytest.MonkeyPatch) -> Pty:
    made = Pty()

    def load_part(_name: str) -> Any:
        return SimpleNamespace(create_pty=lambda: made)

    monkeypatch.setattr("anyserial._drivers.load_part", load_part)
    return made


def test_a_program_on_a_pty_sees_what_is_received_and_sends(rig: Any, shared: SharedPort, pty: Pty) -> None:
    link = shared.link()
    with shared.pty() as path:
        assert path == pty.path
        os.write(rig.master, b"seen")
        assert pty.until_read(b"seen") == b"seen"
        assert link.receive(timeout=LIMIT) == b"seen"
        os.write(pty.program, b"from a program")
        assert select.select([rig.master], [], [], LIMIT)[0]
        assert os.read(rig.master, 100) == b"from a program"
    assert shared.port.is_open
    assert not [thread for thread in threading.enumerate() if thread.name == "anyserial pty"]


def test_the_port_is_read_even_if_no_program_reads_the_pty(rig: Any, shared: SharedPort, pty: Pty) -> None:
    pty.is_full = True
    with shared.pty():
        for number in range(10):
            os.write(rig.master, b"%03d" % number)
            until(lambda: shared.port.statistics.bytes_received == (number + 1) * 3)  # noqa: B023
        pty.is_full = False
        got = pty.until_read(b"009")
    assert got.endswith(b"07008009")
    assert len(got) < 30
    assert pty.discarded == 1


def test_the_block_ends_though_the_pty_is_full_and_the_port_takes_nothing(
    rig: Any, shared: SharedPort, pty: Pty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anyserial_sync._linked_pty.PATIENCE", 0.05)
    pty.is_full = True
    with shared.pty():
        while (before := shared.port.statistics.bytes_sent) < 4096 or shared._senders:
            if select.select([], [pty.program], [], 0)[1]:
                os.write(pty.program, bytes(1024))
            if shared._senders and shared.port.statistics.bytes_sent == before > 0:
                break
        os.write(rig.master, b"unread")
    assert not shared._senders


@pytest.mark.parametrize("end", ["hang up", "close"])
def test_a_pty_outlives_its_port_quietly(rig: Any, shared: SharedPort, pty: Pty, end: str) -> None:
    with shared.pty():
        if end == "close":
            shared.close()
        else:
            rig.hang_up()
        until(lambda: sum(thread.name == "anyserial pty" for thread in threading.enumerate()) == 1)
        os.write(pty.program, b"x")
        until(lambda: sum(thread.name == "anyserial pty" for thread in threading.enumerate()) == 0)
    with pytest.raises(SerialError), shared.pty():
        pass
