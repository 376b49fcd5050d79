"""What the keys of miniterm's menu do: everything that asks the user or changes the port.

`Miniterm` inherits this; its two threads and its way of text are in `miniterm`.
"""

import codecs
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from anyserial_sync._pyserial import serial_for_url
from anyserial_sync._pyserial.serialutil import (
    PARITY_EVEN,
    PARITY_MARK,
    PARITY_NONE,
    PARITY_ODD,
    PARITY_SPACE,
    STOPBITS_ONE,
    STOPBITS_ONE_POINT_FIVE,
    STOPBITS_TWO,
    SerialException,
)
from anyserial_sync._pyserial.tools._transforms import EOL_TRANSFORMATIONS, TRANSFORMATIONS
from anyserial_sync._pyserial.tools.list_ports import comports

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial_sync._pyserial.serialposix import Serial
    from anyserial_sync._pyserial.tools._console import ConsoleBase

__all__ = ("VERSION_SHOWN", "Menu", "ask_for_port", "key_description", "say")

VERSION_SHOWN = "3.5"
BLOCK = 1024  # bytes of an uploaded file that are sent at a time

PARITIES = {"n": PARITY_NONE, "e": PARITY_EVEN, "o": PARITY_ODD, "s": PARITY_SPACE, "m": PARITY_MARK}
STOP_BITS = {"1": STOPBITS_ONE, "2": STOPBITS_TWO, "3": STOPBITS_ONE_POINT_FIVE}

HELP = """
--- pySerial ({version}) on anyserial - miniterm - help
---
--- {exit:8} quit ({menu} Q does, too)
--- {menu:8} the menu key; after it:
---    {menu:7} send the menu key itself
---    {exit:7} send the quit key itself
---    {info:7} show the settings
---    {upload:7} send a file
---    {encoding:7} choose the encoding
---    {filters:7} choose the filters
--- Switches:
---    {rts:7} RTS      {dtr:7} DTR      {breaks:7} BREAK
---    {echo:7} echo     {eol:7} line end
---
--- The port's settings, after {menu}:
---    p          another port
---    z          close the port until a key is pressed
---    7 8        data bits
---    N E O S M  parity (none, even, odd, space, mark)
---    1 2 3      stop bits (1, 2, 1.5)
---    b          baud rate
---    x X        software flow control off, on
---    r R        RTS/CTS flow control off, on
"""


def key_description(character: str) -> str:
    """Return a key's name: ``Ctrl+A`` for a control character, otherwise the character in quotes."""
    code = ord(character)
    return f"Ctrl+{chr(ord('@') + code)}" if code < ord(" ") else repr(character)


def say(text: str) -> None:
    """Tell the user something, on standard error."""
    sys.stderr.write(text)
    sys.stderr.flush()


def ask_for_port() -> str:
    """List the ports and ask for one, by its number in the list or by name.

    Returns:
        The device of the listed port, or what was typed.

    Raises:
        EOFError: Standard input has ended.
    """
    say("\n--- Available ports:\n")
    ports: list[str] = []
    try:
        found = sorted(comports())
    except ImportError as exc:  # it says which part is missing; a name can be typed all the same
        say(f"--- {exc}\n")
        found = []
    for number, info in enumerate(found, 1):
        say(f"--- {number:2}: {info.device:20} {info.description!r}\n")
        ports.append(info.device)
    while True:
        sys.stderr.flush()
        answer = input("--- Enter port index or full name: ")
        if not answer.isdecimal():
            return answer
        if 1 <= int(answer) <= len(ports):
            return ports[int(answer) - 1]
        say("--- Invalid index!\n")


def _active(state: object) -> str:
    return "active" if state else "inactive"


class Menu:
    """The menu of a terminal; what it needs of the terminal is declared here."""

    console: "ConsoleBase"
    serial: "Serial"
    alive: bool
    echo: bool
    eol: str
    filters: "list[str]"
    input_encoding: str
    output_encoding: str
    exit_character: str
    menu_character: str
    rx_decoder: codecs.IncrementalDecoder
    tx_encoder: codecs.IncrementalEncoder

    def stop(self) -> None:
        """End the terminal."""
        raise NotImplementedError

    def update_transformations(self) -> None:
        """Take changed filters."""
        raise NotImplementedError

    def set_rx_encoding(self, encoding: str, errors: str = "replace") -> None:
        """Take another encoding for what is received."""
        raise NotImplementedError

    def set_tx_encoding(self, encoding: str, errors: str = "replace") -> None:
        """Take another encoding for what is sent."""
        raise NotImplementedError

    def _start_reader(self) -> None:
        raise NotImplementedError

    def _stop_reader(self) -> None:
        raise NotImplementedError

    def _echo(self, text: str) -> None:
        raise NotImplementedError

    def handle_menu_key(self, c: str) -> None:
        """Do what the key after the menu key asks for."""
        if c in {self.menu_character, self.exit_character}:
            self.serial.write(self.tx_encoder.encode(c))
            if self.echo:
                self._echo(c)
            return
        try:
            if (action := self._actions().get(c.lower())) is not None:
                action()
            elif not self._set_port(c):
                say(f"--- unknown menu character {c!r} --\n")
        except (SerialException, ValueError) as exc:
            say(f"--- ERROR: {exc} ---\n")

    def _actions(self) -> "dict[str, Callable[[], object]]":
        return {
            "\x15": self.upload_file,
            "\x08": self._show_help,
            "h": self._show_help,
            "?": self._show_help,
            "\x12": self._switch_rts,
            "\x04": self._switch_dtr,
            "\x02": self._switch_break,
            "\x05": self._switch_echo,
            "\x06": self.change_filter,
            "\x0c": self._next_eol,
            "\x01": self.change_encoding,
            "\x09": self.dump_port_settings,
            "p": self.change_port,
            "z": self.suspend_port,
            "b": self.change_baudrate,
            "q": self.stop,
        }

    def _set_port(self, c: str) -> bool:
        """Change the setting that a key is for; return whether it is for one."""
        if c in {"7", "8"}:
            self.serial.bytesize = int(c)
        elif c.lower() in PARITIES:
            self.serial.parity = PARITIES[c.lower()]
        elif c in STOP_BITS:
            self.serial.stopbits = STOP_BITS[c]
        elif c in {"x", "X"}:
            self.serial.xonxoff = c == "X"
        elif c in {"r", "R"}:
            self.serial.rtscts = c == "R"
        else:
            return False
        self.dump_port_settings()
        return True

    def _show_help(self) -> None:
        say(self.get_help_text())

    def _switch_rts(self) -> None:
        self.serial.rts = not self.serial.rts
        say(f"--- RTS {_active(self.serial.rts)} ---\n")

    def _switch_dtr(self) -> None:
        self.serial.dtr = not self.serial.dtr
        say(f"--- DTR {_active(self.serial.dtr)} ---\n")

    def _switch_break(self) -> None:
        self.serial.break_condition = not self.serial.break_condition
        say(f"--- BREAK {_active(self.serial.break_condition)} ---\n")

    def _switch_echo(self) -> None:
        self.echo = not self.echo
        say(f"--- local echo {_active(self.echo)} ---\n")

    def _next_eol(self) -> None:
        names = [*EOL_TRANSFORMATIONS]
        self.eol = names[(names.index(self.eol) + 1) % len(names)]
        say(f"--- EOL: {self.eol.upper()} ---\n")
        self.update_transformations()

    def dump_port_settings(self) -> None:
        """Show the port's settings and lines, and the terminal's."""
        port = self.serial
        say(f"\n--- Settings: {port.name}  {port.baudrate},{port.bytesize},{port.parity},{port.stopbits}\n")
        shown = [(name.upper(), getattr(port, name)) for name in ("rts", "dtr")]
        say(f"--- {_states([*shown, ('BREAK', port.break_condition)])}\n")
        try:
            lines = [(name.upper(), getattr(port, name)) for name in ("cts", "dsr", "ri", "cd")]
        except SerialException:
            pass  # this port has none
        else:
            say(f"--- {_states(lines)}\n")
        say(f"--- software flow control: {_active(port.xonxoff)}\n")
        say(f"--- hardware flow control: {_active(port.rtscts)}\n")
        self._dump_encodings()
        say(f"--- EOL: {self.eol.upper()}\n")
        say(f"--- filters: {' '.join(self.filters)}\n")

    def _dump_encodings(self) -> None:
        say(f"--- serial input encoding: {self.input_encoding}\n")
        say(f"--- serial output encoding: {self.output_encoding}\n")

    def upload_file(self) -> None:
        """Ask for a file and send it, without filters."""
        with self.console:
            say("\n--- File to upload: ")
            filename = sys.stdin.readline().rstrip("\r\n")
        if not filename:
            return
        try:
            with Path(filename).open("rb") as file:
                say(f"--- Sending file {filename} ---\n")
                while block := file.read(BLOCK):
                    self.serial.write(block)
                    # Nothing is sent ahead, so that the dots show what has left.
                    self.serial.flush()
                    say(".")
        except SerialException:
            raise
        except OSError as exc:
            say(f"--- ERROR opening file {filename}: {exc.strerror} ---\n")
        else:
            say(f"\n--- File {filename} sent ---\n")

    def change_filter(self) -> None:
        """Ask for the filters' names."""
        say("\n--- Available Filters:\n")
        for name, transform in sorted(TRANSFORMATIONS.items()):
            say(f"---   {name:<10} = {transform.__doc__}\n")
        with self.console:
            say(f"--- Enter new filter name(s) [{' '.join(self.filters)}]: ")
            names = sys.stdin.readline().lower().split()
        if names:
            if unknown := [name for name in names if name not in TRANSFORMATIONS]:
                say(f"--- unknown filter: {', '.join(map(repr, unknown))}\n")
            else:
                self.filters = names
                self.update_transformations()
        say(f"--- filters: {' '.join(self.filters)}\n")

    def change_encoding(self) -> None:
        """Ask for the encoding of both directions."""
        with self.console:
            say(f"\n--- Enter new encoding name [{self.input_encoding}]: ")
            name = sys.stdin.readline().strip()
        if name:
            try:
                codecs.lookup(name)
            except LookupError:
                say(f"--- invalid encoding name: {name}\n")
            else:
                self.set_rx_encoding(name)
                self.set_tx_encoding(name)
        self._dump_encodings()

    def change_baudrate(self) -> None:
        """Ask for the rate."""
        with self.console:
            say("\n--- Baudrate: ")
            answer = sys.stdin.readline().strip()
        if not answer:
            return
        before = self.serial.baudrate
        try:
            self.serial.baudrate = int(answer)
        except (ValueError, SerialException) as exc:
            say(f"--- ERROR setting baudrate: {exc} ---\n")
            self.serial.baudrate = before
        else:
            self.dump_port_settings()

    def change_port(self) -> None:
        """Ask for another port and go over to it; if it cannot be opened, this one stays open."""
        with self.console:
            try:
                name = ask_for_port()
            except (KeyboardInterrupt, EOFError):
                name = ""
        if not name or name == self.serial.port:
            return
        self._stop_reader()
        try:
            port = serial_for_url(name, do_not_open=True)
            port.apply_settings(self.serial.get_settings())
            port.rts = self.serial.rts
            port.dtr = self.serial.dtr
            port.open()
        except (SerialException, ValueError) as exc:
            say(f"--- ERROR opening new port: {exc} ---\n")
        else:
            self.serial.close()
            self.serial = port
            say(f"--- Port changed to: {port.port} ---\n")
        if self.serial.is_open:
            self._start_reader()

    def suspend_port(self) -> None:
        """Close the port until a key is pressed, so that another program may use it."""
        self._stop_reader()
        self.serial.close()
        say(f"\n--- Port closed: {self.serial.port} ---\n")
        while not self.serial.is_open:
            say(f"--- Quit: {key_description(self.exit_character)} | p: port change | any other key to reconnect ---\n")
            key = self.console.getkey()
            if not self.alive:
                return
            if key == self.exit_character:
                self.stop()
                return
            if key.lower() == "p":
                self.change_port()
                continue
            try:
                self.serial.open()
            except SerialException as exc:
                say(f"--- ERROR opening port: {exc} ---\n")
            else:
                self._start_reader()
        say(f"--- Port opened: {self.serial.port} ---\n")

    def get_help_text(self) -> str:
        """Return what the help key shows."""
        return HELP.format(
            version=VERSION_SHOWN,
            exit=key_description(self.exit_character),
            menu=key_description(self.menu_character),
            info=key_description("\x09"),
            upload=key_description("\x15"),
            encoding=key_description("\x01"),
            filters=key_description("\x06"),
            rts=key_description("\x12"),
            dtr=key_description("\x04"),
            breaks=key_description("\x02"),
            echo=key_description("\x05"),
            eol=key_description("\x0c"),
        )


def _states(lines: "list[tuple[str, object]]") -> str:
    return "  ".join(f"{name}: {_active(state):8}" for name, state in lines).rstrip()
