"""miniterm's command line: its options, with pySerial's names and meaning."""

import argparse
import sys

from anyserial_sync._pyserial.tools._transforms import TRANSFORMATIONS

__all__ = ("Options", "filters_of", "parse")

EXIT_CHARACTER = 0x1D
MENU_CHARACTER = 0x14


class Options(argparse.Namespace):
    """What the command line said."""

    port: str | None
    baudrate: int
    parity: str
    rtscts: bool
    xonxoff: bool
    rts: int | None
    dtr: int | None
    exclusive: bool
    ask: bool
    echo: bool
    serial_port_encoding: str
    filter: list[str]
    eol: str
    raw: bool
    exit_char: int
    menu_char: int
    quiet: bool
    develop: bool


def parse(port: str | None, baudrate: int, rts: int | None, dtr: int | None) -> Options:
    """Read the process's arguments; those given here are the defaults.

    Raises:
        SystemExit: They are wrong, or ask for help or the list of filters.
    """
    parser = argparse.ArgumentParser(description="Miniterm - a small terminal for a serial port.")
    parser.add_argument("port", nargs="?", default=port, help='the port\'s name or URL; "-" lists the ports and asks')
    parser.add_argument("baudrate", nargs="?", type=int, default=baudrate, help="baud rate, default: %(default)s")
    _add_port_settings(parser, rts, dtr)
    _add_data_handling(parser)
    keys = parser.add_argument_group("hotkeys")
    keys.add_argument(
        "--exit-char", type=int, metavar="NUM", default=EXIT_CHARACTER, help="code of the quit key, default: 29"
    )
    keys.add_argument(
        "--menu-char", type=int, metavar="NUM", default=MENU_CHARACTER, help="code of the menu key, default: 20"
    )
    diagnostics = parser.add_argument_group("diagnostics")
    diagnostics.add_argument("-q", "--quiet", action="store_true", help="show errors alone")
    diagnostics.add_argument("--develop", action="store_true", help="show an error's traceback")
    options = parser.parse_args(namespace=Options())
    if options.menu_char == options.exit_char:
        parser.error("--exit-char can not be the same as --menu-char")
    names = {name.lower() for name in options.filter}
    if "help" in names:
        sys.stderr.write("Available filters:\n")
        for name, transform in sorted(TRANSFORMATIONS.items()):
            sys.stderr.write(f"{name:<10} = {transform.__doc__}\n")
        sys.exit(1)
    if unknown := names - TRANSFORMATIONS.keys():
        known = ", ".join(sorted(TRANSFORMATIONS))
        parser.error(f"there is no filter {', '.join(sorted(unknown))}; the filters are {known}")
    return options


def _add_port_settings(parser: argparse.ArgumentParser, rts: int | None, dtr: int | None) -> None:
    group = parser.add_argument_group("port settings")
    group.add_argument(
        "--parity", choices=["N", "E", "O", "S", "M"], type=str.upper, default="N", help="parity, default: N"
    )
    group.add_argument("--rtscts", action="store_true", help="RTS/CTS flow control (default off)")
    group.add_argument("--xonxoff", action="store_true", help="software flow control (default off)")
    group.add_argument("--rts", type=int, default=rts, help="level of RTS when the port is opened: 0 or 1")
    group.add_argument("--dtr", type=int, default=dtr, help="level of DTR when the port is opened: 0 or 1")
    group.add_argument(
        "--non-exclusive", dest="exclusive", action="store_false", help="leave the port open to other programs"
    )
    group.add_argument("--ask", action="store_true", help="ask for another port when this one cannot be opened")


def _add_data_handling(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("data handling")
    group.add_argument("-e", "--echo", action="store_true", help="show what is typed (default off)")
    group.add_argument(
        "--encoding",
        dest="serial_port_encoding",
        metavar="CODEC",
        default="UTF-8",
        help="encoding of the port's text (hexlify, Latin1, UTF-8, ...), default: %(default)s",
    )
    group.add_argument(
        "-f", "--filter", action="append", metavar="NAME", default=[], help='add a filter; "help" lists them'
    )
    group.add_argument(
        "--eol", choices=["CR", "LF", "CRLF"], type=str.upper, default="CRLF", help="what the Enter key sends"
    )
    group.add_argument("--raw", action="store_true", help="show received bytes as they are")


def filters_of(options: Options) -> list[str]:
    """Return the filters that were asked for, ``default`` if none was; key names are lower case."""
    return [name.lower() for name in options.filter] or ["default"]
