"""``anyserial watch``: ports as they come and go.

What comes and goes is for `anyserial` to find out; what `list` needs too is in `_ports`.
"""

import argparse
import json
import math
import sys
from typing import TYPE_CHECKING

from anyserial_cli._main import DONE, Command
from anyserial_cli._ports import EPILOG, NOTHING, add_filters, as_json_object, matcher

if TYPE_CHECKING:
    from anyserial import PortEvent

__all__ = ("COMMAND",)

DESCRIPTION = """\
Report the serial ports present, then each arrival and removal as it happens, until
Ctrl-C.

  anyserial watch                               everything, one line an event
  anyserial watch --new --count 1               wait until something is plugged in or out
  anyserial watch --vid 0403 --count 1 --timeout 30 && make flash
                                                go on once FTDI's adapter is there
  anyserial watch --json | program              one JSON object a line: kind, port

A port is reported once you may open it; one that you lack permission for never is.
"""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--new", action="store_true", help="leave out the ports that are there already")
    parser.add_argument("--count", type=_count, metavar="N", help="end with status 0 after N events")
    parser.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", default=math.inf, help="end with status 3 when they have passed"
    )
    add_filters(parser)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not value >= 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def _run(arguments: argparse.Namespace) -> int:
    import anyio  # noqa: PLC0415 - not for parsing

    return anyio.run(_watch, arguments)


async def _watch(arguments: argparse.Namespace) -> int:
    import anyio  # noqa: PLC0415 - not for parsing
    from anyserial import list_serial_ports, watch_serial_ports  # noqa: PLC0415
    from anyserial_discovery import may_open  # noqa: PLC0415

    matches = matcher(arguments)
    with anyio.move_on_after(arguments.timeout):
        async with watch_serial_ports() as events:
            # What is there when the watch begins is queued by then, and told first.
            present = [port for port in await list_serial_ports() if matches(port)]
            forbidden = {port.device for port in present if port.present and not may_open(port.device)}
            _hint(forbidden)
            untold = {port.device for port in present if arguments.new and port.present} - forbidden
            chosen: set[str] = set()
            told = 0
            async for event in events:
                device = event.port.device
                if event.kind == "added":
                    if not matches(event.port):
                        continue
                    chosen.add(device)
                    if device in untold:
                        untold.remove(device)
                        continue
                # What was chosen goes as what it came: a link to it may be gone by now.
                elif device not in chosen:
                    continue
                else:
                    chosen.remove(device)
                    untold.discard(device)
                _tell(event, as_json=arguments.json)
                told += 1
                if told == arguments.count:
                    return DONE
    return NOTHING


def _tell(event: "PortEvent", *, as_json: bool) -> None:
    from anyserial._spi import printable  # noqa: PLC0415  # core is looked at before it is imported

    port = event.port
    if as_json:
        line = json.dumps({"kind": event.kind, "port": as_json_object(port)})
    else:
        line = printable("  ".join(filter(None, (event.kind.ljust(7), port.device, port.description, port.hwid))))
    print(line, flush=True)


def _hint(devices: set[str]) -> None:
    from anyserial._spi import printable  # noqa: PLC0415  # core is looked at before it is imported

    for device in sorted(devices):
        print(
            f"anyserial: {printable(device)} exists, but you lack permission to open it; it is not reported",
            file=sys.stderr,
        )


COMMAND = Command(
    name="watch",
    summary="tell what is plugged in and unplugged, as it happens",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
