"""Reading as pySerial has it: short when the time is over, and nothing lost."""

import os
import select
from collections.abc import Callable
from itertools import islice
from time import monotonic
from typing import Any

import pytest
from anyserial import SerialDisconnectedError
from anyserial.pyserial import PortNotOpenError, Serial, SerialException, serial_for_url

type Rig = Any  # conftest's


@pytest.mark.parametrize("timeout", [None, 5, 0.2, 0])
def test_a_read_returns_what_it_asks_for(rig: Rig, timeout: float | None) -> None:
    port = rig.open(timeout=timeout)
    rig.feed(b"hello world", port)
    assert port.read(5) == b"hello"
    assert port.read() == b" "
    assert port.read(size=5) == b"world"


@pytest.mark.parametrize("timeout", [0.02, 0])
def test_a_read_returns_what_has_come_when_its_time_is_over(rig: Rig, timeout: float) -> None:
    port = rig.open(timeout=timeout)
    assert port.read(3) == b""
    rig.feed(b"ab", port)
    assert port.read(3) == b"ab"


def test_a_read_waits_until_everything_has_come(rig: Rig, in_thread: Any, receiving: Any) -> None:
    port = rig.open()
    call = in_thread(lambda: port.read(6))
    for part in (b"ab", b"cd", b"ef"):
        receiving(port)
        rig.feed(part)
    assert call.end() == b"abcdef"


def test_more_than_one_read_of_a_tty_takes(rig: Rig, in_thread: Any) -> None:
    port = rig.open(timeout=10)
    data = bytes(range(256)) * 300
    call = in_thread(lambda: port.read(len(data)))
    sent = 0
    while sent < len(data):
        sent += os.write(rig.far, data[sent : sent + 1000])
    assert call.end() == data


def test_a_pause_between_bytes_ends_a_read_with_an_inter_byte_timeout(rig: Rig) -> None:
    port = rig.open(timeout=30, inter_byte_timeout=0.02)
    rig.feed(b"abc", port)
    begun = monotonic()
    assert port.read(100) == b"abc"
    assert monotonic() - begun < 10
    port.timeout = 0.02
    assert port.read(1) == b""


def test_what_waits_is_read_at_once_wherever_it_waits(rig: Rig) -> None:
    port = rig.open(timeout=0)
    rig.feed(b"line\nrest", port)
    assert port.readline() == b"line\n"
    rig.feed(b", and more", port)
    assert port.in_waiting == 14
    assert port.read(port.in_waiting) == b"rest, and more"


def test_no_bytes_are_read_without_waiting(rig: Rig) -> None:
    port = rig.open()
    assert port.read(0) == port.read(-1) == port.readline(0) == port.read_until(size=0) == b""


class Count:
    """A number as of numpy: no int, but it compares as one and is an index."""

    def __lt__(self, other: int) -> bool:
        return other > 2

    def __index__(self) -> int:
        return 2


@pytest.mark.parametrize(("size", "data"), [(Count(), b"ab"), (True, b"a")])
def test_whatever_counts_is_a_size(rig: Rig, size: Any, data: bytes) -> None:
    port = rig.open(timeout=1)
    rig.feed(b"abc", port)
    assert port.read(size) == data
    with pytest.raises(TypeError):
        port.read(1.0)


@pytest.mark.parametrize("delimiter", ["\n", b""])
@pytest.mark.parametrize("url", [None, "loop://"])
def test_what_is_never_found_is_read_until_the_time_is_over(rig: Rig, delimiter: Any, url: str | None) -> None:
    port = rig.open(timeout=0.05) if url is None else serial_for_url(url, timeout=0.05)
    for _ in range(2):
        if url is None:
            rig.feed(b"a\nb", port)
        else:
            port.write(b"a\nb")
        assert port.read_until(delimiter) == b"a\nb"
    port.close()


def test_lines(rig: Rig) -> None:
    port = rig.open(timeout=0.05)
    rig.feed(b"one\ntwo\n\nrest", port)
    assert port.readline() == b"one\n"
    assert port.in_waiting == 9
    assert port.readline(2) == b"tw"
    assert port.readline(None) == b"o\n"
    assert port.readline() == b"\n"
    assert port.readline() == b"rest"
    assert port.readline() == b""
    rig.feed(b"1\n2\n3", port)
    assert port.readlines() == [b"1\n", b"2\n", b"3"]
    rig.feed(b"4\n5\n", port)
    assert list(port) == [b"4\n", b"5\n"]


@pytest.mark.parametrize("is_shared", [False, True])
def test_reading_until(rig: Rig, is_shared: bool) -> None:
    port = rig.open(timeout=0.05)
    if is_shared:
        port.fileno()
    rig.feed(b"a\r\nbEND" + b"c" * 10 + b"dEN", port)
    assert port.read_until(b"\r\n") == b"a\r\n"
    assert port.read_until(expected=b"END") == b"bEND"
    assert port.read_until(size=4) == b"cccc"
    assert port.read_until(b"d", 6) == b"cccccc"
    assert port.read_until(b"END") == b"dEN"
    rig.feed(b"D", port)
    assert port.read_until(b"END") == b"D"


def test_the_delimiter_may_come_in_parts(rig: Rig, in_thread: Any, receiving: Any) -> None:
    port = rig.open()
    call = in_thread(lambda: port.read_until(b"END"))
    for part in (b"xE", b"N", b"Dyz"):
        receiving(port)
        rig.feed(part)
    assert call.end() == b"xEND"
    assert port.read(2) == b"yz"


def test_iterating_over_what_ends_with_a_delimiter(rig: Rig) -> None:
    port: Serial = rig.open(timeout=0.02)
    rig.feed(b"a;b;c", port)
    assert list(port.iread_until(b";")) == [b"a;", b"b;", b"c"]
    rig.feed(b"12;", port)
    assert list(islice(port.iread_until(b";", 1), 2)) == [b"1", b"2"]


def test_the_other_ways_to_read(rig: Rig) -> None:
    port = rig.open(timeout=0.02)
    rig.feed(b"abcdef", port)
    buffer = bytearray(4)
    assert port.readinto(buffer) == 4
    assert buffer == b"abcd"
    assert port.readinto(memoryview(buffer)[:1]) == 1
    assert port.read_all() == b"f"
    assert port.read_all() == b""
    rig.feed(b"rest", port)
    assert port.readall() == b"rest"


def test_a_subclass_sees_every_byte(rig: Rig) -> None:
    class Listening(Serial):
        heard = b""

        def read(self, size: int = 1) -> bytes:
            data = super().read(size)
            self.heard += data
            return data

    port = rig.open(timeout=0.02, cls=Listening)
    rig.feed(b"a\nb;c", port)
    assert (port.readline(), port.read_until(b";"), port.read(9)) == (b"a\n", b"b;", b"c")
    assert port.heard == b"a\nb;c"


def test_whoever_waits_for_the_descriptor_sees_every_byte_that_was_not_returned(rig: Rig) -> None:
    port = rig.open(timeout=0.5)
    rig.feed(b"1\n2\n", port)
    lines: list[bytes] = []
    while select.select([port.fileno()], [], [], 0.05)[0]:
        lines.append(port.readline())
    assert lines == [b"1\n", b"2\n"]


def test_cancelling_a_read_returns_what_has_come(rig: Rig, in_thread: Any, received: Any, receiving: Any) -> None:
    port = rig.open()
    call = in_thread(lambda: port.read(100))
    rig.feed(b"part")
    received(port, 4)
    receiving(port)
    port.cancel_read()
    assert call.end() == b"part"


def test_cancelling_between_two_reads_ends_the_next(rig: Rig) -> None:
    port = rig.open()
    port.cancel_read()
    assert port.read(1) == b""
    rig.feed(b"x")
    assert port.read(1) == b"x"
    port.cancel_read()
    assert port.readline() == b""


def test_a_second_reader_waits_for_its_turn(rig: Rig, in_thread: Any, receiving: Any) -> None:
    port = rig.open()
    first = in_thread(lambda: port.read(1))
    receiving(port)
    port.timeout = 0.02
    assert port.read(1) == b""
    port.timeout = None
    second = in_thread(lambda: port.read(1))
    rig.feed(b"12")
    assert {first.end(), second.end()} == {b"1", b"2"}


READS: "tuple[Callable[[Serial], object], ...]" = (
    lambda port: port.read(5),
    lambda port: port.readline(),
    lambda port: port.read_until(b"x"),
    lambda port: port.readinto(bytearray(5)),
)


@pytest.mark.parametrize("read", READS)
def test_an_unplug_ends_a_read_after_the_last_byte(
    rig: Rig, in_thread: Any, receiving: Any, read: Callable[[Serial], object]
) -> None:
    port = rig.open()
    call = in_thread(lambda: read(port))
    receiving(port)
    rig.unplug()
    with pytest.raises(SerialException, match="gone") as caught:
        call.end()
    assert isinstance(caught.value, SerialDisconnectedError)
    assert isinstance(caught.value, OSError)
    assert caught.value.errno is not None
    assert caught.value.filename == rig.path
    assert port.is_open
    with pytest.raises(SerialException):
        _ = port.in_waiting
    port.close()
    assert not port.is_open


def test_what_came_before_an_unplug_is_returned(rig: Rig, in_thread: Any, received: Any, receiving: Any) -> None:
    port = rig.open()
    call = in_thread(lambda: port.read(100))
    rig.feed(b"last words")
    received(port, 10)
    receiving(port)
    rig.unplug()
    assert call.end() == b"last words"
    with pytest.raises(SerialException):
        port.read(1)


def test_closing_ends_a_read_in_another_thread(rig: Rig, in_thread: Any, receiving: Any) -> None:
    port = rig.open()
    call = in_thread(lambda: port.read(1))
    receiving(port)
    port.close()
    with pytest.raises(PortNotOpenError):
        call.end()
