"""``loop://``, by the way of ``serial_for_url``, and the threads of ``serial.threaded`` on it."""

import logging
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from anyserial import pyserial as serial
from anyserial.pyserial import threaded
from anyserial_sync._pyserial.urlhandler.protocol_loop import Serial as Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    with opened("loop://", timeout=5) as port:
        yield port


def opened(url: str, **settings: Any) -> Loop:
    port: Any = serial.serial_for_url(url, **settings)
    assert isinstance(port, Loop)
    return port


def in_thread(call: Callable[[], object]) -> Callable[[], object]:
    """Begin a call in a thread; the function that is returned waits for its result."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(call())
        except serial.SerialException as exc:
            results.append(exc)

    thread = threading.Thread(target=run)
    thread.start()

    def result() -> object:
        thread.join(10)
        (found,) = results
        return found

    return result


def test_what_is_written_is_read(loop: Loop) -> None:
    assert loop.write(b"hello\nworld") == 11
    assert loop.in_waiting == loop.out_waiting == 11
    assert loop.readline() == b"hello\n"
    assert loop.read(2) == b"wo"
    loop.timeout = 0
    assert loop.read(100) == b"rld"
    assert loop.read(1) == b""


def test_a_read_waits_for_all_of_its_bytes(loop: Loop) -> None:
    loop.write(b"ab")
    read = in_thread(lambda: loop.read(3))
    loop.write(b"c")
    assert read() == b"abc"


def test_a_read_returns_what_has_come_when_its_time_is_over(loop: Loop) -> None:
    loop.timeout = 0.02
    loop.write(b"ab")
    assert loop.read(3) == b"ab"


def test_a_cancelled_read_returns_what_it_has(loop: Loop) -> None:
    loop.write(b"ab")
    loop.timeout = None
    read = in_thread(lambda: loop.read(3))
    loop.cancel_read()
    # The cancellation may have come first, and then ended the read before it took anything.
    assert read() in {b"ab", b""}
    loop.reset_input_buffer()
    loop.cancel_read()
    assert loop.read(3) == b""


def test_closing_ends_a_read(loop: Loop) -> None:
    loop.timeout = None
    read = in_thread(lambda: loop.read(3))
    loop.close()
    result = read()
    assert result == b"" or isinstance(result, serial.PortNotOpenError)


def test_a_full_line_holds_a_write_back(loop: Loop) -> None:
    loop.write_timeout = None
    write = in_thread(lambda: loop.write(b"x" * 5000))
    assert loop.read(5000) == b"x" * 5000
    assert write() == 5000
    loop.write_timeout = 0.02
    loop.baudrate = 4_000_000
    with pytest.raises(serial.SerialTimeoutException):
        loop.write(b"x" * 5000)
    assert loop.in_waiting == 4096


def test_a_write_takes_the_time_of_its_baud_rate_and_can_be_cancelled() -> None:
    with opened("loop://", baudrate=50, write_timeout=0.02) as slow:
        with pytest.raises(serial.SerialTimeoutException, match="Write timeout"):
            slow.write(b"much too long")
        assert slow.in_waiting == 0
        slow.write_timeout = 60
        ended = threading.Event()

        def write() -> object:
            try:
                return slow.write(b"#" * 1024)
            finally:
                ended.set()

        began = monotonic()
        result = in_thread(write)
        while not ended.wait(0.01):
            slow.cancel_write()
        assert result() == 0
        assert monotonic() - began < 30


def test_the_lines_are_crossed(loop: Loop) -> None:
    assert (loop.cts, loop.dsr, loop.ri, loop.cd) == (True, True, False, True)
    loop.rts = False
    assert (loop.cts, loop.dsr) == (False, True)
    loop.dtr = False
    assert (loop.cts, loop.dsr) == (False, False)
    loop.send_break(0)


CLOSED_CALLS: tuple[Callable[[Loop], object], ...] = (
    lambda port: port.read(1),
    lambda port: port.write(b"x"),
    lambda port: port.in_waiting,
    lambda port: port.out_waiting,
    lambda port: port.cts,
    lambda port: port.dsr,
    lambda port: port.ri,
    lambda port: port.cd,
    lambda port: port.reset_input_buffer(),
    lambda port: port.reset_output_buffer(),
    lambda port: port.send_break(),
)


@pytest.mark.parametrize("call", CLOSED_CALLS)
def test_a_closed_port_says_so(call: Callable[[Loop], object]) -> None:
    port = opened("loop://", do_not_open=True)
    with pytest.raises(serial.PortNotOpenError):
        call(port)
    port.cancel_read()
    port.cancel_write()
    port.close()


def test_opening_twice_and_opening_nothing_are_refused(loop: Loop) -> None:
    with pytest.raises(serial.SerialException, match="already open"):
        loop.open()
    with pytest.raises(serial.SerialException, match="must be configured"):
        Loop().open()


@pytest.mark.parametrize("rate", [0, 2**32])
def test_an_impossible_rate_is_refused_and_not_kept(loop: Loop, rate: int) -> None:
    with pytest.raises(ValueError, match="baudrate"):
        loop.baudrate = rate
    assert loop.baudrate == 9600


@pytest.mark.parametrize("url", ["loop://?logging=loud", "loop://?volume=11"])
def test_a_wrong_option_is_refused(url: str) -> None:
    with pytest.raises(serial.SerialException, match=r"loop://\[\?logging"):
        serial.serial_for_url(url)


def test_calls_are_logged_if_the_url_asks_for_it(caplog: pytest.LogCaptureFixture) -> None:
    level = logging.getLogger("pySerial.loop").level
    try:
        with opened("loop://?logging=debug") as port:
            port.write(b"abc")
            port.rts = False
    finally:
        logging.getLogger("pySerial.loop").setLevel(level)
    assert "write b'abc'" in caplog.text
    assert "RTS: False" in caplog.text


# serial.threaded


class Lines(threaded.LineReader):
    """Keeps the lines, and says when the second has come."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.complete = threading.Event()
        self.ends: list[BaseException | None] = []

    def handle_line(self, line: str) -> None:
        if line == "fail":
            raise ValueError(line)
        self.lines.append(line)
        if len(self.lines) == 2:
            self.complete.set()

    def connection_lost(self, exc: BaseException | None) -> None:
        self.ends.append(exc)
        self.complete.set()


def test_lines_go_to_the_protocol_until_the_block_ends(loop: Any) -> None:
    with threaded.ReaderThread(loop, Lines) as protocol:
        protocol.write_line("hello")
        protocol.write_line("wörld")
        assert protocol.complete.wait(10)
    assert protocol.lines == ["hello", "wörld"]
    assert protocol.ends == [None]
    assert not loop.is_open
    with pytest.raises(serial.SerialException, match="connection"):
        threaded.LineReader().write_line("too early")


def test_stop_leaves_the_port_open_and_connect_knows_the_end(loop: Any) -> None:
    thread = threaded.ReaderThread(loop, Lines)
    with pytest.raises(RuntimeError, match="start"):
        thread.connect()
    thread.start()
    assert thread.connect()[0] is thread
    thread.stop()
    assert (loop.is_open, thread.is_alive()) == (True, False)
    with pytest.raises(RuntimeError, match="ended"):
        thread.connect()


def test_an_error_of_the_protocol_ends_the_connection(loop: Any) -> None:
    with threaded.ReaderThread(loop, Lines) as protocol:
        loop.write(b"fail\r\n")
        assert protocol.complete.wait(10)
    (error,) = protocol.ends
    assert isinstance(error, ValueError)


def test_an_error_of_connection_made_ends_the_connection(loop: Any) -> None:
    class Refusing(Lines):
        def connection_made(self, transport: Any) -> None:
            raise ValueError("no")

    with pytest.raises(RuntimeError, match="ended"), threaded.ReaderThread(loop, Refusing):
        pass
    loop.close()


@pytest.mark.parametrize(
    ("pieces", "packets", "others"),
    [
        ([b"x)(ab)yz(a(b)c"], [b"", b"ab", b"ab"], b"xyzc"),
        ([b"(a", b"b", b")("], [b"ab"], b""),
    ],
)
def test_framed_packets(pieces: list[bytes], packets: list[bytes], others: bytes) -> None:
    class Packets(threaded.FramedPacket):
        def handle_packet(self, packet: bytes) -> None:
            found.append(packet)

        def handle_out_of_packet_data(self, data: bytes) -> None:
            outside.extend(data)

    found: list[bytes] = []
    outside = bytearray()
    protocol = Packets()
    for piece in pieces:
        protocol.data_received(piece)
    assert found == packets
    assert outside == others
    with pytest.raises(OSError, match="gone"):
        protocol.connection_lost(OSError("gone"))
    assert not protocol.in_packet


@pytest.mark.parametrize("protocol", [threaded.Packetizer, threaded.FramedPacket, threaded.LineReader])
def test_a_protocol_without_a_handler_says_which(protocol: type[Any]) -> None:
    method = "handle_line" if protocol is threaded.LineReader else "handle_packet"
    with pytest.raises(NotImplementedError, match=method):
        getattr(protocol(), method)("x")


def test_a_packetizer_keeps_what_follows_a_packet_that_failed() -> None:
    class Packets(threaded.Packetizer):
        def handle_packet(self, packet: bytearray) -> None:
            if not packet:
                raise ValueError("empty")
            found.append(bytes(packet))

    found: list[bytes] = []
    protocol = Packets()
    with pytest.raises(ValueError, match="empty"):
        protocol.data_received(b"a\0\0b\0c")
    protocol.data_received(b"d\0")
    assert found == [b"a", b"b", b"cd"]
