"""What is serial in a terminal, as tables: settings, keys, line ends, escape sequences, hex, timestamps, pacing."""

import time

import pytest
from anyserial import FlowControl, PortInfo, SerialConfig
from anyserial_cli._term._escapes import EscapeFilter
from anyserial_cli._term._hex import HexDump, parse_hex
from anyserial_cli._term._keys import Key, Keys, Typed, key_name, parse_key
from anyserial_cli._term._newlines import ReceivedNewlines, map_sent
from anyserial_cli._term._pacing import paced
from anyserial_cli._term._picker import Choice
from anyserial_cli._term._settings import describe, parse_settings
from anyserial_cli._term._stamps import Stamper
from anyserial_cli._term._view import View, ViewSettings


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("115200,8N1", "115200,8N1"),
        ("9600 7e1 rtscts", "9600,7E1,rtscts"),
        ("8o1.5", "115200,8O1.5"),
        ("57600, even, xonxoff", "57600,8E1,xonxoff"),
        ("5m2 noflow", "115200,5M2"),
        ("dtrdsr", "115200,8N1,dtrdsr"),
        ("rs485", "115200,8N1,rs485"),
        ("nors485", "115200,8N1"),
        ("", "115200,8N1"),
    ],
)
def test_settings_in_the_short_form(text: str, short: str) -> None:
    assert describe(SerialConfig(**parse_settings(text))) == short


def test_settings_are_read_back_as_they_are_described() -> None:
    config = SerialConfig(baudrate=9600, byte_size=7, parity="E", flow_control=FlowControl(rts_cts=True))
    assert SerialConfig(**parse_settings(describe(config))) == config


@pytest.mark.parametrize("word", ["9600x", "9N1", "8X1", "8N3", "-1", "rts"])
def test_a_word_that_is_no_setting_is_named(word: str) -> None:
    with pytest.raises(ValueError, match=f"'{word}' is not a baud rate"):
        parse_settings(f"9600,{word}")


@pytest.mark.parametrize(
    ("pieces", "events"),
    [
        ([b"abc"], [Typed(b"abc")]),
        ([b"\x14q"], [Key("q")]),
        ([b"a\x14qb"], [Typed(b"a"), Key("q"), Typed(b"b")]),
        ([b"\x14", b"q"], [Key("q")]),
        ([b"\x14\x14x"], [Typed(b"\x14x")]),
        ([b"\x14", b"\x14"], [Typed(b"\x14")]),
        ([b"\x14\x14\x14q"], [Typed(b"\x14"), Key("q")]),
        ([b"\x14?\x14q"], [Key("?"), Key("q")]),
        ([b"a\x14"], [Typed(b"a")]),
    ],
)
def test_the_menu_key_is_taken_out(pieces: list[bytes], events: list[Typed | Key]) -> None:
    keys = Keys(0x14)
    assert [event for piece in pieces for event in keys.feed(piece)] == events


def test_without_a_menu_key_everything_is_the_devices() -> None:
    assert Keys(None).feed(b"\x14q") == [Typed(b"\x14q")]


@pytest.mark.parametrize(
    ("text", "byte", "name"),
    [("ctrl-t", 0x14, "ctrl-t"), ("^A", 1, "ctrl-a"), ("Ctrl-]", 0x1D, "ctrl-]"), ("none", None, "none")],
)
def test_a_key_by_its_name(text: str, byte: int | None, name: str) -> None:
    assert parse_key(text) == byte
    assert key_name(byte) == name


@pytest.mark.parametrize("text", ["t", "ctrl-", "ctrl-tt", "alt-t", "^1", ""])
def test_a_key_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a key such as ctrl-t"):
        parse_key(text)


@pytest.mark.parametrize(
    ("choice", "shown"),
    [
        ("auto", "a\r\nb\r\nc\rd\r\n\r\n"),
        ("cr", "a\r\nb\r\nc\r\nd\r\n\r\n"),
        ("lf", "a\r\nb\r\ncd\r\n\r\n"),
        ("none", "a\nb\r\nc\rd\r\n\n"),
    ],
)
def test_received_line_ends_in_one_piece_and_in_many(choice: str, shown: str) -> None:
    text = "a\nb\r\nc\rd\r\n\n"
    assert ReceivedNewlines(choice).feed(text) == shown
    newlines = ReceivedNewlines(choice)
    assert "".join(newlines.feed(char) for char in text) == shown


@pytest.mark.parametrize("newline", [b"\r", b"\n", b"\r\n"])
def test_sent_line_ends(newline: bytes) -> None:
    assert map_sent(b"a\nb\r\nc\rd", newline) == newline.join([b"a", b"b", b"c", b"d"])


PASSED = [
    "plain",
    "\x1b[31;1mred\x1b[0m",
    "\x1b[2J\x1b[H\x1b[10;20H\x1b[K",
    "\x1b[?25l\x1b[?1049h",
    "\x1b7\x1b8\x1bM\x1b(B\x1b)0",
    "\x1b[38:2:1:2:3m",
    "\x1b[4 q",
    "\a\b\t\x0e\x0f",
    "\x1b[3@\x1b[2L",
]
DROPPED = [
    "\x1b]0;title\a",
    "\x1b]52;c;AAAA\x1b\\",
    "\x1b]8;;http://x\x1b\\",
    "\x1b[c",
    "\x1b[>c",
    "\x1b[=c",
    "\x1b[6n",
    "\x1b[99999b",
    "\x1b[?6n",
    "\x1b[5n",
    "\x1b[21t",
    "\x1b[8;1;1t",
    "\x1bZ",
    "\x05",
    "\x00\x7f",
    "\x1bP+q544e\x1b\\",
    "\x1b_app\x1b\\",
    "\x1b^pm\x1b\\",
    "\x1bXsos\x1b\\",
    "\x1b[?1000h",
    "\x1b[?1004;1006h",
    "\x1b[>q",
    "\x1b[x",
    "\x1b[?5W",
    '\x1b[0;1"p',
    "\x1b%G",
]


@pytest.mark.parametrize("text", PASSED)
def test_what_is_for_looks_passes(text: str) -> None:
    assert EscapeFilter("filter").feed(text) == text
    pieces = EscapeFilter("filter")
    assert "".join(pieces.feed(char) for char in text) == text


@pytest.mark.parametrize("text", DROPPED)
def test_what_is_not_for_looks_is_dropped(text: str) -> None:
    assert EscapeFilter("filter").feed(f"a{text}b") == "ab"
    pieces = EscapeFilter("filter")
    assert "".join(pieces.feed(char) for char in f"a{text}b") == "ab"


@pytest.mark.parametrize("text", [*PASSED[1:], *DROPPED])
def test_nothing_is_obeyed_if_it_is_shown(text: str) -> None:
    shown = EscapeFilter("show").feed(text)
    assert not any(ord(char) < 32 and char not in "\t\r\n" for char in shown)
    assert EscapeFilter("obey").feed(text) == text


@pytest.mark.parametrize("text", [*PASSED[1:6], *DROPPED])
def test_a_log_of_the_text_has_no_control_characters(text: str) -> None:
    assert "\x1b" not in EscapeFilter("strip").feed(text)


def test_only_the_harmless_modes_of_several_pass() -> None:
    assert EscapeFilter("filter").feed("\x1b[?1;1000;25h") == "\x1b[?1;25h"


def test_a_c1_control_that_a_terminal_could_obey_is_shown() -> None:
    assert EscapeFilter("filter").feed("\x9b31m\x9d") == r"\x9b31m\x9d"


@pytest.mark.parametrize(
    ("sequence", "passed"),
    [("\x1b[r", "\x1b[1;23r"), ("\x1b[1;24r", "\x1b[1;23r"), ("\x1b[5;10r", "\x1b[5;10r"), ("\x1b[;0r", "\x1b[1;23r")],
)
def test_a_scroll_region_leaves_the_last_row(sequence: str, passed: str) -> None:
    escapes = EscapeFilter("filter", 23)
    assert escapes.feed(sequence) == passed
    assert escapes.disturbed


def test_a_string_that_never_ends_swallows_no_more_than_its_limit() -> None:
    escapes = EscapeFilter("filter")
    shown = escapes.feed("\x1b]0;") + "".join(escapes.feed("x" * 1000) for _ in range(20))
    assert 10_000 < len(shown) < 20_000


def test_a_sequence_that_never_ends_is_not_held_for_ever() -> None:
    escapes = EscapeFilter("filter")
    assert escapes.feed("\x1b[" + "1;" * 1000 + "x").endswith("1;x")


def test_an_escape_before_text_takes_only_itself() -> None:
    assert EscapeFilter("filter").feed("a\x1b\nb") == "a\nb"
    assert EscapeFilter("filter").feed("a\x1b\x1b[31mb") == "a\x1b[31mb"


ROW = "00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  |0123456789abcdef|\r\n"
PART = "00000010  00 ff                                             |..|"


def test_hex_rows_are_written_over_on_a_terminal() -> None:
    dump = HexDump(live=True)
    part = "00000000  30 31                                             |01|"
    assert dump.feed(b"01") == part
    assert dump.feed(b"23456789abcdef\x00\xff") == "\r" + ROW + PART
    assert dump.flush() == "\r\n"
    assert dump.feed(b"z").startswith("00000012  7a ")


def test_hex_rows_wait_until_they_are_full_elsewhere() -> None:
    dump = HexDump(live=False)
    assert dump.feed(b"01") == ""
    assert dump.feed(b"23456789abcdef\x00\xff") == ROW
    assert dump.flush() == PART + "\r\n"
    assert dump.flush() == ""


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("01 0a ff", b"\x01\x0a\xff"),
        ("010aFF", b"\x01\x0a\xff"),
        ("0x1,0x2", b"\x01\x02"),
        (r"\x41\x42", b"AB"),
        ("7", b"\x07"),
        ("", b""),
    ],
)
def test_hex_as_people_type_it(text: str, data: bytes) -> None:
    assert parse_hex(text) == data


@pytest.mark.parametrize(
    ("text", "reason"), [("zz", "holds 'z'"), ("123", "odd number of digits"), ("1g", "holds 'g'")]
)
def test_what_is_no_hex_is_explained(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_hex(text)


@pytest.mark.parametrize(
    ("choice", "first", "second"),
    [
        ("off", "", ""),
        ("start", "[     1.000] ", "[     2.500] "),
        ("delta", "[+    1.000] ", "[+    1.500] "),
        ("time", "[12:00:01.000] ", "[12:00:02.500] "),
        ("date", "[2026-01-02 12:00:01.000] ", "[2026-01-02 12:00:02.500] "),
    ],
)
def test_timestamps_stand_where_lines_begin(choice: str, first: str, second: str) -> None:
    noon = time.mktime((2026, 1, 2, 12, 0, 0, 0, 0, -1))
    stamper = Stamper(choice, 100.0, noon)
    assert stamper.feed("a", 101.0) == f"{first}a"
    assert stamper.feed("b\r\n", 102.0) == "b\r\n"
    assert stamper.feed("c\r\n", 102.5) == f"{second}c\r\n"
    assert stamper.feed("", 103.0) == ""


@pytest.mark.parametrize(
    ("data", "per_character", "per_line", "pieces"),
    [
        (b"ab\r", 0, 0, [(b"ab\r", 0)]),
        (b"", 1, 1, []),
        (b"ab", 1, 0, [(b"a", 1), (b"b", 1)]),
        (b"ab\ncd\r\ne\rf", 0, 2, [(b"ab\n", 2), (b"cd\r\n", 2), (b"e\r", 2), (b"f", 0)]),
        (b"a\r", 1, 2, [(b"a", 1), (b"\r", 3)]),
    ],
)
def test_pacing(data: bytes, per_character: float, per_line: float, pieces: list[tuple[bytes, float]]) -> None:
    assert [*paced(data, per_character, per_line)] == pieces


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize(
    ("encoding", "data", "text"),
    [
        ("utf-8", "grün €".encode(), "grün €"),
        ("utf-8", b"a\xffb", r"a\xffb"),
        ("latin-1", b"\xe4", "ä"),
        ("utf-16-le", "ab".encode("utf-16-le"), "ab"),
        ("ascii", b"\xe4", r"\xe4"),
    ],
)
def test_characters_come_in_pieces(encoding: str, data: bytes, text: str, size: int) -> None:
    view = View(ViewSettings(encoding=encoding), began=0, wall=0)
    pieces = [view.feed(data[at : at + size], 0) for at in range(0, len(data), size)]
    assert "".join(pieces) + view.flush(0) == text


def test_what_is_missing_at_the_end_is_shown_as_it_is() -> None:
    view = View(ViewSettings(), began=0, wall=0)
    assert view.feed(b"\xe2\x82", 0) == ""
    assert view.flush(0) == r"\xe2\x82"


def many_ports(count: int) -> Choice:
    choice = Choice()
    for number in range(count):
        choice.add(PortInfo(device=f"/dev/ttyUSB{number}", description="A cable with a long description"))
    return choice


def test_the_picker_takes_arrow_keys_and_letters() -> None:
    choice = many_ports(12)
    choice.press("\x1b[B\x1bOB\x1b[A")
    assert [line[0] for line in choice.lines()[1:4]] == [" ", ">", " "]
    choice.press("\x1b[A\x1b[A")
    assert choice.lines()[12].startswith("> c  /dev/ttyUSB11")
    choice.press("\x1b[C")  # another key of that kind gives nothing up
    assert not choice.done
    choice.press("b")
    assert choice.chosen == "/dev/ttyUSB10"
    again = many_ports(2)
    again.press("\x1b[B\r")
    assert again.chosen == "/dev/ttyUSB1"
    again = many_ports(0)
    again.press("\x1b[B\r1")
    assert not again.done


def test_the_picker_fits_a_small_screen() -> None:
    choice = many_ports(40)
    lines = choice.lines(rows=8, columns=30)
    assert len(lines) == 7
    assert max(map(len, lines)) < 30
    assert lines[-1].startswith("  35 more: ")
    choice.press("\x1b[A")
    assert choice.lines(rows=8, columns=30)[5].startswith(">    /dev/ttyUSB39")
    assert len(choice.lines(rows=1, columns=1)) == 3


def test_the_picker_follows_what_is_plugged_in() -> None:
    choice = Choice()
    assert "plug one in" in choice.lines()[0]
    choice.press("\r")
    assert not choice.done
    first = PortInfo(device="/dev/ttyUSB0", description="Cable\x1b[2J", serial_number="A1")
    choice.add(first)
    choice.add(PortInfo(device="/dev/ttyACM0"))
    assert choice.lines()[1] == r"> 1  /dev/ttyUSB0  Cable\x1b[2J, serial A1"
    choice.press("3")
    assert not choice.done
    choice.remove(first)
    choice.press("1")
    assert choice.chosen == "/dev/ttyACM0"


@pytest.mark.parametrize("key", ["q", "\x03", "\x1b", "\x04"])
def test_the_picker_is_left_without_a_port(key: str) -> None:
    choice = Choice()
    choice.add(PortInfo(device="/dev/ttyACM0"))
    choice.press(key)
    assert (choice.done, choice.chosen) == (True, None)
