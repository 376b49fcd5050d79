"""pySerial's keywords, and the serial object of a transport."""

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
import uvloop
from anyserial import (
    ConfigurationError,
    FlowControl,
    ModemLines,
    SerialConfig,
    SerialError,
    UnsupportedFeatureError,
)
from anyserial._asyncio.errors import _translators, as_expected, translate_errors_with
from anyserial._asyncio.keywords import settings_from
from anyserial.asyncio import TransportSerial, create_serial_connection
from anyserial.exceptions import SerialClosedError, SerialDisconnectedError
from backends import Far, OwnBackend, PtyBackend, until
from protocols import Notes, connect, reports

if TYPE_CHECKING:
    from collections.abc import Callable

LOOPS = [
    pytest.param(("asyncio", {"loop_factory": asyncio.SelectorEventLoop}), id="asyncio"),
    pytest.param(("asyncio", {"loop_factory": uvloop.new_event_loop}), id="uvloop"),
]
LIKE_PYSERIAL: dict[str, Any] = {
    "baudrate": 9600,
    "discard_input_on_open": True,
    "unsupported_policy": "ignore",
    "dtr_on_open": True,
    "rts_on_open": True,
}
RTS_CTS, XON_XOFF = FlowControl(rts_cts=True), FlowControl(xon_xoff=True)


@pytest.fixture(params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize(
    ("arguments", "keywords", "fields"),
    [
        ((), {}, {}),
        ((19200,), {}, {"baudrate": 19200}),
        ((19200, 7, "E", 2), {}, {"baudrate": 19200, "byte_size": 7, "parity": "even", "stop_bits": 2}),
        (
            (19200, 8, "N", 1, 3, True, False, 5, None, 0.1, True),
            {},
            {"baudrate": 19200, "flow_control": XON_XOFF, "exclusive": True},
        ),
        ((), {"bytesize": 5, "parity": "O", "stopbits": 1.5}, {"byte_size": 5, "parity": "odd", "stop_bits": 1.5}),
        ((), {"byte_size": 7, "stop_bits": 2}, {"byte_size": 7, "stop_bits": 2}),
        ((), {"baudrate": "57600"}, {"baudrate": 57600}),
        ((), {"baudrate": 57600.0}, {"baudrate": 57600}),
        ((), {"xonxoff": 1, "rtscts": 0}, {"flow_control": XON_XOFF}),
        ((), {"rtscts": True}, {"flow_control": RTS_CTS, "rts_on_open": None}),
        ((), {"rtscts": True, "rts_on_open": False}, {"flow_control": RTS_CTS, "rts_on_open": False}),
        ((), {"rtscts": None, "xonxoff": None, "dsrdtr": None}, {}),
        ((), {"dsrdtr": True}, {"dtr_on_open": None}),
        ((), {"timeout": None, "write_timeout": 0, "inter_byte_timeout": 0.5}, {}),
        ((), {"writeTimeout": 3, "interCharTimeout": 1}, {}),
        ((), {"exclusive": None}, {}),
        ((), {"exclusive": False}, {}),
        ((), {"do_not_open": False}, {}),
        (
            (),
            {"flow_control": "hardware", "xonxoff": False, "rtscts": True},
            {"flow_control": RTS_CTS, "rts_on_open": None},
        ),
        ((), {"flow_control": "software", "xonxoff": False}, {"flow_control": XON_XOFF, "xonxoff": None}),
        ((), {"flow_control": None}, {}),
        ((), {"flow_control": RTS_CTS}, {"flow_control": RTS_CTS, "rts_on_open": None}),
        ((), {"low_latency": True, "close_timeout": 5}, {"low_latency": True, "close_timeout": 5}),
        ((), {"unsupported_policy": "raise"}, {"unsupported_policy": "raise"}),
        ((), {"discard_input_on_open": False}, {"discard_input_on_open": False}),
        ((), {"line_errors": "discard"}, {"line_errors": "discard"}),
    ],
)
def test_keywords(arguments: tuple[Any, ...], keywords: dict[str, Any], fields: dict[str, Any]) -> None:
    if fields.get("xonxoff", "") is None:  # a contradiction is refused, an agreement in other words is not
        fields = {name: value for name, value in fields.items() if name != "xonxoff"}
    assert settings_from("open", arguments, keywords) == SerialConfig(**{**LIKE_PYSERIAL, **fields})


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"baudrate": "fast"}, "baudrate must be an integer.*'fast'"),
        ({"baudrate": 9600.5}, r"baudrate must be an integer.*9600\.5"),
        ({"baudrate": 0}, "baudrate must be"),
        ({"bytesize": 9}, "^bytesize must be 5, 6, 7 or 8 .*9"),
        ({"byte_size": 9}, "^byte_size must be 5, 6, 7 or 8 .*9"),
        ({"stopbits": 3}, "^stopbits must be 1, 1.5 or 2 .*3"),
        ({"parity": "X"}, "^parity must be.*'X'"),
        ({"timeout": -1}, "^timeout must be.*-1"),
        ({"timeout": "1"}, "^timeout must be.*'1'"),
        ({"writeTimeout": -1}, "^writeTimeout must be.*-1"),
        ({"inter_byte_timeout": -1}, "^inter_byte_timeout must be.*-1"),
        ({"xonxoff": "no"}, "^xonxoff must be True or False .*'no'"),
        ({"rtscts": 2}, "^rtscts must be True or False .*2"),
        ({"dsrdtr": "x"}, "^dsrdtr must be True or False"),
        ({"exclusive": "x"}, "^exclusive must be True or False"),
        ({"flow_control": "rts"}, "^flow_control must be 'hardware'.*'rts'"),
        ({"flow_control": "software", "rtscts": True}, "^rtscts=True and flow_control='software' contradict"),
        ({"flow_control": None, "xonxoff": True}, "^xonxoff=True and flow_control=None contradict"),
        ({"do_not_open": True}, "^do_not_open must be False.*open port"),
        ({"line_errors": "raise"}, "^line_errors must be 'ignore' or 'discard'.*open_serial_port"),
    ],
)
def test_keywords_that_are_refused(keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        settings_from("open", (), keywords)


@pytest.mark.parametrize(
    ("arguments", "keywords", "words"),
    [
        ((), {"speed": 9600}, "open.*'speed'"),
        ((9600,), {"baudrate": 9600}, "multiple values for argument 'baudrate'"),
        ((), {"bytesize": 8, "byte_size": 8}, "multiple values for argument 'byte_size'"),
        (tuple(range(12)), {}, "at most 11 arguments after the URL by position.*12"),
    ],
)
def test_keywords_that_make_no_call(arguments: tuple[Any, ...], keywords: dict[str, Any], words: str) -> None:
    with pytest.raises(TypeError, match=words):
        settings_from("open", arguments, keywords)


@pytest.mark.anyio
async def test_nothing_is_opened_if_a_keyword_is_refused(far: Far, backend: PtyBackend) -> None:
    for keywords in ({"bytesize": 9}, {"speed": 1}):
        with pytest.raises((ConfigurationError, TypeError)):
            await connect(far.path, backend, **keywords)
    assert backend.calls == []


# The serial object


@pytest.mark.anyio
async def test_settings_of_the_serial_object(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend)
    serial = transport.serial
    assert (serial.baudrate, serial.bytesize, serial.parity, serial.stopbits) == (9600, 8, "N", 1)
    assert (serial.xonxoff, serial.rtscts, serial.dsrdtr, serial.exclusive) == (False, False, False, False)
    assert (serial.timeout, serial.write_timeout, serial.writeTimeout, serial.inter_byte_timeout) == (0, 0, 0, None)
    serial.baudrate = 57600
    serial.bytesize = 7
    serial.parity = "E"
    serial.stopbits = 2
    serial.xonxoff = True
    serial.rtscts = True
    serial.timeout = serial.write_timeout = serial.inter_byte_timeout = 3
    assert (serial.baudrate, serial.bytesize, serial.parity, serial.stopbits) == (57600, 7, "E", 2)
    assert (serial.xonxoff, serial.rtscts, serial.timeout) == (True, True, 0)
    assert backend.config == transport.get_extra_info("config") == serial.config
    serial.stopbits = 1.5
    assert serial.stopbits == 1.5
    with pytest.raises(ConfigurationError, match="baudrate"):
        serial.baudrate = 0
    with pytest.raises(ValueError, match="timeout"):
        serial.timeout = -1
    with pytest.raises(ValueError, match="inter_byte_timeout"):
        serial.inter_byte_timeout = -1
    here = threading.get_ident()
    assert {thread for name, thread in backend.calls if name == "configure"} & {here} == set()
    transport.abort()
    await protocol.lost()


@pytest.mark.anyio
async def test_lines_of_the_serial_object(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend)
    serial = transport.serial
    assert (serial.rts, serial.dtr, serial.break_condition) == (True, True, False)
    serial.rts = False
    serial.setDTR(False)
    assert (serial.rts, serial.dtr) == (backend.control.rts, backend.control.dtr) == (False, False)
    serial.setRTS()
    assert backend.control.rts
    backend.lines = ModemLines(cts=True, dsr=False, ri=True, cd=False)
    assert (serial.cts, serial.dsr, serial.ri, serial.cd) == (True, False, True, False)
    assert (serial.getCTS(), serial.getDSR(), serial.getRI(), serial.getCD()) == (True, False, True, False)
    serial.break_condition = True
    assert serial.break_condition
    assert backend.break_on
    serial.break_condition = False
    serial.send_break(0.001)
    assert backend.breaks == [True, False, True, False]
    transport.abort()
    await protocol.lost()


@pytest.mark.anyio
async def test_a_break_is_released_if_the_port_ends(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend)
    begun = threading.Event()
    backend.hooks["set_break"] = begun.set
    breaking = asyncio.create_task(asyncio.to_thread(transport.serial.send_break, 5))
    await until(begun.is_set)
    transport.close()
    with pytest.raises(SerialClosedError):
        await breaking
    assert await protocol.lost() is None
    assert backend.breaks == [True, False]


@pytest.mark.anyio
async def test_queues_of_the_serial_object(far: Far, backend: PtyBackend) -> None:
    transport, protocol = await connect(far.path, backend)
    serial = transport.serial
    assert serial.fd == serial.fileno() == backend.fileno()
    assert serial.isOpen()
    transport.pause_reading()
    far.write(b"abcdef")
    assert serial.in_waiting == serial.inWaiting() == 6
    assert serial.read() == b"a"
    assert serial.read(100) == b"bcdef"
    assert serial.read(100) == b""
    with pytest.raises(ValueError, match="size"):
        serial.read(0)
    far.write(b"old")
    serial.flushInput()
    assert serial.in_waiting == serial.out_waiting == 0
    assert serial.write(bytearray(b"xyz")) == 3
    assert await asyncio.to_thread(far.read, 3) == b"xyz"
    backend.queued = 0
    serial.flush()
    assert backend.names()[-1] == "drain"
    serial.flushOutput()
    assert backend.names()[-1] == "reset_output_buffer"
    transport.abort()
    await protocol.lost()
    calls: tuple[Callable[[], Any], ...] = (
        lambda: serial.in_waiting,
        serial.read,
        lambda: serial.write(b"x"),
        lambda: serial.cts,
    )
    for call in calls:
        with pytest.raises(SerialClosedError):
            call()


@pytest.mark.anyio
async def test_the_serial_object_notices_an_unplug(far: Far) -> None:
    transport, protocol = await connect(far.path)
    transport.pause_reading()
    far.hang_up()
    with pytest.raises(SerialDisconnectedError):
        transport.serial.rts = False
    assert isinstance(await protocol.lost(), SerialDisconnectedError)


@pytest.mark.anyio
async def test_the_serial_object_of_a_network_port(far: Far) -> None:
    found = reports()
    backend = OwnBackend()
    transport, protocol = await connect("own", backend)
    serial = transport.serial
    serial.baudrate = 57600
    serial.rts = False
    serial.dtr = False
    with pytest.raises(UnsupportedFeatureError, match="to_thread"):
        _ = serial.cts
    with pytest.raises(UnsupportedFeatureError, match="no descriptor"):
        serial.fileno()
    assert not await asyncio.to_thread(lambda: serial.cts)
    await until(lambda: not backend.control.dtr)
    names = [name for name in backend.calls if name in ("configure", "set_control_lines")]
    assert names == ["configure", "set_control_lines", "set_control_lines"]
    assert (serial.baudrate, backend.control.rts) == (57600, False)

    async def fail() -> None:
        raise SerialError(5, "x")

    backend.hooks["set_break"] = fail
    serial.break_condition = True
    await until(lambda: found)
    assert isinstance(found[0]["exception"], SerialError)
    assert found[0]["serial"] is serial
    transport.abort()
    await protocol.lost()
    with pytest.raises(SerialClosedError):
        serial.rts = True


def test_a_network_port_whose_event_loop_is_over() -> None:
    backend = OwnBackend()

    async def main() -> TransportSerial:
        await backend.open("own", SerialConfig())
        serial = TransportSerial(backend, SerialConfig())
        serial.attach(asyncio.get_running_loop())
        return serial

    serial = asyncio.run(main())
    with pytest.raises(UnsupportedFeatureError, match="to_thread"):
        _ = serial.cts
    serial.close()


# What a program for pySerial expects


@pytest.mark.anyio
async def test_errors_are_those_that_the_program_expects(far: Far, backend: PtyBackend) -> None:
    class ExpectedError(SerialDisconnectedError):
        pass

    asked: list[bool] = []

    def translate(exc: OSError, *, exclusive: bool = False) -> OSError:
        asked.append(exclusive)
        return ExpectedError(*exc.args)

    before = list(_translators)
    translate_errors_with(translate)
    try:
        assert isinstance(as_expected(SerialError(5, "x")), ExpectedError)
        assert type(as_expected(ConfigurationError("x"))) is ConfigurationError
        assert type(as_expected(OSError(5, "x"))) is OSError
        transport, protocol = await connect(far.path, backend)
        far.hang_up()
        error = await protocol.lost()
        assert type(error) is ExpectedError
        with pytest.raises(ExpectedError):
            _ = transport.serial.cts
        with pytest.raises(ExpectedError):
            # Not the path from before, which may be a new pty's by now.
            await create_serial_connection(None, Notes, "/dev/no-such-port", exclusive=True, backend=PtyBackend())
        assert asked[-1]
        assert not any(asked[:-1])
    finally:
        _translators[:] = before
