"""The URL handlers for devices: ``spy://``, ``alt://`` and ``hwgrep://``, each on a pty that echoes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anyserial import pyserial as serial
from anyserial_sync._pyserial.tools import list_ports_common
from anyserial_sync._pyserial.urlhandler import protocol_hwgrep
from far_ends import far_end


@pytest.fixture
def path() -> Iterator[str]:
    with far_end(bytes) as path:
        yield path


def opened(url: str, **settings: Any) -> Any:
    return serial.serial_for_url(url, **settings)


def without_times(text: str) -> list[str]:
    return [re.sub(r"^(\x1b\[\d+m)?\d{6}\.\d{3} ", r"\1", line) for line in text.splitlines()]


DUMP = [
    "TX   0000  00 01 02 03 04 05 06 07  08 09 0A 0B 0C 0D 0E 0F  ................",
    "TX   0010  41 42                                             AB              ",
    "RX   0000  00 01 02 03 04 05 06 07  08 09 0A 0B 0C 0D 0E 0F  ................",
    "RX   0010  41 42                                             AB              ",
]
SENT = bytes(range(16)) + b"AB"


def test_a_spied_port_shows_every_call(path: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with opened(f"spy://{path}?file={log}", timeout=5) as port:
        assert (port.port, port.name) == (path, path)
        port.write(SENT)
        assert port.read(len(SENT)) == SENT
        port.timeout = 0
        assert port.read(1) == b""
        assert port.in_waiting == 0
        port.flush()
        port.reset_input_buffer()
        port.reset_output_buffer()
        port.cancel_read()
        port.cancel_write()
    shown = without_times(log.read_text())
    calls = [
        "Q-TX flush",
        "Q-RX reset_input_buffer",
        "Q-TX reset_output_buffer",
        "Q-RX cancel_read",
        "Q-TX cancel_write",
    ]
    assert shown == [*DUMP, *calls]


def test_all_shows_what_is_seldom_wanted_and_color_colours(path: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with opened(f"SPY://{path}?file={log}&all&color", timeout=0) as port:
        port.read(1)
        _ = port.in_waiting
        port.write(b"A")
    assert without_times(log.read_text()) == [
        "\x1b[32mRX   <empty>",
        "\x1b[37mQ-RX in_waiting -> 0",
        "\x1b[31mTX   0000  41                                                A               ",
    ]


def test_raw_shows_the_bytes_themselves(path: str, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    with opened(f"spy://{path}?file={log}&raw&color", timeout=5) as port:
        port.write(b"\xff\n")
        port.flush()
        port.read(2)
    assert log.read_bytes() == b"\x1b[31m\xff\n\x1b[32m\xff\n"


def test_without_a_file_it_goes_to_standard_error(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    with opened(f"spy://{path}", timeout=5) as port:
        port.write(b"A")
        port.read_until(b"A")
    assert [line[:10] for line in without_times(capsys.readouterr().err)] == ["TX   0000 ", "RX   0000 "]


def test_the_lines_are_shown_with_their_levels(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A pty has no lines: what reaches the driver is taken away, and what it would answer is put there.
    def do_nothing(_: object) -> None: ...
    def is_active(_: object) -> bool:
        return True

    base = serial.Serial
    for name in ("_update_rts_state", "_update_dtr_state", "_update_break_state"):
        monkeypatch.setattr(base, name, do_nothing)
    for name in ("cts", "dsr", "ri", "cd"):
        monkeypatch.setattr(base, name, property(is_active))
    log = tmp_path / "log.txt"
    with opened(f"spy://{path}?file={log}") as port:
        port.rts = False
        port.dtr = True
        port.send_break(0)
        assert [port.cts, port.dsr, port.ri, port.cd] == [True] * 4
    lines = ["CTS  active", "DSR  active", "RI   active", "CD   active"]
    breaks = ["BRK  send_break 0s", "BRK  active", "BRK  inactive"]
    assert without_times(log.read_text()) == ["RTS  inactive", "DTR  active", *breaks, *lines]


@pytest.mark.parametrize("url", ["spy://{}?colour", "spy://{}?file", "alt://{}?klass=Serial"])
def test_an_option_that_a_url_does_not_have(path: str, url: str) -> None:
    with pytest.raises((serial.SerialException, OSError), match=r"takes (spy|alt)://PORT|Is a directory|file"):
        opened(url.format(path))


@pytest.mark.parametrize(
    ("option", "name"),
    [
        ("", "Serial"),
        ("?class=Serial", "Serial"),
        ("?class=PosixPollSerial", "PosixPollSerial"),
        ("?class=VTIMESerial", "VTIMESerial"),
    ],
)
def test_alt_chooses_the_class(path: str, option: str, name: str) -> None:
    with opened(f"alt://{path}{option}", timeout=5) as port:
        assert type(port) is getattr(serial, name)
        port.write(b"A")
        assert port.read(1) == b"A"


def test_alt_knows_no_other_class(path: str) -> None:
    with pytest.raises(ValueError, match="PosixPollSerial, Serial, VTIMESerial"):
        opened(f"alt://{path}?class=os")


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the listing has for hwgrep, which here are the paths that a test appends."""
    paths: list[str] = []

    def grep(_: str) -> Iterator[list_ports_common.ListPortInfo]:
        return map(list_ports_common.ListPortInfo, paths)

    monkeypatch.setattr(protocol_hwgrep, "grep", grep)
    return paths


def test_hwgrep_opens_the_first_match_or_the_one_that_n_names(path: str, listed: list[str]) -> None:
    listed += ["/dev/nothing", path]
    with opened("hwgrep://0403:.?&n=2", timeout=5) as port:
        assert port.port == path
        port.write(b"A")
        assert port.read(1) == b"A"
    assert opened("HWGREP://x&n=1", do_not_open=True).port == "/dev/nothing"


def test_hwgrep_skips_busy_ports_if_asked_to(path: str, listed: list[str]) -> None:
    with far_end(bytes) as other:
        listed += [path, other]
        with serial.Serial(path, exclusive=True):
            assert opened("hwgrep://x", do_not_open=True).port == path
            with opened("hwgrep://x&skip_busy") as port:
                assert port.port == other


@pytest.mark.parametrize(
    ("url", "error", "message"),
    [
        ("hwgrep://nonsense", serial.SerialException, "no ports found matching regexp 'nonsense'"),
        ("hwgrep://x&n=2", serial.SerialException, r"as n=2 asks for \(found 1\)"),
        ("hwgrep://x&n=0", ValueError, "n must be a whole number"),
        ("hwgrep://x&m=1", ValueError, "unknown option 'm'"),
    ],
)
def test_hwgrep_without_a_match(listed: list[str], url: str, error: type[Exception], message: str) -> None:
    if "nonsense" not in url:
        listed.append("/dev/nothing")
    with pytest.raises(error, match=message):
        opened(url)
