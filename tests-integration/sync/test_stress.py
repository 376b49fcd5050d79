"""Eight threads on eight ports, with random timeouts, cancellations and closes; every byte accounted for.

With ANYSERIAL_STRESS=full, as the gate's stress step sets it, it is a million operations;
the default keeps a test run short.
"""

import os
import random
import select
import threading
import tty
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

from anyserial import SerialCancelledError, SerialClosedError
from anyserial.sync import SerialPort

THREADS = 8
OPERATIONS = 1_000_000 if os.environ.get("ANYSERIAL_STRESS") == "full" else 16_000
PERIOD = 251
PATTERN = bytes(range(PERIOD)) * 40
AHEAD = 2000  # bytes that the far end sends before they are received


class Peer(threading.Thread):
    """The far end of one pty: checks what comes, keeps sending, counts both."""

    def __init__(self, master: int) -> None:
        super().__init__()
        os.set_blocking(master, False)
        self.master = master
        self.came = self.went = self.received = 0
        self.damaged = self.stopping = False

    def run(self) -> None:
        poller = select.poll()
        while not self.stopping:
            more = self.went < self.received + AHEAD
            poller.register(self.master, select.POLLIN | (select.POLLOUT if more else 0))
            for _, events in poller.poll(5):
                if events & select.POLLIN:
                    data = os.read(self.master, 65536)
                    self.damaged |= data != _pattern(self.came, len(data))
                    self.came += len(data)
                if events & select.POLLOUT:
                    self.went += os.write(self.master, _pattern(self.went, 128))


def _pattern(offset: int, length: int) -> bytes:
    start = offset % PERIOD
    return (PATTERN * (1 + (start + length) // len(PATTERN)))[start : start + length]


class Worker:
    """One thread's port, opened again and again."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311  # not a secret
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        self.peer = Peer(self.master)
        self.sent = self.received = self.operations = 0
        self.outcomes: dict[str, int] = {}

    def run(self) -> dict[str, int]:
        self.peer.start()
        try:
            while self.operations < OPERATIONS // THREADS:
                self.one_port()
            deadline = monotonic() + 10
            while self.peer.came < self.sent:
                assert monotonic() < deadline, (self.peer.came, self.sent)
        finally:
            self.peer.stopping = True
            self.peer.join()
            os.close(self.master)
            os.close(self.slave)
        assert self.peer.came == self.sent
        assert not self.peer.damaged
        return self.outcomes

    def one_port(self) -> None:
        port = SerialPort.open(os.ttyname(self.slave))
        sent_before, received_before = self.sent, self.received
        # What a timeout leaves in the port's own queue goes with the port when another thread closes it.
        closes = self.random.random() < 0.5
        stop = threading.Event()
        disturbing = threading.Thread(target=_disturb, args=(port, stop, self.random.random(), closes))
        disturbing.start()
        try:
            for _ in range(self.random.randrange(50, 400)):
                self.operations += 1
                outcome = self.one_call(port, simple=closes)
                self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
                self.sent = sent_before + port.statistics.bytes_sent
                self.peer.received = self.received
                if outcome == "closed":
                    break
        finally:
            stop.set()
            disturbing.join()
        while port._pushback:
            self.take(port.receive())
        port.close()
        self.sent = sent_before + port.statistics.bytes_sent
        assert self.received == received_before + port.statistics.bytes_received

    def one_call(self, port: SerialPort, *, simple: bool) -> str:
        timeout = self.random.choice((None, 0, 0.0005, 0.01))
        call = self.random.randrange(4 if simple else 6)
        try:
            if call < 2:
                port.send(_pattern(self.sent, self.random.randrange(1, 6000)), timeout=timeout)
            elif call == 2:
                self.take(port.receive(self.random.randrange(1, 3000), timeout=timeout))
            elif call == 3:
                buffer = bytearray(self.random.randrange(1, 3000))
                self.take(bytes(buffer[: port.receive_into(buffer, timeout=timeout)]))
            elif call == 4:
                self.take(port.receive_exactly(self.random.randrange(1, AHEAD // 2), timeout=timeout))
            else:
                self.take(port.receive_until(b"\n", PERIOD, timeout=timeout) + b"\n")
        except TimeoutError:
            return "timeout"
        except SerialCancelledError:
            return "cancelled"
        except SerialClosedError:
            return "closed"
        return "done"

    def take(self, data: bytes) -> None:
        assert data == _pattern(self.received, len(data))
        self.received += len(data)


def _disturb(port: SerialPort, stop: threading.Event, seed: float, closes: bool) -> None:
    rng = random.Random(seed)  # noqa: S311  # not a secret
    for _ in range(rng.randrange(1, 200)):
        if stop.wait(rng.random() * 0.001):
            return
        rng.choice((port.cancel_receive, port.cancel_send))()
    if closes:
        port.close()


def test_every_byte_is_accounted_for() -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        outcomes = list(pool.map(Worker.run, map(Worker, range(THREADS))))
    for outcome in ("done", "timeout", "cancelled", "closed"):
        assert sum(counts.get(outcome, 0) for counts in outcomes) > 0, outcome
