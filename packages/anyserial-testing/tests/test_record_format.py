import errno

import pytest
from anyserial import FlowControl, LineError, RS485Config, SerialConfig, SerialError, UnsupportedFeatureError
from anyserial.testing import RecordError
from anyserial_testing._record_format import Event, error_words, header, quoted, read_record
from hypothesis import given
from hypothesis import strategies as st

HEADER = 'anyserial record 1\npath "/dev/ttyUSB0"\nconfig\n'


@given(st.binary(min_size=1, max_size=700))
def test_every_byte_survives(data: bytes) -> None:
    text = HEADER + "".join(Event("send", 0.5, data).lines()) + "0.500000 end\n"
    assert text.isascii()
    assert b"".join(event.data for event in read_record(text.encode(), "x").events) == data


def test_bytes_are_readable() -> None:
    assert quoted(b'MEAS?\r\n\t"\\\x00\xff~') == r'"MEAS?\r\n\t\"\\\x00\xff~"'


@pytest.mark.parametrize(
    ("config", "settings"),
    [
        (SerialConfig(), ""),
        (SerialConfig(baudrate=9600, parity="E", byte_size=7), " baudrate=9600 byte_size=7 parity=even"),
        (SerialConfig(stop_bits=1.5, byte_size=5), " byte_size=5 stop_bits=1.5"),
        (SerialConfig(flow_control=FlowControl(rts_cts=True)), " flow_control.rts_cts=on"),
        (SerialConfig(rs485=RS485Config()), " rs485.enabled=on"),
        (SerialConfig(rs485=RS485Config(delay_before_send=0.005)), " rs485.delay_before_send=0.005"),
        (SerialConfig(dtr_on_open=False, close_timeout=0.25), " dtr_on_open=off close_timeout=0.25"),
    ],
)
def test_settings_survive(config: SerialConfig, settings: str) -> None:
    text = header("/dev/ttyUSB0", config)
    assert text.splitlines()[2] == f"config{settings}"
    assert read_record(f"{text}0.000000 end\n".encode(), "x").config == config


def test_errors_survive() -> None:
    errors: list[tuple[str, str, SerialError]] = [
        ("fail", "modem", UnsupportedFeatureError(errno.ENOTTY, "no modem lines", "/dev/ttyUSB0")),
        ("fail", "receive", SerialError(None, "odd \u00e9", "/dev/ttyUSB0")),
        ("damaged", "", LineError(errno.EIO, "damaged", "/dev/ttyUSB0", byte=0x41)),
        ("damaged", "", LineError(errno.EIO, "damaged", "/dev/ttyUSB0", kind="break", byte=0)),
    ]
    lines = [line for kind, what, error in errors for line in Event(kind, words=error_words(what, error)).lines()]
    for event, (_, _, error) in zip(
        read_record(f"{HEADER}{''.join(lines)}0.000000 end".encode(), "x").events, errors, strict=True
    ):
        assert type(event.error) is type(error)
        assert event.error is not None
        assert (event.error.errno, event.error.filename) == (error.errno, error.filename)
        if isinstance(error, LineError):
            assert isinstance(event.error, LineError)
            assert (event.error.kind, event.error.byte) == (error.kind, error.byte)


def test_comments_and_empty_lines_are_ignored() -> None:
    record = read_record(f'# a meter\n{HEADER}\n# the question\n0.000000 send "A"\n0.100000 end\n'.encode(), "x")
    assert [event.line for event in record.events] == [7]
    assert record.last_line == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "x is empty"),
        ("anyserial record 2\n", "x, line 1: this is not a record that this version can read"),
        ('anyserial record 1\nport "/dev/x"\n', "x, line 2: expected 'path"),
        ('anyserial record 1\npath "/dev/x"\nconfig baudrate=-1\n', "x, line 3: baudrate must be"),
        ('anyserial record 1\npath "/dev/x"\nconfig speed=9600\n', "x, line 3: .*speed"),
        ('anyserial record 1\npath "/dev/x"\nconfig rs485.x=1\n', "x, line 3: rs485 has no setting x"),
        (HEADER, "x is cut off after line 3"),
        (HEADER + '0.000000 send "A"\n', "x is cut off after line 4"),
        (HEADER + '0.000000 send "A\n', "x, line 4: expected bytes in double quotes"),
        (HEADER + '0.000000 send "\\q"\n', "x, line 4: the bytes cannot be read from '"),
        (HEADER + '0.000000 send ""\n', "x, line 4: send needs at least one byte"),
        (HEADER + '0.0 send "A"\n', "x, line 4: this is not an event"),
        (HEADER + "0.000000 shout\n", "x, line 4: there is no event 'shout'; the events are break, close,"),
        (HEADER + "x" * 100_000, r"x, line 4: this is not an event.* and more\)$"),
        (HEADER + "0.000000 configure baudrate=1 baudrate=2\n", "x, line 4: baudrate is given twice"),
        (HEADER + '1.000000 send "A"\n0.500000 send "B"\n', "x, line 5: the time 0.500000 lies before"),
        (HEADER + "0.000000 break maybe\n", "x, line 4: break must be followed by on or off"),
        (HEADER + "0.000000 discard\n", "x, line 4: discard must be followed by input or output"),
        (HEADER + "0.000000 configure baudrate=fast\n", "x, line 4: baudrate must be"),
        (HEADER + "0.000000 configure baudrate\n", "x, line 4: expected NAME=VALUE"),
        (HEADER + "0.000000 lines\n", "x, line 4: lines takes rts, dtr"),
        (HEADER + "0.000000 lines rts=1\n", "x, line 4: rts must be on or off"),
        (HEADER + "0.000000 modem cts=on\n", "x, line 4: modem takes cts, dsr, ri, cd"),
        (HEADER + "0.000000 gone away=on\n", "x, line 4: gone takes nothing"),
        (HEADER + "0.000000 counters cts=x\n", "x, line 4: counters takes"),
        (HEADER + "0.000000 fail send\n", "x, line 4: expected 'fail"),
        (HEADER + '0.000000 fail send KeyError EIO "x"\n', "x, line 4: expected 'fail"),
        (HEADER + '0.000000 fail send SerialError EXYZ "x"\n', "x, line 4: there is no errno EXYZ"),
        (HEADER + "0.000000 damaged badly\n", "x, line 4: expected 'damaged"),
        (HEADER + '0.000000 end\n0.000000 send "A"\n', "x, line 5: nothing may follow"),
    ],
)
def test_damaged_record_names_its_line(text: str, message: str) -> None:
    with pytest.raises(RecordError, match=message):
        read_record(text.encode(), "x")
