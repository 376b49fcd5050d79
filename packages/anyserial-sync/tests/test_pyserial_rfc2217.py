"""``serial.rfc2217``: the server's side of the protocol on ``loop://``, the names of its numbers, the client's URLs."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from anyserial import pyserial as serial
from anyserial._spi import com_port
from anyserial.pyserial import rfc2217
from anyserial_sync._pyserial.urlhandler import protocol_socket
from anyserial_sync._pyserial.urlhandler.protocol_loop import Serial as Loop

IAC, SB, SE = b"\xff", b"\xfa", b"\xf0"
CLIENT = bytes.fromhex("fffd00 fffb00 fffb2c fffd2c")  # it agrees to binary data and to COM-PORT-OPTION
LINES = com_port.ModemState.CTS | com_port.ModemState.DSR | com_port.ModemState.CD  # of loop://, all active


class Server:
    """A `PortManager` with its port, and what it has sent to the client."""

    def __init__(self, manager: type[rfc2217.PortManager] = rfc2217.PortManager) -> None:
        self.port: Any = serial.serial_for_url("loop://")
        self.sent = b""
        self.manager = manager(self.port, self, logging.getLogger("rfc2217"))

    def write(self, data: bytes) -> None:
        self.sent += data

    def takes(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the data in *data*, and the answer."""
        self.sent = b""
        return b"".join(self.manager.filter(data)), self.sent

    def asked(self, command: int, value: bytes = b"") -> bytes:
        """Return the answer's command and value to a message; empty if there is none."""
        data, answer = self.takes(IAC + SB + rfc2217.COM_PORT_OPTION + bytes((command,)) + value + IAC + SE)
        assert data == b""
        return answer.removeprefix(IAC + SB + rfc2217.COM_PORT_OPTION).removesuffix(IAC + SE)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.port.close()


def test_it_offers_the_option_and_tells_the_lines_once_the_client_agrees(server: Server) -> None:
    assert server.sent == bytes.fromhex("fffb01 fffb03 fffb2c fffd00")
    data, answer = server.takes(CLIENT)
    assert data == b""
    assert answer.startswith(bytes.fromhex("fffb00 fffd2c fffa2c6b"))
    assert com_port.decode(answer[-4:-2], from_server=True) == (com_port.Command.NOTIFY_MODEM_STATE, LINES | 0b1011)


def test_data_pass_in_both_directions(server: Server) -> None:
    assert server.takes(b"a\xff\xffb") == (b"a\xffb", b"")
    assert server.takes(b"c\xff") == (b"c", b"")
    assert server.takes(b"\xffd") == (b"\xffd", b"")
    assert b"".join(server.manager.escape(b"a\xffb")) == b"a\xff\xffb"


@pytest.mark.parametrize(
    ("command", "value", "answer", "state"),
    [
        (1, bytes(4), b"\x65\0\0\x25\x80", ("baudrate", 9600)),
        (1, b"\0\1\xff\xff\xff\xff", b"\x65\0\1\xff\xff\xff\xff", ("baudrate", 131071)),
        (2, b"\0", b"\x66\x08", ("bytesize", 8)),
        (2, b"\x07", b"\x66\x07", ("bytesize", 7)),
        (2, b"\x09", b"\x66\x08", ("bytesize", 8)),
        (3, b"\x03", b"\x67\x03", ("parity", "E")),
        (3, b"\x09", b"\x67\x01", ("parity", "N")),
        (4, b"\x03", b"\x68\x03", ("stopbits", 1.5)),
        (4, b"\x00", b"\x68\x01", ("stopbits", 1)),
        (5, b"\x00", b"\x69\x01", ("xonxoff", False)),
        (5, b"\x02", b"\x69\x02", ("xonxoff", True)),
        (5, b"\x03", b"\x69\x03", ("rtscts", True)),
        (5, b"\x01", b"\x69\x01", ("rtscts", False)),
        (5, b"\x04", b"\x69\x06", ("break_condition", False)),
        (5, b"\x05", b"\x69\x05", ("break_condition", True)),
        (5, b"\x06", b"\x69\x06", ("break_condition", False)),
        (5, b"\x07", b"\x69\x08", ("dtr", True)),
        (5, b"\x09", b"\x69\x09", ("dtr", False)),
        (5, b"\x0a", b"\x69\x0b", ("rts", True)),
        (5, b"\x0c", b"\x69\x0c", ("rts", False)),
        (5, b"\x0d", b"\x69\x0e", ("rtscts", False)),
        (5, b"\x10", b"\x69\x0e", ("rtscts", False)),
        (5, b"\x11", b"\x69\x01", ("rtscts", False)),
        (5, b"\x7f", b"", ("rtscts", False)),
        (6, b"\x00", b"\x6a\x00", ("rts", True)),
        (8, b"", b"", ("rts", True)),
        (9, b"", b"", ("rts", True)),
        (10, b"\x0f", b"", ("rts", True)),
        (11, b"\x10", b"\x6f\x10", ("rts", True)),
        (12, b"\x02", b"\x70\x02", ("in_waiting", 0)),
        (12, b"\x03", b"\x70\x03", ("in_waiting", 0)),
        (12, b"\x09", b"", ("in_waiting", 2)),
        (0, b"me", b"", ("rts", True)),
        (99, b"", b"", ("rts", True)),
        (1, b"\0", b"", ("baudrate", 9600)),
    ],
)
def test_a_request_is_carried_out_and_answered_with_what_is_in_force(
    server: Server, command: int, value: bytes, answer: bytes, state: tuple[str, object]
) -> None:
    server.takes(CLIENT)
    server.port.write(b"ab")
    assert server.asked(command, value) == answer
    assert getattr(server.port, state[0]) == state[1]


def test_a_rate_that_the_port_refuses_is_answered_with_the_one_in_force(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise ValueError("not this one")

    monkeypatch.setattr(server.port, "_reconfigure_port", refuse)
    assert server.asked(1, b"\0\0\1\0") == b"\x65\0\0\x25\x80"


def test_lines_are_told_when_they_change(server: Server) -> None:
    server.takes(CLIENT)

    def told(*, force: bool = False) -> int | None:
        server.sent = b""
        server.manager.check_modem_lines(force)
        return server.sent[4] if server.sent else None

    assert told() is None
    assert told(force=True) == LINES
    server.port.rts = False
    assert told() == (LINES & ~com_port.ModemState.CTS) | com_port.ModemState.CTS_CHANGED
    assert told() is None
    assert server.asked(11, bytes((com_port.ModemState.DSR,)))
    server.port.rts = True
    assert told() == com_port.ModemState.DSR
    assert server.asked(7, b"\0") == bytes((107, com_port.ModemState.DSR))


def test_a_ring_is_told_when_it_ends(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    rings = [False, True, False]

    def ri(_: object) -> bool:
        return rings.pop(0)

    monkeypatch.setattr(Loop, "ri", property(ri))
    server.takes(CLIENT)
    states: list[int] = []
    for _ in range(2):
        server.sent = b""
        server.manager.check_modem_lines()
        states.append(server.sent[4])
    assert states == [LINES | com_port.ModemState.RI, LINES | com_port.ModemState.RI_ENDED]


def test_a_client_without_the_option_is_told_nothing(server: Server) -> None:
    server.sent = b""
    server.manager.check_modem_lines(force_notification=True)
    assert server.sent == b""


def test_a_subclass_may_take_a_message_for_itself() -> None:
    class Manager(rfc2217.PortManager):
        def _telnet_process_subnegotiation(self, suboption: bytes) -> None:
            if suboption[1:3] != rfc2217.SET_CONTROL + rfc2217.SET_CONTROL_DTR_OFF:
                super()._telnet_process_subnegotiation(suboption)

    server = Server(Manager)
    assert server.asked(5, rfc2217.SET_CONTROL_DTR_OFF) == b""
    assert server.port.dtr
    assert server.asked(5, rfc2217.SET_CONTROL_RTS_OFF)
    assert not server.port.rts
    server.port.close()


def test_the_numbers_are_those_of_the_protocol() -> None:
    commands = {
        "SET_BAUDRATE": "BAUDRATE",
        "SET_DATASIZE": "DATA_SIZE",
        "SET_PARITY": "PARITY",
        "SET_STOPSIZE": "STOP_SIZE",
        "SET_CONTROL": "CONTROL",
        "NOTIFY_LINESTATE": "NOTIFY_LINE_STATE",
        "NOTIFY_MODEMSTATE": "NOTIFY_MODEM_STATE",
        "FLOWCONTROL_SUSPEND": "SUSPEND",
        "FLOWCONTROL_RESUME": "RESUME",
        "SET_LINESTATE_MASK": "LINE_STATE_MASK",
        "SET_MODEMSTATE_MASK": "MODEM_STATE_MASK",
        "PURGE_DATA": "PURGE",
    }
    for name, own in commands.items():
        assert getattr(rfc2217, name) == bytes((com_port.Command[own],))
        assert getattr(rfc2217, f"SERVER_{name}") == bytes((com_port.Command[own] + com_port.FROM_SERVER,))
    controls = [name for name in rfc2217.__all__ if name.startswith("SET_CONTROL_")]
    assert {getattr(rfc2217, name)[0] for name in controls} == {*com_port.Control}
    assert rfc2217.SET_CONTROL_USE_SW_FLOW_CONTOL_IN[0] == com_port.Control.INBOUND_FLOW_XON_XOFF
    assert int(com_port.LineState.PARITY) == rfc2217.LINESTATE_MASK_PARTIY_ERROR
    modem = {
        "CTS_CHANGE": "CTS_CHANGED",
        "DSR_CHANGE": "DSR_CHANGED",
        "RI_CHANGE": "RI_ENDED",
        "CD_CHANGE": "CD_CHANGED",
    }
    for name in ("CTS", "DSR", "RI", "CD", *modem):
        assert getattr(rfc2217, f"MODEMSTATE_MASK_{name}") == com_port.ModemState[modem.get(name, name)]


# The client. Connecting is tested with core; here is what pySerial's names add.


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("rfc2217://127.0.0.1:1?logging=loud", "logging must be one of"),
        ("socket://127.0.0.1:999999", "Port out of range"),
        ("rfc2217://", "could not open port"),
    ],
)
def test_a_wrong_url_is_a_serial_exception(url: str, message: str) -> None:
    port = serial.serial_for_url(url, do_not_open=True)
    with pytest.raises(serial.SerialException, match=message):
        port.open()
    assert not port.is_open
    port.close()


def test_a_class_takes_only_its_own_scheme() -> None:
    with pytest.raises(serial.SerialException, match="begins with rfc2217://"):
        rfc2217.Serial("socket://127.0.0.1:1")
    assert rfc2217.Serial().from_url("rfc2217://host:7?poll_modem") == ("host", 7)


@pytest.mark.parametrize(
    ("kind", "words"), [(rfc2217.Serial, "fileno"), (protocol_socket.Serial, "a port that is not open")]
)
def test_a_program_sees_that_there_is_no_descriptor(kind: type[Any], words: str) -> None:
    port = kind()
    assert not isinstance(port, serial.Serial)
    assert hasattr(port, "cancel_read")
    assert not hasattr(port, "fd")
    with pytest.raises(OSError, match=words):
        port.fileno()


@pytest.mark.parametrize("name", ["cts", "dsr", "ri", "cd"])
def test_a_closed_socket_says_so(name: str) -> None:
    port = protocol_socket.Serial()
    with pytest.raises(serial.PortNotOpenError):
        getattr(port, name)
    with pytest.raises(serial.PortNotOpenError):
        port.send_break()
