"""``anyserial term`` as its user sees it: the real program, in a terminal that pyte emulates."""

import os
import re
import select
import shlex
import signal
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import anyserial_cli
import pytest
from anyserial_cli._term._keys import COMMANDS

PROGRAM = [sys.executable, "-W", "error", "-m", "anyserial"]
MENU = "\x14"
LARGE = 1_000_000  # bytes: more than every queue on the way holds


def connect(run: Any, device: Any, *options: str, **kwargs: Any) -> Any:
    user = run("term", device.path, *options, **kwargs)
    user.wait("connected to ")
    return user


def leave(user: Any) -> None:
    user.type(MENU + "q")
    assert user.wait_exit() == 0
    assert user.is_restored()


def test_what_is_received_is_shown_and_what_is_typed_is_sent(run: Any, device: Any) -> None:
    user = connect(run, device)
    device.send(b"hello\nworld\r\n\xe2\x82\xac ")
    user.wait("€")
    assert user.lines[1:4] == ["hello", "world", "€"]
    user.type("at\r\x03\x1b[A")
    device.expect(b"at\r\x03\x1b[A")
    leave(user)


def test_the_help_fits_a_screen_and_has_every_key(run: Any, device: Any) -> None:
    user = connect(run, device)
    user.type(MENU + "?")
    user.wait("suspend (fg")
    for key, (_, what) in COMMANDS.items():
        assert f"ctrl-t {key}  {what}" in user.text
    leave(user)


def test_the_menu_key_twice_sends_it_and_another_key_may_be_the_menu(run: Any, device: Any) -> None:
    user = connect(run, device)
    user.type(MENU + MENU + "x")
    device.expect(b"\x14x")
    user.type(MENU + "i")
    user.wait("--- log       none")
    assert f"--- port      {device.path} (open)" in user.lines
    assert "--- received  0 bytes, sent 2, waiting 0" in user.lines
    leave(user)
    other = connect(run, device, "--menu-key", "ctrl-]")
    other.type(MENU + "\x1d#")
    device.expect(b"\x14")
    other.wait("'#' is not a command; ctrl-] ? shows them")
    other.type("\x1dq")
    assert other.wait_exit() == 0


def test_the_status_line_counts_and_stays_below_the_text(run: Any, device: Any) -> None:
    user = connect(run, device)
    user.wait(lambda: "115200,8N1  rx 0 tx 0" in user.lines[-1])
    device.send(b"line\n" * 60 + b"end")
    user.wait(lambda: "rx 303" in user.lines[-1] and user.lines[-2] == "end")
    user.type("abc")
    device.expect(b"abc")
    user.wait(lambda: "tx 3" in user.lines[-1])
    user.type(MENU)
    user.wait(lambda: "press ? for help" in user.lines[-1])
    user.type("l")
    user.wait(lambda: "rx" not in user.lines[-1] and "press" not in user.lines[-1])
    device.send(b"\nmore\n" * 12 + b"last")
    user.wait(lambda: user.lines[-1] == "last")
    leave(user)


def test_the_status_line_follows_the_size(run: Any, device: Any) -> None:
    user = connect(run, device)
    user.wait(lambda: "rx 0" in user.lines[-1])
    user.resize(30, 100)
    user.wait(lambda: "rx 0" in user.lines[-1] and not any("rx 0" in line for line in user.lines[:-1]))
    device.send(b"line\n" * 60 + b"end")
    user.wait(lambda: user.lines[-2] == "end" and "rx 303" in user.lines[-1])
    user.resize(12, 60)
    user.wait(lambda: "115200,8N1" in user.lines[-1])
    device.send(b"\nline" * 30 + b"ing")
    user.wait(lambda: user.lines[-2] == "lineing" and "115200,8N1" in user.lines[-1])
    leave(user)


RESETS = (b"\x1bc", b"\x1b[r", b"\x1b[1;24r", b"\x1b[2J\x1b[H", b"\x1b[?1049h\x1b[2J")


def test_the_device_cannot_take_the_status_line_away(run: Any, device: Any) -> None:
    user = connect(run, device)
    user.wait(lambda: "rx 0" in user.lines[-1])
    received = 0
    for number, reset in enumerate(RESETS):
        for data, shown in ((reset + b"x", "x"), (b"line\r\n" * 60 + b"end%d" % number, f"end{number}")):
            device.send(data)
            received += len(data)
            user.wait(lambda shown=shown, received=received: shown in user.text and f"rx {received} " in user.lines[-1])
        assert user.lines[-2] == f"end{number}"
    leave(user)


def test_the_settings_change_while_the_port_is_open(run: Any, device: Any) -> None:
    user = connect(run, device)
    user.type(MENU + "c")
    user.wait("settings> 115200,8N1")
    user.type("\x159600,8N2\r")
    user.wait("--- settings: 9600,8N2")
    assert device.rate() == termios.B9600
    user.wait(lambda: "9600,8N2" in user.lines[-1])
    user.type(MENU + "c")
    user.wait("settings> 9600,8N2")
    user.type("\x159600x\r")
    user.wait("'9600x' is not a baud rate (115200)")
    user.type(MENU + "c")
    user.wait("settings> 9600,8N2")
    user.type("\x03")
    user.wait(lambda: "settings>" not in user.text)
    user.type("x")
    device.expect(b"x")
    assert device.rate() == termios.B9600
    leave(user)


@pytest.mark.parametrize(
    ("options", "rate", "told"),
    [
        (["9600,8n2"], termios.B9600, "9600,8N2"),
        (["57600", "--flow", "rtscts"], termios.B57600, "57600,8N1,rtscts"),
        (["-b", "19200", "--size", "8", "--parity", "none", "--stop", "2"], termios.B19200, "19200,8N2"),
        (["9600,8n1,xonxoff", "-b", "38400"], termios.B38400, "38400,8N1,xonxoff"),
    ],
)
def test_the_settings_from_the_command_line(run: Any, device: Any, options: list[str], rate: int, told: str) -> None:
    user = connect(run, device, *options)
    user.wait(lambda: told in user.lines[-1])
    assert device.rate() == rate
    leave(user)


def test_line_mode_edits_and_remembers(run: Any, device: Any) -> None:
    user = connect(run, device)
    user.type(MENU + "m")
    user.wait(lambda: "  line  " in user.lines[-1])
    device.send(b"boot\r\nlogin: ")
    user.wait("login:")
    user.type("rootx\x7f")
    user.wait("login: root")
    device.send(b"\r\nlate news\r\nlogin: ")  # while a line is being typed
    user.wait(lambda: "late news" in user.lines and user.lines[user.lines.index("late news") + 1] == "login: root")
    user.type("\r")
    device.expect(b"root\r")
    user.type("\x1b[A")
    user.wait(lambda: user.lines[user.screen.cursor.y].endswith("root"))
    user.type("2\r")
    device.expect(b"root2\r")
    user.type("\x03")
    device.expect(b"\x03")
    user.type("\x04")
    device.expect(b"\x04")
    user.type(MENU + "n")
    user.wait("Enter sends LF")
    user.type("x\r")
    device.expect(b"x\n")
    leave(user)


def test_hex_input(run: Any, device: Any) -> None:
    user = connect(run, device, "--mode", "hex")
    user.wait(lambda: any(line.startswith("hex>") for line in user.lines))
    user.type("01 0xff,7\r")
    device.expect(b"\x01\xff\x07")
    user.wait("hex> 01 ff 07")
    user.type("01 zz\r")
    user.wait("'zz' is not hex: it holds 'z'")
    user.type(MENU + "m")
    user.wait("input: raw")
    user.type("z")
    device.expect(b"z")
    leave(user)


def test_the_hex_view_shows_a_row_that_is_not_full_and_completes_it(run: Any, device: Any) -> None:
    user = connect(run, device, "--hex")
    device.send(b"AB\x00\xff")
    user.wait("00000000  41 42 00 ff                                       |AB..|")
    device.send(bytes(range(0x30, 0x40)))
    user.wait("00000000  41 42 00 ff 30 31 32 33  34 35 36 37 38 39 3a 3b  |AB..0123456789:;|")
    user.wait("00000010  3c 3d 3e 3f")
    assert "|AB..|" not in user.text
    user.type(MENU + "x")
    user.wait("output: text")
    device.send(b"plain\r\n")
    user.wait("plain")
    leave(user)


def test_timestamps_echo_and_line_ends_from_keys(run: Any, device: Any) -> None:
    user = connect(run, device)
    for name in ("time", "date", "start", "delta"):
        user.type(MENU + "t")
        user.wait(f"timestamps: {name} (")
    device.send(b"one\ntwo\n")
    user.wait(lambda: re.search(r"^\[\+ +\d+\.\d{3}\] two", user.text, re.MULTILINE) is not None)
    user.type(MENU + "t")
    user.wait("timestamps: off")
    user.type(MENU + "e")
    user.wait("local echo on")
    user.type("echoed\r")
    device.expect(b"echoed\r")
    user.wait("echoed")
    user.type(MENU + "n" + MENU + "n")
    user.wait("Enter sends CR LF")
    user.type("\r")
    device.expect(b"\r\n")
    user.type(MENU + "N")
    user.wait("received line ends: cr")
    device.send(b"alpha\rbeta\r")
    user.wait(lambda: "alpha" in user.lines and "beta" in user.lines)
    leave(user)


@pytest.mark.parametrize(
    ("encoding", "typed"), [("ascii", b"?a\r"), ("latin-1", b"\xe9a\r"), ("utf-8", b"\xc3\xa9a\r")]
)
def test_what_is_typed_is_sent_in_the_encoding_of_the_device(
    run: Any, device: Any, encoding: str, typed: bytes
) -> None:
    user = connect(run, device, "--encoding", encoding)
    user.type("éa\r")
    device.expect(typed)
    device.send(typed)
    user.wait("?a" if encoding == "ascii" else "éa")
    leave(user)


def test_a_name_that_holds_control_characters_is_shown_harmless(run: Any, device: Any) -> None:
    path = Path(device.path).with_name("a port \x1b[31m")
    path.symlink_to(device.path)
    user = run("term", str(path))
    user.wait(r"a port \x1b[31m at 115200")
    user.type(MENU + "i")
    user.wait(r"a port \x1b[31m (open)")
    leave(user)
    assert b"\x1b[31m" not in user.output
    path.unlink()


# Somebody else reads from the port, too. A pseudo-terminal is never asked about, so this stands for one.
SHARED = """
import sys, types, anyserial_cli
from anyserial_cli._term import _session
async def inspect_serial_port(device):
    return types.SimpleNamespace(holders="held by pid 1 (init)")
_session.inspect_serial_port, _session._is_pty = inspect_serial_port, lambda path: False
sys.exit(anyserial_cli.main(sys.argv[1:]))
"""


def test_a_port_that_another_program_reads_from_is_told(run: Any, device: Any) -> None:
    user = run.command([sys.executable, "-c", SHARED, "term", device.path])
    user.wait("connected to ")
    user.wait("the port was open already, held by pid 1 (init): each program gets")
    leave(user)


HOSTILE = "\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x07\x1b[c\x1b[6n\x1bZ\x05\x1bP$qm\x1b\\\x1b[>q\x1b[21t"


def test_hostile_sequences_are_dropped_shown_or_obeyed_as_chosen(run: Any, device: Any) -> None:
    user = connect(run, device)
    device.send(b"\x1b[31mred\x1b[0m" + HOSTILE.encode() + b"end")
    user.wait("redend")
    assert b"\x1b[31mred" in user.output
    for piece in (b"\x1b]", b"\x1bP", b"\x1b[c", b"\x1b[6n", b"\x1bZ", b"\x05", b"owned", b"21t"):
        assert piece not in user.output
    user.type(MENU + "s")
    user.wait("escape sequences: show")
    device.send(b"\x1b[31m\x1b]0;owned\x07!")
    user.wait(r"\x1b[31m\x1b]0;owned\x07!")
    leave(user)


def test_safe_shows_everything(run: Any, device: Any) -> None:
    user = connect(run, device, "--safe")
    device.send(b"\x1b[31mred\x00")
    user.wait(r"\x1b[31mred\x00")
    leave(user)


def test_binary_garbage_leaves_the_terminal_usable(run: Any, device: Any) -> None:
    user = connect(run, device)
    garbage = bytes((at * 37 + (at >> 8) * 11) & 0xFF for at in range(50_000))
    device.send(garbage)
    user.wait(lambda: "rx 50000" in user.text)
    user.type(MENU + "k")
    user.wait(lambda: not "".join(user.lines[:-1]).strip())
    device.send(b"\x18\x1b\\\r\nstill here\r\n")
    user.wait("still here")
    assert b"\x1b]" not in user.output
    leave(user)


@pytest.mark.parametrize("mode", ["raw", "line"])
def test_the_log_is_complete_while_nobody_reads_the_screen(run: Any, device: Any, mode: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    user = connect(run, device, "--mode", mode, "--log", str(log))
    data = b"".join(b"%07d\n" % number for number in range(LARGE // 8))
    device.send(data)  # ends only when the program has taken it, and the screen is not read meanwhile
    user.wait(f"{LARGE // 8 - 1:07}")
    user.wait(lambda: f"rx {LARGE}" in user.lines[-1])
    leave(user)
    assert b" not shown ..." in user.output
    assert log.read_bytes() == data


def test_a_log_is_begun_and_ended_from_keys(run: Any, device: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"before\n")
    user = connect(run, device)
    user.type(MENU + "g")
    user.wait("log to file>")
    user.type(f"{log}\r")
    user.wait(lambda: "  log log  " in user.lines[-1])
    device.send(b"kept\r\n")
    user.wait("kept")
    user.type(MENU + "g")
    user.wait("log ended")
    device.send(b"not kept\r\n")
    user.wait("not kept")
    leave(user)
    assert log.read_bytes() == b"before\nkept\r\n"


def test_a_log_of_the_text_has_no_colours_and_has_timestamps(run: Any, device: Any, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"old\n")
    user = connect(run, device, "--log", str(log), "--log-as", "seen", "--timestamps", "start")
    device.send(b"\x1b[31mred\x1b[0m\r\nrest")
    user.wait("rest")
    leave(user)
    assert re.fullmatch(r"\[ +\d+\.\d{3}\] red\n\[ +\d+\.\d{3}\] rest", log.read_text())


def test_a_full_disk_is_told_and_the_session_goes_on(run: Any, device: Any, tmp_path: Path) -> None:
    log, record = tmp_path / "log", tmp_path / "record"
    command = [*PROGRAM, "term", device.path, "--log", str(log), "--record", str(record)]
    user = run.command(["bash", "-c", 'ulimit -f 4; exec "$@"', "-", *command])  # files of 4 KiB at most
    user.wait("connected to ")
    user.wait("rec record")
    data = b"".join(b"%07d\n" % number for number in range(1000))
    device.send(data)
    user.wait(lambda: "rx 8000" in user.lines[-1] and "rec" not in user.lines[-1])
    device.send(b"end\r\n")
    user.wait("end")
    user.type("still here")
    device.expect(b"still here")
    user.type(MENU + "q")
    assert user.wait_exit() == 1
    assert user.is_restored()
    shown = user.output.decode()
    assert shown.count("is incomplete: [EFBIG] File too large") == 2
    assert all(f"{number:07}\r\n" in shown for number in range(1000))
    assert log.read_bytes() == data[:4096]
    assert record.stat().st_size == 4096


def fake(folder: Path, name: str, text: str) -> str:
    """Make a program that stands for one of lrzsz's, and return the PATH that finds it."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


def begin_transfer(user: Any, key: str, protocol: str, path: Path) -> None:
    user.type(MENU + key)
    user.wait("ymodem, zmodem)> ")
    user.type(f"\x15{protocol}\r")
    user.wait("file to send>" if key == ">" else "into folder> .")
    user.type(f"\x15{path}\r")


def test_a_file_is_sent_and_cancelled_and_one_is_received(run: Any, device: Any) -> None:
    folder = Path(device.path).parent
    fake(folder, "sz", "printf begun; exec cat")
    path = fake(folder, "rz", "printf ready; head -c 5 > file; printf got; kill -9 $$")
    (folder / "image.bin").write_bytes(bytes(1000))
    user = connect(run, device, PATH=path)
    begin_transfer(user, ">", "ymodem", folder / "image.bin")
    device.expect(b"begun")
    device.send(b"C")
    device.expect(b"C")  # the program's
    user.wait("sending image.bin [")
    user.wait("% of 1.0 KiB")
    user.type("x\x03")
    user.wait("--- sending image.bin: cancelled")
    device.expect(b"\x18" * 8 + b"\x08" * 8)
    begin_transfer(user, "<", "zmodem", folder)
    user.wait("--- receiving into ")
    device.expect(b"ready")
    device.send(b"12345")
    device.expect(b"got")
    user.wait("failed (")  # the program was killed
    assert (folder / "file").read_bytes() == b"12345"
    begin_transfer(user, ">", "raw", folder / "none")
    user.wait("No such file or directory")
    begin_transfer(user, ">", "raw", folder / "file")
    device.expect(b"12345")
    user.wait("sending file: done")
    user.type("still here")
    device.expect(b"still here")
    leave(user)


def test_a_script_goes_on_at_the_keyboard_if_asked(run: Any, device: Any) -> None:
    user = run("term", device.path, "--send", "AT", "--expect", "OK", "--stay")
    device.expect(b"AT")
    device.send(b"OK\r\n")
    user.wait("--- the script is done")
    user.type("x")
    device.expect(b"x")
    leave(user)


# The picker's ports are the test's: the second comes, and the first goes, when the file is there.
PICKER = """
import os, sys
from contextlib import asynccontextmanager
import anyio, anyserial_cli
from anyserial import PortEvent, PortInfo
from anyserial_cli._term import _picker
first, late = PortInfo(device="/dev/no-such-port", description="First"), PortInfo(device=sys.argv[1])
async def list_serial_ports():
    return [first, first]
async def events():
    yield PortEvent(kind="added", port=first)
    while not os.path.exists(sys.argv[2]):
        await anyio.sleep(0.01)
    yield PortEvent(kind="added", port=late)
    yield PortEvent(kind="removed", port=first)
    await anyio.sleep_forever()
@asynccontextmanager
async def watch_serial_ports():
    yield events()
_picker.list_serial_ports, _picker.watch_serial_ports = list_serial_ports, watch_serial_ports
sys.exit(anyserial_cli.main(["term"]))
"""


def test_the_picker_follows_what_comes_and_goes(run: Any, device: Any, tmp_path: Path) -> None:
    plugged = tmp_path / "plugged"
    user = run.command([sys.executable, "-c", PICKER, device.path, str(plugged)], rows=10)
    user.wait("1  /dev/no-such-port  First")
    assert device.path not in user.text
    plugged.touch()
    user.wait(f"1  {device.path}")
    assert "/dev/no-such-port" not in user.text
    user.type("1")
    user.wait(f"connected to {device.path}")
    leave(user)


def test_a_signal_ends_the_picker_and_restores_the_terminal(run: Any, tmp_path: Path) -> None:
    user = run.command([sys.executable, "-c", PICKER, "/dev/no", str(tmp_path / "plugged")], rows=10)
    user.wait("1  /dev/no-such-port  First")
    assert not user.is_restored()
    os.kill(user.process.pid, signal.SIGTERM)
    assert user.wait_exit() == 128 + signal.SIGTERM
    assert user.is_restored()


def test_it_reconnects_with_the_settings_in_force(run: Any, device: Any) -> None:
    user = connect(run, device)
    user.type(MENU + "c")
    user.wait("settings> ")
    user.type("\x159600\r")
    user.wait("--- settings: 9600,8N1")
    device.unplug()
    user.wait("--- disconnected")
    user.wait("--- waiting for ")
    user.wait(lambda: "disconnected" in user.lines[-1])
    user.type("lost")
    user.wait("bytes not sent: the device is away")
    device.plug()
    user.wait(lambda: user.text.count("--- connected to ") == 2)
    user.type("back")
    device.expect(b"back")
    assert device.rate() == termios.B9600
    leave(user)


def test_without_reconnecting_it_ends_with_status_1(run: Any, device: Any) -> None:
    user = connect(run, device, "--no-reconnect")
    device.unplug()
    assert user.wait_exit() == 1
    assert "disconnected" in user.text
    assert user.is_restored()


def test_a_port_that_is_not_there_is_an_error_or_is_waited_for(run: Any, device: Any) -> None:
    device.unplug()
    user = run("term", device.path)
    assert user.wait_exit() == 1
    assert "there is no serial port at this path" in user.text
    assert user.is_restored()
    waiting = run("term", device.path, "--wait")
    waiting.wait("waiting for ")
    device.plug()
    waiting.wait("connected to ")
    leave(waiting)


@pytest.mark.parametrize(
    ("mode", "number"),
    [("raw", signal.SIGTERM), ("raw", signal.SIGHUP), ("raw", signal.SIGINT), ("line", signal.SIGTERM)],
)
def test_a_signal_restores_the_terminal(run: Any, device: Any, number: int, mode: str) -> None:
    user = connect(run, device, "--mode", mode)
    device.send(b"\x1b[?25l\x1b[31mx")
    user.wait("x")
    os.kill(user.process.pid, number)
    assert user.wait_exit() == 128 + number
    assert user.is_restored()
    assert user.screen.cursor.hidden is False
    assert user.screen.margins is None or user.screen.margins.bottom == 23


def test_the_shell_goes_on_below_the_text(run: Any, device: Any) -> None:
    user = connect(run, device)
    device.send(b"one\r\ntwo\r\n")
    user.wait("two")
    row = user.screen.cursor.y
    leave(user)
    assert user.screen.cursor.y == row == 3


def test_a_terminal_that_fetches_rows_from_its_history_keeps_no_old_status_line(run: Any, device: Any) -> None:
    user = connect(run, device)
    device.send(b"one\r\ntwo\r\nlogin: ")
    user.wait(lambda: "rx 17" in user.lines[-1])
    user.resize(30, 80)
    user.screen.cursor.y, y = 0, user.screen.cursor.y
    user.screen.margins = None
    user.screen.insert_lines(4)  # as tmux does
    user.screen.cursor_position(y + 5, len("login: ") + 1)
    user.wait(lambda: "rx 17" in user.lines[-1])
    user.wait(lambda: user.text.count("rx 17") == 1)
    assert user.lines[4:8] == [f"--- connected to {device.path} at 115200,8N1", "one", "two", "login:"]
    leave(user)


def test_nothing_that_the_device_set_stays_behind(run: Any, device: Any) -> None:
    user = connect(run, device, "--no-status")
    modes = set(user.screen.mode)
    device.send(b"\x1b[5;10r\x1b[?5h\x1b[20h\x1b[4h\x1b[?6h\x1b[?25l\x1b[31mX")
    user.wait("X")
    leave(user)
    assert user.screen.margins is None
    assert user.screen.mode == modes
    assert user.screen.cursor.attrs.fg == "default"


@pytest.mark.parametrize(("mode", "trap"), [("raw", ""), ("raw", "trap '' HUP; "), ("line", "")])
def test_a_terminal_that_is_closed_ends_the_session(
    run: Any, device: Any, tmp_path: Path, mode: str, trap: str
) -> None:
    errors, log = tmp_path / "errors", tmp_path / "log"
    command = [*PROGRAM, "term", device.path, "--mode", mode, "--log", str(log)]
    user = run.command(["sh", "-c", f'{trap}exec "$@" 2>{errors}', "-", *command])
    user.wait("connected to ")
    device.send(b"kept")
    user.wait("kept")
    user.hang_up()
    assert user.process.wait(60) == 128 + signal.SIGHUP
    assert errors.read_text() == ""
    assert log.read_bytes() == b"kept"


def test_a_terminal_that_obeys_no_sequences_gets_none(run: Any, device: Any) -> None:
    user = connect(run, device, TERM="dumb")
    device.send(b"hello\r\n")
    user.wait("hello")
    user.type(MENU + "m")
    user.wait("lines can be edited only if ")
    user.type(MENU + "c")
    user.wait("questions need a terminal ")
    user.type(MENU + "x")
    user.wait("output: hex")
    device.send(b"0123456789abcdef!")
    user.wait("|0123456789abcdef|")
    leave(user)
    assert b"\x1b" not in user.output


def test_an_exception_restores_the_terminal(device: Any, run: Any) -> None:
    program = (
        "import sys, anyserial_cli; from anyserial_cli._term import _view\n"
        "def broken(*_): raise LookupError('a defect')\n"
        "_view.View.feed = broken\n"
        "sys.exit(anyserial_cli.main(sys.argv[1:]))"
    )
    user = run.command([sys.executable, "-c", program, "term", device.path])
    user.wait("connected to ")
    assert not user.is_restored()
    device.send(b"x")
    assert user.wait_exit() == 1
    assert "LookupError: a defect" in user.text
    assert user.is_restored()


@pytest.mark.parametrize("how", ["key", "signal"])
def test_it_is_suspended_and_continued(shell: Any, device: Any, how: str) -> None:
    shell.wait("shell>")
    shell.type(f"{shlex.join([*PROGRAM, 'term', device.path])}\r")
    shell.wait("connected to ")
    if how == "key":
        shell.type(MENU + "z")
    else:
        (pid,) = Path(f"/proc/{shell.process.pid}/task/{shell.process.pid}/children").read_text().split()
        os.kill(int(pid), signal.SIGTSTP)
    shell.wait(lambda: "Stopped" in shell.text and shell.lines[shell.screen.cursor.y].startswith("shell>"))
    shell.type("stty -a | grep -o -E -- '-?(icanon|echo|opost)' | xargs echo modes; fg\r")
    shell.wait("modes opost icanon echo")
    shell.wait(lambda: "rx 0" in shell.lines[-1])
    shell.type("again")
    device.expect(b"again")
    device.send(b"\r\nwoken\r\n")
    shell.wait("woken")
    shell.type(MENU + "q")
    shell.wait(lambda: shell.lines[shell.screen.cursor.y].startswith("shell>"))


def test_output_that_is_stuck_is_told_and_does_not_hold_up_the_end(run: Any, device: Any) -> None:
    user = connect(run, device)
    for _ in range(40):
        user.type("x" * 4000)
        user.wait(lambda: True)
    user.wait("bytes not sent: flow control holds the output back")
    user.wait("held back")
    leave(user)


def test_no_colour_if_it_is_not_wanted(run: Any, device: Any) -> None:
    coloured = connect(run, device)
    leave(coloured)
    plain = connect(run, device, NO_COLOR="1")
    leave(plain)
    assert b"\x1b[36m--- connected" in coloured.output
    assert b"\x1b[36m" not in plain.output


def piped(device: Any, *options: str, data: bytes) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [*PROGRAM, "term", device.path, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.close()
    process.stdin = None
    return process


def test_a_pipe_is_sent_and_what_comes_is_passed_on_unchanged(device: Any) -> None:
    process = piped(device, "--exit-after", "0.5", data=b"AT\n\x00\xff")
    device.expect(b"AT\n\x00\xff")
    answer = b"\x1b]0;x\x07\xff\nOK\r\n"
    device.send(answer)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, answer)
    assert err.startswith(b"anyserial: connected to ")


def test_a_pipe_is_sent_before_a_script_waits_for_the_answer(device: Any) -> None:
    process = piped(device, "--expect", "OK", "--timeout", "30s", data=b"AT")
    device.expect(b"AT")
    device.send(b"OK")
    out, _ = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, b"OK")


def test_a_pipe_with_line_ends_and_a_hex_dump(device: Any) -> None:
    process = piped(device, "--exit-after", "500ms", "--newline-out", "crlf", "--hex", data=b"AT\nB\r\n")
    device.expect(b"AT\r\nB\r\n")
    device.send(b"OK")
    out, _ = process.communicate(timeout=60)
    assert out == b"00000000  4f 4b                                             |OK|\r\n"


@pytest.mark.parametrize(
    ("end", "status", "told"),
    [
        (">/dev/full", 1, "connected\nstandard output: [ENOSPC] No space left on device\n"),
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
    ],
)
def test_standard_streams_that_are_closed_or_full(device: Any, end: str, status: int, told: str) -> None:
    command = shlex.join([*PROGRAM, "term", device.path, "--exit-after", "0.3"])
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"{command} {end}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    device.send(b"from the device")
    out, err = process.communicate(b"sent", timeout=60)
    if "<" not in end:
        device.expect(b"sent")
    assert not select.select([device.fd], [], [], 0)[0]  # nothing that was printed went to the device
    assert process.returncode == status
    assert out == (b"" if end.startswith(">") else b"from the device")
    said = re.sub(r"^anyserial: (connected)?.*?", r"\1", err.decode(), flags=re.MULTILINE)
    assert re.sub(r"(?<=connected) to .*", "", said) == told


def test_a_file_is_sent_as_it_is(device: Any, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3000)
    with source.open("rb") as stdin:
        process = subprocess.Popen([*PROGRAM, "term", device.path, "--exit-after", "0.1"], stdin=stdin, stderr=-3)
    device.expect(b"x" * 3000)
    assert process.wait(60) == 0


def test_ctrl_c_ends_a_pipe_with_status_130(device: Any) -> None:
    process = piped(device, data=b"x")
    device.expect(b"x")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in err


WRONG = [
    (["--char-delay", "soon"], "'soon' is not a time such as 5ms"),
    (["--encoding", "klingon"], "'klingon' is not an encoding"),
    (["--encoding", "rot13"], "'rot13' does not make characters of bytes"),
    (["--encoding", "zlib"], "'zlib' does not make characters of bytes"),
    (["--encoding", "undefined"], "'undefined' does not make characters of bytes"),
    (["--encoding", "utf-16"], "name another, such as utf-8 or utf-16-le"),
    (["--menu-key", "t"], "'t' is not a key such as ctrl-t"),
    (["9600,9Q9"], "'9Q9' is not a baud rate"),
    (["-b", "0"], "baudrate must be"),
    (["--exit-aftr", "1"], "did you mean --exit-after"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_arguments_are_status_2_and_say_what(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        anyserial_cli.main(["term", "/dev/ttyUSB0", *options])
    assert caught.value.code == 2
    told = capsys.readouterr().err
    assert message in told
    assert "See `anyserial term --help`" in told
