"""miniterm on a pseudo-terminal of its own, with ``loop://`` as the port: what is typed is received."""

import os
import select
import sys
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest
from anyserial import pyserial as serial
from anyserial_sync._pyserial.tools import miniterm
from anyserial_sync._pyserial.tools._console import Console

MENU = "\x14"
PATIENCE = 10.0


class Screen:
    """The user: types keys, and waits for what the terminal shows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.master, slave = os.openpty()
        self.fd = slave
        self.streams = [os.fdopen(os.dup(slave), mode, encoding="utf-8") for mode in ("r", "w", "w")]
        self.shown = ""

    def take_over(self) -> None:
        """Become the terminal of this process; not done by the fixture, because pytest sets its own after that."""
        for name, stream in zip(("stdin", "stdout", "stderr"), self.streams, strict=True):
            self._monkeypatch.setattr(sys, name, stream)

    def types(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    def waits_for(self, text: str) -> str:
        """Return everything up to and with *text*; what follows is kept."""
        deadline = monotonic() + PATIENCE
        while text not in self.shown:
            if not select.select([self.master], [], [], max(0.0, deadline - monotonic()))[0]:
                raise AssertionError(f"no {text!r} in {self.shown!r}")
            self.shown += os.read(self.master, 4096).decode(errors="replace")
        before, found, self.shown = self.shown.partition(text)
        return before + found

    def waits_until_raw(self) -> None:
        """Before that, what is typed is echoed by the kernel, and shown a second time when it has come back."""
        deadline = monotonic() + PATIENCE
        while self.modes()[3] & termios.ECHO:
            assert monotonic() < deadline
            sleep(0.001)

    def modes(self) -> list[Any]:
        return termios.tcgetattr(self.fd)

    def close(self) -> None:
        for stream in self.streams:
            stream.close()
        os.close(self.master)
        os.close(self.fd)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    screen = Screen(monkeypatch)
    yield screen
    monkeypatch.undo()
    screen.close()


class Running:
    """`main` in a thread, and its exit status."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
        monkeypatch.setattr(sys, "argv", ["miniterm", *arguments])
        self.status: object = 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            miniterm.main()
        except SystemExit as exc:
            self.status = exc.code

    def ends(self) -> object:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self.status


def test_every_key_does_what_the_help_says(screen: Screen, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    screen.take_over()
    (tmp_path / "upload").write_bytes(b"~")  # one byte: what is received comes between what the upload tells
    before = screen.modes()
    running = Running(monkeypatch, "loop://", "19200", "--rts", "0")
    screen.waits_for("--- forcing RTS inactive")
    screen.waits_for("--- Miniterm on loop://  19200,8,N,1 ---")
    screen.waits_for("followed by Ctrl+H ---")
    screen.waits_until_raw()
    dialogue = (
        ("abc\r", "abc"),
        (f"{MENU}h", "RTS/CTS flow control off, on"),
        (f"{MENU}\x12", "--- RTS active ---"),
        (f"{MENU}\x04", "--- DTR inactive ---"),
        (f"{MENU}\x02", "--- BREAK active ---"),
        (f"{MENU}\x05", "--- local echo active ---"),
        ("x", "xx"),
        (f"{MENU}\x05", "--- local echo inactive ---"),
        (f"{MENU}\x0c", "--- EOL: CR ---"),
        (f"{MENU}\x09", "--- RTS: active    DTR: inactive  BREAK: active"),
        (f"{MENU}7", "loop://  19200,7,N,1"),
        (f"{MENU}E", "loop://  19200,7,E,1"),
        (f"{MENU}3", "loop://  19200,7,E,1.5"),
        (f"{MENU}X", "--- software flow control: active"),
        (f"{MENU}R", "--- hardware flow control: active"),
        (f"{MENU}k", "--- unknown menu character 'k' --"),
        (f"{MENU}{MENU}", "\u2414"),
        (f"{MENU}\x1d", "\u241d"),
        (f"{MENU}b", "--- Baudrate: "),
        ("300\n", "loop://  300,7,E,1.5"),
        (f"{MENU}b", "--- Baudrate: "),
        ("fast\n", "--- ERROR setting baudrate"),
        (f"{MENU}\x01", "--- Enter new encoding name [UTF-8]: "),
        ("hexlify\n", "--- serial output encoding: hexlify"),
        ("414", "41"),
        (f"{MENU}\x01", "--- Enter new encoding name [hexlify]: "),
        ("nothing\n", "--- invalid encoding name: nothing"),
        (f"{MENU}\x01", "--- Enter new encoding name [hexlify]: "),
        ("latin1\n", "--- serial output encoding: latin1"),
        (f"{MENU}\x06", "--- Enter new filter name(s) [default]: "),
        ("printable\n", "--- filters: printable"),
        (f"{MENU}\x06", "--- Enter new filter name(s) [printable]: "),
        ("nothing\n", "--- unknown filter: 'nothing'"),
        ("\u00e9", "\u2082\u2083\u2083 "),
        (f"{MENU}\x15", "--- File to upload: "),
        (f"{tmp_path / 'upload'}\n", "~"),
        (f"{MENU}\x15", "--- File to upload: "),
        (f"{tmp_path / 'missing'}\n", "--- ERROR opening file"),
        (f"{MENU}z", "any other key to reconnect ---"),
        ("k", "--- Port opened: loop:// ---"),
        (f"{MENU}p", "--- Enter port index or full name: "),
        ("nonsense://\n", "--- ERROR opening new port"),
        (f"{MENU}p", "--- Enter port index or full name: "),
        ("loop://?logging=error\n", "--- Port changed to: loop://?logging=error ---"),
        ("still here", "still here"),
    )
    for keys, expected in dialogue:
        screen.types(keys)
        screen.waits_for(expected)
    assert not screen.modes()[3] & termios.ICANON
    screen.types("\x1d")
    assert running.ends() == 0
    screen.waits_for("--- exit ---")
    assert screen.modes() == before


def test_a_port_that_fails_ends_it_with_an_error(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    from anyserial_sync._pyserial.urlhandler.protocol_loop import Serial  # noqa: PLC0415

    screen.take_over()
    failing = threading.Event()
    read = Serial.read

    def fail(self: Serial, size: int = 1, /) -> bytes:
        data = read(self, size)
        if failing.is_set():
            raise serial.SerialException("the device is gone")
        return data

    monkeypatch.setattr(Serial, "read", fail)
    running = Running(monkeypatch, "loop://")
    screen.waits_for("followed by Ctrl+H ---")
    screen.waits_until_raw()
    failing.set()
    screen.types("x")
    assert running.ends() == 1
    screen.waits_for("--- ended by an error: the device is gone ---")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--exit-char", "20"], 2, "can not be the same"),
        (["loop://", "-f", "nothing"], 2, "there is no filter nothing"),
        (["loop://", "-f", "help"], 1, "Available filters:"),
        (["nonsense://"], 1, "could not open port 'nonsense://'"),
    ],
)
def test_wrong_arguments(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, arguments: list[str], status: int, message: str
) -> None:
    screen.take_over()
    running = Running(monkeypatch, *arguments)
    screen.waits_for(message)
    assert running.ends() == status


def test_without_a_terminal_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with Path(os.devnull).open() as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert Running(monkeypatch, "loop://").ends() == 1
    assert "needs a terminal" in capsys.readouterr().err


def test_a_subclass_sees_an_error_of_the_port(screen: Screen) -> None:
    screen.take_over()

    class Terminal(miniterm.Miniterm):
        seen: BaseException | None = None

        def reader(self) -> None:
            try:
                super().reader()
            except serial.SerialException as exc:
                self.seen = exc

    port = serial.serial_for_url("loop://", timeout=PATIENCE)
    terminal = Terminal(port, filters=["direct"])
    terminal.start()
    screen.types("x")
    screen.waits_for("x")
    port.close()
    port.cancel_read()
    terminal.join(True)
    terminal.join()
    terminal.console.cleanup()
    assert isinstance(terminal.seen, serial.PortNotOpenError)
    assert terminal.alive is False


def test_the_console_gives_keys_one_by_one(screen: Screen) -> None:
    screen.take_over()
    console = Console()
    console.setup()
    screen.types("a\u00e9\x7f")
    assert [console.getkey() for _ in range(3)] == ["a", "\u00e9", "\x08"]
    console.cancel()
    console.cancel()
    assert console.getkey() == ""
    with console:
        assert screen.modes()[3] & termios.ICANON
    assert not screen.modes()[3] & termios.ICANON
    # A program may give the terminal a time limit, as esp-idf-monitor does: then there may be no key.
    modes = screen.modes()
    modes[6][termios.VMIN], modes[6][termios.VTIME] = 0, 1
    termios.tcsetattr(console.fd, termios.TCSANOW, modes)
    assert console.getkey() == ""
    screen.types("b")
    assert console.getkey() == "b"
    console.cleanup()
    assert screen.modes() == console.old


def test_a_forgotten_console_puts_the_modes_back(screen: Screen) -> None:
    screen.take_over()
    before = screen.modes()
    console = Console()
    console.setup()
    assert screen.modes() != before
    del console
    assert screen.modes() == before


@pytest.mark.parametrize(
    ("character", "name"), [("\x1d", "Ctrl+]"), ("\x08", "Ctrl+H"), ("a", "'a'"), ("\x7f", "'\\x7f'")]
)
def test_key_description(character: str, name: str) -> None:
    assert miniterm.key_description(character) == name


TEXT = "a\x00\x1b[1m\r\n\t\u00e9\x7f\x9b "


@pytest.mark.parametrize(
    ("name", "shown", "sent", "echoed"),
    [
        ("direct", TEXT, TEXT, TEXT),
        ("default", "a\u2400\u241b[1m\r\n\t\u00e9\u2421\u2425 ", TEXT, "a\u2400\u241b[1m\r\n\t\u00e9\u2421\u2425 "),
        (
            "nocontrol",
            "a\u2400\u241b[1m\u240d\u240a\u2409\u00e9\u2421\u2425\u2423",
            TEXT,
            "a\u2400\u241b[1m\u240d\u240a\u2409\u00e9\u2421\u2425\u2423",
        ),
        (
            "printable",
            "a\u2400\u241b[1m\r\n\t\u2082\u2083\u2083 \u2081\u2082\u2087 \u2081\u2085\u2085  ",
            TEXT,
            "a\u2400\u241b[1m\r\n\t\u2082\u2083\u2083 \u2081\u2082\u2087 \u2081\u2085\u2085  ",
        ),
        ("colorize", f"\x1b[37m{TEXT}", TEXT, f"\x1b[31m{TEXT}"),
        ("debug", TEXT, TEXT, TEXT),
    ],
)
def test_filters(name: str, shown: str, sent: str, echoed: str) -> None:
    transform = miniterm.TRANSFORMATIONS[name]()
    assert (transform.rx(TEXT), transform.tx(TEXT), transform.echo(TEXT)) == (shown, sent, echoed)


@pytest.mark.parametrize(
    ("name", "shown", "sent"),
    [
        ("crlf", "a\r\nb\nc\rd", "a\r\r\nb\r\nc\rd"),
        ("cr", "a\n\nb\nc\nd", "a\r\rb\rc\rd"),
        ("lf", "a\r\nb\nc\rd", "a\r\nb\nc\rd"),
    ],
)
def test_line_ends(name: str, shown: str, sent: str) -> None:
    transform = miniterm.EOL_TRANSFORMATIONS[name]()
    assert (transform.rx("a\r\nb\nc\rd"), transform.tx("a\r\nb\nc\rd")) == (shown, sent)
