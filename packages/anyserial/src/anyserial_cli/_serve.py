"""``anyserial serve``: a port for programs on other machines, by RFC 2217 or raw TCP.

Serving is done by `anyserial.network`. How the command is called, what it shows and how it ends is decided here.
"""

import argparse
import logging
import sys
from typing import TYPE_CHECKING, Any, Final, override

from anyserial_cli._main import DONE, INTERRUPTED, Command

if TYPE_CHECKING:
    from anyio.abc import TaskStatus
    from anyserial.network import PortServer

    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

RFC2217_PORT: Final = 2217
LOOPBACK: Final = "127.0.0.1"
REFRESH: Final = 0.25  # seconds between two live lines
_HIGHEST: Final = 65535

DESCRIPTION = """\
Serve a serial port to programs in the network, until Ctrl-C. Prints the URL that reaches
it. RFC 2217 clients can set everything that a local program can; raw TCP clients only
exchange bytes. One client at a time has the port.

  anyserial serve /dev/ttyUSB0                        rfc2217://127.0.0.1:2217
  anyserial serve /dev/ttyUSB0 --rfc2217 4000 --hold  keep the port open between clients
  anyserial serve /dev/ttyUSB0 9600,7E1 --tcp 4001    raw TCP, with these settings

There is no password and no encryption: everyone who can connect can use the port. So it
listens on this machine only. From another machine, tunnel to it:

  ssh -N -L 2217:127.0.0.1:2217 user@gateway
"""

EPILOG = """\
exit status:
  0    ended by SIGTERM or SIGHUP
  1    the port cannot be opened, or the address cannot be listened on; the message says what
  2    the arguments are wrong
  130  ended by Ctrl-C
"""


def _add_arguments(parser: "Parser") -> None:
    parser.add_argument("port", metavar="PORT", help="path of a serial port, for example /dev/ttyUSB0")
    parser.add_argument(
        "settings", nargs="?", metavar="SETTINGS", type=_settings, default={}, help="such as 115200,8N1,rtscts"
    )
    group = parser.add_argument_group("where")
    group.add_argument(
        "--rfc2217", metavar="N", type=_number, help=f"port number for RFC 2217 ({RFC2217_PORT} if --tcp is not given)"
    )
    group.add_argument("--tcp", metavar="N", type=_number, help="port number for raw TCP")
    group.add_argument(
        "--listen", metavar="ADDR", default=LOOPBACK, help=f"address to listen on ({LOOPBACK}); 0.0.0.0 for every one"
    )
    group = parser.add_argument_group("how")
    group.add_argument("--hold", action="store_true", help="keep the port open between clients")
    group.add_argument("--reset-on-connect", action="store_true", help="with --hold: each client finds SETTINGS again")
    group.add_argument("--take-over", action="store_true", help="a new client gets the port; the old one is let go")
    group.add_argument("--wait", action="store_true", help="begin although the device is not there yet")
    group.add_argument("--idle-timeout", metavar="S", type=float, help="let go of a client after S silent seconds")


def _settings(text: str) -> dict[str, Any]:
    from anyserial_cli._term._settings import parse_settings  # noqa: PLC0415  # not for --help

    try:
        return parse_settings(text)
    except ValueError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from None


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) > _HIGHEST:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port number, from 0 to {_HIGHEST}")
    return int(text)


def _run(arguments: argparse.Namespace) -> int:
    import anyio  # noqa: PLC0415  # not for --help
    from anyserial.exceptions import ConfigurationError  # noqa: PLC0415

    parser: Parser = arguments.parser
    if arguments.idle_timeout is not None and not 0 < arguments.idle_timeout < float("inf"):
        parser.refuse("--idle-timeout", "it must be a number of seconds above 0")
    if arguments.reset_on_connect and not arguments.hold:
        parser.refuse("--reset-on-connect", "only a port that is held (--hold) is not opened for each client anyway")
    if arguments.rfc2217 is None and arguments.tcp is None:
        arguments.rfc2217 = RFC2217_PORT
    try:
        return anyio.run(_serve, arguments)
    except ConfigurationError as exc:
        parser.refuse("SETTINGS", exc.strerror or str(exc))


async def _serve(arguments: argparse.Namespace) -> int:
    import signal  # noqa: PLC0415  # not for --help

    import anyio  # noqa: PLC0415

    live = _Live(sys.stderr.isatty())
    logger = logging.getLogger("anyserial")
    logger.addHandler(live)
    logger.setLevel(logging.INFO)
    failures: list[OSError] = []
    status = DONE
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
        async with anyio.create_task_group() as tasks:

            async def wait_for_end() -> None:
                nonlocal status
                if await anext(signals) == signal.SIGINT:
                    status = INTERRUPTED
                tasks.cancel_scope.cancel()

            async def serve_it(*, task_status: "TaskStatus[PortServer]") -> None:
                try:
                    await _serve_port(arguments, task_status)
                except OSError as exc:
                    failures.append(exc)
                    tasks.cancel_scope.cancel()
                    await anyio.lowlevel.checkpoint()

            tasks.start_soon(wait_for_end)
            server: PortServer = await tasks.start(serve_it)
            print(*server.urls, sep="\n", flush=True)
            if arguments.listen != LOOPBACK:
                live.say("everyone who can reach this address can use the port: there is no password")
            await live.show(arguments.port, server)
    live.clear()
    logger.removeHandler(live)
    if failures:
        raise failures[0]
    return status


async def _serve_port(arguments: argparse.Namespace, task_status: "TaskStatus[PortServer]") -> None:
    from anyserial.network import serve  # noqa: PLC0415  # not for --help

    def where(number: int | None) -> tuple[str, int] | None:
        return None if number is None else (arguments.listen, number)

    await serve(
        arguments.port,
        where(arguments.rfc2217),
        where(arguments.tcp),
        hold=arguments.hold,
        take_over=arguments.take_over,
        wait=arguments.wait,
        reset_on_connect=arguments.reset_on_connect,
        idle_timeout=arguments.idle_timeout,
        task_status=task_status,
        **arguments.settings,
    )


class _Live(logging.Handler):
    """What happens, as lines on standard error; on a terminal the state stays below them in one live line."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal
        self._line = ""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.say(record.getMessage())

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.clear()
        print(text, file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Remove the live line."""
        if self._line:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
            self._line = ""

    async def show(self, name: str, server: "PortServer") -> None:
        """Keep the live line up to date, if there is a terminal."""
        import anyio  # noqa: PLC0415  # not for --help
        from anyserial._spi import printable  # noqa: PLC0415

        while self._is_terminal:
            line = f"{printable(name)}  {_state(server)}"
            if line != self._line:
                self.clear()
                print(line, end="", file=sys.stderr, flush=True)
                self._line = line
            await anyio.sleep(REFRESH)
        await anyio.sleep_forever()


def _state(server: "PortServer") -> str:
    from anyserial_cli._term._settings import describe  # noqa: PLC0415  # not for --help

    port, done = server.port, server.statistics
    words = [describe(port.config) if port is not None else "closed"]
    words.append(f"client {server.client}" if server.client else "no client")
    words.append(f"{done.bytes_to_port} bytes to the port, {done.bytes_to_clients} from it")
    return "  ".join(words)


COMMAND = Command(
    name="serve",
    summary="serve a port to programs in the network (RFC 2217, raw TCP)",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
