"""Frames over a blocking port: the same framings and exchanges as in the async face, with timeouts and threads."""

import inspect
import os
import select
import threading
import time
from collections.abc import Callable
from typing import Any

import anyio
import anyserial.framing
import pytest
from anyserial.exceptions import SerialClosedError, SerialDisconnectedError
from anyserial.framing import Delimited, FrameCutOff, FrameDamaged, FrameTooLong, Silence
from anyserial.sync import FramedStream

PATIENCE = 5


class Device:
    """Answers each request at the far end, in a thread."""

    def __init__(self, master: int, answer: Callable[[bytes], bytes]) -> None:
        self._master, self._answer = master, answer
        self.requests: list[bytes] = []
        self._stop, self._stopped = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:

        while True:
            ready, _, _ = select.select([self._master, self._stop], [], [])
            if self._stop in ready:
                return
            for request in os.read(self._master, 4096).splitlines():
                self.requests.append(request)
                os.write(self._master, self._answer(request))

    def stop(self) -> None:
        os.write(self._stopped, b"x")
        self._thread.join(PATIENCE)
        os.close(self._stop)
        os.close(self._stopped)


def test_frames_come_one_by_one(rig: Any) -> None:
    framed = FramedStream(rig.port, Delimited(b"\n"))
    rig.write(b"one\ntwo\nthr")
    assert [framed.receive(timeout=PATIENCE), framed.receive(timeout=0)] == [b"one", b"two"]
    for timeout in (0, 0.01):
        with pytest.raises(TimeoutError, match="no whole frame"):
            framed.receive(timeout=timeout)
    rig.write(b"ee\nfour\n")
    assert framed.receive() == b"three"
    for frame in framed:
        assert frame == b"four"
        break
    framed.send(b"five", timeout=PATIENCE)
    assert os.read(rig.master, 100) == b"five\n"
    assert framed.stream is rig.port
    assert isinstance(framed.framing, Delimited)
    assert framed.extra_attributes.keys() == rig.port.extra_attributes.keys()
    with framed:
        pass
    with pytest.raises(SerialClosedError):
        framed.receive()


def test_an_unplug_in_a_frame_is_told_with_what_came(rig: Any) -> None:
    framed = FramedStream(rig.port, Delimited(b"\n", max_size=3))
    rig.write(b"toolong\nab")
    with pytest.raises(FrameTooLong):
        framed.receive(timeout=PATIENCE)
    rig.hang_up()
    with pytest.raises(FrameCutOff) as caught:
        framed.receive(timeout=PATIENCE)
    assert caught.value.partial == b"ab"
    assert isinstance(caught.value.__cause__, SerialDisconnectedError)
    with pytest.raises(SerialDisconnectedError):
        framed.receive(timeout=PATIENCE)


def test_silence_ends_a_frame(rig: Any) -> None:
    framed = FramedStream(rig.port, Silence(seconds=0.03))
    rig.write(b"one")
    with pytest.raises(TimeoutError):
        framed.receive(timeout=0.001)
    rig.write(b"more")
    assert framed.receive(timeout=PATIENCE) == b"onemore"


def test_exchanges_of_threads_are_made_in_the_order_of_asking(rig: Any) -> None:
    first_may_end = threading.Event()

    def answer(request: bytes) -> bytes:
        assert first_may_end.wait(PATIENCE)
        return b"re:" + request + b"\n"

    device = Device(rig.master, answer)
    framed = FramedStream(rig.port, Delimited(b"\n"))
    answers: dict[bytes, bytes] = {}

    def ask(request: bytes) -> None:
        answers[request] = framed.exchange(request, timeout=PATIENCE)

    requests = [b"%d" % number for number in range(5)]
    threads: list[threading.Thread] = []
    for request in requests:
        threads.append(threading.Thread(target=ask, args=(request,)))
        threads[-1].start()
        while len(framed._exchange_turn._waiting) < len(threads):
            os.sched_yield()
    first_may_end.set()
    for thread in threads:
        thread.join(PATIENCE)
    device.stop()
    assert answers == {request: b"re:" + request for request in requests}
    assert device.requests == requests


def test_stale_input_late_answers_and_attempts(rig: Any) -> None:
    strays: list[bytes] = []
    answers = [b"", b"note\ngood\n", b"muchtoolong\n", b"next\n"]
    device = Device(rig.master, lambda _: answers.pop(0))
    framed = FramedStream(rig.port, Delimited(b"\n", max_size=5), unsolicited=strays.append, quiet=0.01)
    rig.write(b"old\nhalf")
    answer = framed.exchange(b"ask", timeout=0.1, attempts=2, accept=lambda frame: frame != b"note")
    assert (answer, strays) == (b"good", [b"old", b"note"])
    with pytest.raises(FrameTooLong):
        framed.exchange(b"ask", timeout=PATIENCE)
    assert framed.exchange(b"ask", timeout=PATIENCE) == b"next"
    device.stop()
    with pytest.raises(TimeoutError, match="no answer"):
        framed.exchange(b"ask", timeout=0.01)


def test_one_thread_receives(rig: Any) -> None:
    framed = FramedStream(rig.port, Delimited(b"\n"))
    got: list[bytes] = []
    thread = threading.Thread(target=lambda: got.append(framed.receive(timeout=PATIENCE)))
    thread.start()
    deadline = time.monotonic() + PATIENCE
    while not framed._turns and time.monotonic() < deadline:
        os.sched_yield()
    with pytest.raises(anyio.BusyResourceError):
        framed.receive(timeout=0)
    with pytest.raises(anyio.BusyResourceError):
        framed.exchange(b"x", timeout=1)
    os.write(rig.master, b"a\n")
    thread.join(PATIENCE)
    assert got == [b"a"]


def test_an_interrupted_decoding_is_reported(rig: Any) -> None:
    class Interrupted(Delimited):
        hit = True

        def feed(self, data: bytes) -> Any:
            if self.hit:
                self.hit = False
                raise KeyboardInterrupt
            return super().feed(data)

    framed = FramedStream(rig.port, Interrupted(b"\n"))
    rig.write(b"a\nb\n")
    with pytest.raises(KeyboardInterrupt):
        framed.receive(timeout=PATIENCE)
    rig.write(b"c\n")
    with pytest.raises(FrameDamaged, match="signal handler"):
        framed.receive(timeout=PATIENCE)
    assert [framed.receive(timeout=0), framed.receive(timeout=0)] == [b"b", b"c"]


def test_a_stream_of_one_s_own() -> None:
    class Pieces:
        extra_attributes: dict[Any, Any] = {}  # noqa: RUF012

        def __init__(self, *pieces: bytes) -> None:
            self.pieces = list(pieces)

        def receive(self, max_bytes: int = 65536, *, timeout: float | None = None) -> bytes:
            if not self.pieces:
                raise anyio.EndOfStream
            return self.pieces.pop(0)

        def send(self, item: bytes, *, timeout: float | None = None) -> None:
            self.pieces.append(item)

        def close(self) -> None:
            self.pieces.clear()

    with FramedStream(Pieces(b"a", b"b\nc\n"), Delimited(b"\n")) as framed:
        assert list(framed) == [b"ab", b"c"]


def test_the_time_of_a_read(rig: Any) -> None:
    before = time.monotonic()
    rig.write(b"abc")
    data, at = rig.port.receive_with_time(2, timeout=PATIENCE)
    assert data == b"ab"
    assert before <= at <= time.monotonic()
    assert rig.port.receive_with_time(timeout=0)[0] == b"c"
    assert rig.port.statistics.bytes_received == 3
    with pytest.raises(TimeoutError):
        rig.port.receive_with_time(timeout=0)


@pytest.mark.parametrize("name", ["receive", "send", "exchange", "stream", "framing", "extra_attributes"])
def test_both_faces_have_the_same_methods(name: str) -> None:
    ours, theirs = getattr(FramedStream, name), getattr(anyserial.framing.FramedStream, name)
    if callable(ours):
        expected = set(inspect.signature(theirs).parameters)
        assert set(inspect.signature(ours).parameters) == expected | {"timeout"}
