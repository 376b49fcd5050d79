"""``serial.tools.miniterm``: a small terminal for a port, as a program and as a class to subclass.

Theory of operation. Two threads: ``rx`` copies what is received to the console, ``tx`` what is typed to the
port. Either of them ends the other: the port's read is cancelled, or the console's `getkey` is. What ended
them unasked is kept for `main`, which says so and makes it the exit status.

The menu is in `_menu`, the console in `_console`, what happens to text in `_transforms`, and the command line
in `_miniterm_options`. anyserial's own terminal is ``anyserial term``.
"""

import codecs
import sys
import threading
from typing import TYPE_CHECKING, override

from anyserial_sync._pyserial import serial_for_url
from anyserial_sync._pyserial.serialposix import Serial
from anyserial_sync._pyserial.serialutil import SerialException
from anyserial_sync._pyserial.tools import hexlify_codec
from anyserial_sync._pyserial.tools._console import Console, ConsoleBase
from anyserial_sync._pyserial.tools._menu import Menu, ask_for_port, key_description, say
from anyserial_sync._pyserial.tools._miniterm_options import Options, filters_of, parse
from anyserial_sync._pyserial.tools._transforms import (
    CR,
    CRLF,
    EOL_TRANSFORMATIONS,
    LF,
    TRANSFORMATIONS,
    Colorize,
    DebugIO,
    NoControls,
    NoTerminal,
    Printable,
    Transform,
)
from anyserial_sync._pyserial.tools.list_ports import comports

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyserial_sync._pyserial._base import SerialBase

__all__ = (
    "CR",
    "CRLF",
    "EOL_TRANSFORMATIONS",
    "LF",
    "TRANSFORMATIONS",
    "Colorize",
    "Console",
    "ConsoleBase",
    "DebugIO",
    "Miniterm",
    "NoControls",
    "NoTerminal",
    "Printable",
    "Transform",
    "ask_for_port",
    "comports",
    "key_description",
    "main",
)

EXIT_CHARACTER = "\x1d"  # Ctrl+]
MENU_CHARACTER = "\x14"  # Ctrl+T
POLL = 1.0  # seconds between two looks at whether to go on, where a read cannot be cancelled


def _find_hexlify(name: str) -> codecs.CodecInfo | None:
    return hexlify_codec.getregentry() if name == "hexlify" else None


codecs.register(_find_hexlify)


class Miniterm(Menu):
    """A terminal between the console and a port.

    Set the encodings, then `start`, then `join`. Subclasses override `reader` and `writer`, which are the
    whole work of the two threads.

    Args:
        serial_instance: The port, open.
        echo: Whether typed text is shown by the terminal itself.
        eol: What the Enter key sends: ``crlf``, ``cr`` or ``lf``.
        filters: Names in `TRANSFORMATIONS`.

    Attributes:
        console: A `Console`.
        serial: The port; the menu can change it.
        raw: Whether received bytes are shown as they are.
        alive: Whether the terminal runs.
        exit_character: The key that ends it.
        menu_character: The key before a menu key.
        error: What ended it unasked, None if nothing did.
    """

    def __init__(
        self, serial_instance: "Serial", echo: bool = False, eol: str = "crlf", filters: "Sequence[str]" = ()
    ) -> None:
        self.console = Console()
        self.serial = serial_instance
        self.echo = echo
        self.raw = False
        self.input_encoding = "UTF-8"
        self.output_encoding = "UTF-8"
        self.eol = eol
        self.filters = [*filters]
        self.tx_transformations: list[Transform] = []
        self.rx_transformations: list[Transform] = []
        self.update_transformations()
        self.exit_character = EXIT_CHARACTER
        self.menu_character = MENU_CHARACTER
        self.alive = False
        self.error: Exception | None = None
        self.receiver_thread: threading.Thread | None = None
        self.transmitter_thread: threading.Thread | None = None
        self.set_rx_encoding(self.input_encoding)
        self.set_tx_encoding(self.output_encoding)
        self._reader_alive = False

    @override
    def update_transformations(self) -> None:
        """Take `eol` and `filters` as they are now."""
        chosen = [EOL_TRANSFORMATIONS[self.eol], *(TRANSFORMATIONS[name] for name in self.filters)]
        self.tx_transformations = [transform() for transform in chosen]
        # What was done last to sent text is undone first: line ends come last on the way to the console.
        self.rx_transformations = [*reversed(self.tx_transformations)]

    @override
    def set_rx_encoding(self, encoding: str, errors: str = "replace") -> None:
        """Choose the encoding of what is received.

        Raises:
            LookupError: There is no such encoding.
        """
        self.rx_decoder = codecs.getincrementaldecoder(encoding)(errors)
        self.input_encoding = encoding

    @override
    def set_tx_encoding(self, encoding: str, errors: str = "replace") -> None:
        """Choose the encoding of what is sent.

        Raises:
            LookupError: There is no such encoding.
        """
        self.tx_encoder = codecs.getincrementalencoder(encoding)(errors)
        self.output_encoding = encoding

    # Running

    def start(self) -> None:
        """Begin: switch the console to single keys and start the threads."""
        self.alive = True
        self.console.setup()
        self._start_reader()
        self.transmitter_thread = self._thread("tx", self.writer)

    @override
    def stop(self) -> None:
        """Ask both threads to end; `join` waits for them."""
        self.alive = False

    def join(self, transmit_only: bool = False) -> None:
        """Wait for the end.

        Args:
            transmit_only: Do not wait for the receiving thread.
        """
        if self.transmitter_thread is not None:
            self.transmitter_thread.join()
        if not transmit_only:
            self._stop_reader()

    def close(self) -> None:
        """Close the port."""
        self.serial.close()

    @override
    def _start_reader(self) -> None:
        self._reader_alive = True
        self.receiver_thread = self._thread("rx", self.reader)

    @override
    def _stop_reader(self) -> None:
        self._reader_alive = False
        thread = self.receiver_thread
        if thread is None or thread is threading.current_thread():
            return
        cancel_read = getattr(self.serial, "cancel_read", None)
        # A cancel that comes before the read is lost, so it is repeated.
        while thread.is_alive():
            if cancel_read is not None and self.serial.is_open:
                cancel_read()
            thread.join(POLL / 10)

    def _thread(self, name: str, work: "Callable[[], None]") -> threading.Thread:
        def run() -> None:
            try:
                work()
            except Exception as exc:  # noqa: BLE001  # `main` reports it
                self._fail(exc)

        thread = threading.Thread(target=run, name=name, daemon=True)
        thread.start()
        return thread

    def _fail(self, exc: Exception) -> None:
        self.alive = False
        if self.error is None:
            self.error = exc
        self.console.cancel()

    def reader(self) -> None:
        """Show what is received, until the terminal ends; the ``rx`` thread's work.

        Raises:
            SerialException: The port failed. The terminal is ended first.
        """
        try:
            while self.alive and self._reader_alive:
                data = self.serial.read(self.serial.in_waiting or 1)
                if not data:
                    continue
                if self.raw:
                    self.console.write_bytes(data)
                    continue
                text = self.rx_decoder.decode(data)
                for transform in self.rx_transformations:
                    text = transform.rx(text)
                self.console.write(text)
        except SerialException:
            self.alive = False
            self.console.cancel()
            raise

    def writer(self) -> None:
        """Send what is typed, until the terminal ends; the ``tx`` thread's work.

        Raises:
            SerialException: The port failed. The terminal is ended first.
        """
        menu_active = False
        try:
            while self.alive:
                try:
                    key = self.console.getkey()
                except KeyboardInterrupt:
                    key = "\x03"
                except EOFError:
                    self.stop()
                    key = ""
                if not self.alive:
                    break
                if menu_active:
                    self.handle_menu_key(key)
                    menu_active = False
                elif key == self.menu_character:
                    menu_active = True
                elif key == self.exit_character:
                    self.stop()
                elif key:
                    self._type(key)
        except BaseException:
            self.alive = False
            raise

    def _type(self, key: str) -> None:
        text = key
        for transform in self.tx_transformations:
            text = transform.tx(text)
        self.serial.write(self.tx_encoder.encode(text))
        if self.echo:
            self._echo(key)

    @override
    def _echo(self, text: str) -> None:
        for transform in self.tx_transformations:
            text = transform.echo(text)
        self.console.write(text)


def _open(options: Options) -> "Serial":
    """Open the port that the command line asks for; with ``--ask``, ask until one opens."""
    name = options.port
    while True:
        if name is None or name == "-":
            name = ask_for_port()
        try:
            port = serial_for_url(
                name,
                options.baudrate,
                parity=options.parity,
                rtscts=options.rtscts,
                xonxoff=options.xonxoff,
                do_not_open=True,
            )
            _prepare(port, options)
            port.open()
        except (SerialException, ValueError) as exc:
            say(f"could not open port {name!r}: {exc}\n")
            if options.develop:
                raise
            if not options.ask:
                sys.exit(1)
            name = "-"
        else:
            return port


def _prepare(port: "SerialBase", options: Options) -> None:
    if not hasattr(port, "cancel_read"):
        port.timeout = POLL
    for line in ("dtr", "rts"):
        if (level := getattr(options, line)) is not None:
            if not options.quiet:
                say(f"--- forcing {line.upper()} {'active' if level else 'inactive'}\n")
            setattr(port, line, bool(level))
    if isinstance(port, Serial):
        port.exclusive = options.exclusive


def main(
    default_port: str | None = None,
    default_baudrate: int = 9600,
    default_rts: int | None = None,
    default_dtr: int | None = None,
) -> None:
    """Run the program, with the process's arguments.

    Args:
        default_port: The port, if the command line names none; None asks for it.
        default_baudrate: The rate, if the command line has none.
        default_rts: As the option ``--rts``.
        default_dtr: As the option ``--dtr``.

    Raises:
        SystemExit: With status 2 if the arguments are wrong, and with 1 if the port cannot be opened or
            fails, or no terminal is there.
    """
    options = parse(default_port, default_baudrate, default_rts, default_dtr)
    try:
        port = _open(options)
    except (KeyboardInterrupt, EOFError):
        say("\n--- no port chosen ---\n")
        sys.exit(1)
    if not sys.stdin.isatty():
        port.close()
        say("miniterm needs a terminal: standard input is none\n")
        sys.exit(1)
    terminal = Miniterm(port, echo=options.echo, eol=options.eol.lower(), filters=filters_of(options))
    terminal.exit_character = chr(options.exit_char)
    terminal.menu_character = chr(options.menu_char)
    terminal.raw = options.raw
    terminal.set_rx_encoding(options.serial_port_encoding)
    terminal.set_tx_encoding(options.serial_port_encoding)
    if not options.quiet:
        say(f"--- Miniterm on {port.name}  {port.baudrate},{port.bytesize},{port.parity},{port.stopbits} ---\n")
        keys = key_description(terminal.exit_character), key_description(terminal.menu_character)
        say(f"--- Quit: {keys[0]} | Menu: {keys[1]} | Help: {keys[1]} followed by {key_description(chr(8))} ---\n")
    terminal.start()
    try:
        terminal.join(transmit_only=True)
    except KeyboardInterrupt:
        terminal.stop()
        terminal.console.cancel()
    if not options.quiet:
        say("\n--- exit ---\n")
    terminal.join()
    terminal.console.cleanup()
    terminal.close()
    if terminal.error is not None:
        say(f"--- ended by an error: {terminal.error} ---\n")
        if options.develop:
            raise terminal.error
        sys.exit(1)


if __name__ == "__main__":
    main()
