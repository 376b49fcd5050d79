"""``anyserial list``: the serial ports of this host.

Which ports there are is for `anyserial` to find out; what `watch` needs too is in `_ports`.
"""

import json
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from anyserial_cli._main import DONE, Command
from anyserial_cli._ports import EPILOG, FILTERS, NOTHING, add_filters, as_json_object, matcher

if TYPE_CHECKING:
    import argparse

    from anyserial import PortInfo

__all__ = ("COMMAND",)

DESCRIPTION = """\
List the serial ports of this host, without opening any.

  anyserial list                        what there is, as a table
  anyserial list -v                     with every field that is known
  anyserial list --vid 0403 --json      FTDI's, for a program to read
  anyserial list ttyUSB0 -v             all about one port

A program does well to remember by_id (the device, wherever it is plugged in) or
by_path (the socket, whatever is plugged in), not /dev/ttyUSB0, which is whichever
device came first.
"""

_GAP = "  "


def _add_arguments(parser: "argparse.ArgumentParser") -> None:
    how = parser.add_mutually_exclusive_group()
    how.add_argument("-v", "--verbose", action="store_true", help="every field that is known")
    how.add_argument("--json", action="store_true", help="a JSON array, one object a port, every field")
    parser.add_argument(
        "--backend",
        choices=("native", "pyudev", "pyserial"),
        default="native",
        help="which library lists the ports (native)",
    )
    add_filters(parser)


def _run(arguments: "argparse.Namespace") -> int:
    # Discovery's own blocking call: an event loop would double the time that this takes.
    import anyserial_discovery  # noqa: PLC0415 - not for parsing

    matches = matcher(arguments)
    everything = anyserial_discovery.list_ports(arguments.backend)
    ports = [port for port in everything if matches(port)]
    if arguments.json:
        print(json.dumps([as_json_object(port) for port in ports], indent=2))
    elif arguments.verbose:
        print("\n\n".join(_details(port) for port in ports), end="\n" if ports else "")
    elif ports:
        print("\n".join(_table(ports)))
    if not ports:
        print(f"anyserial: no serial ports found{_excluded(arguments, len(everything))}", file=sys.stderr)
        return NOTHING
    return DONE


def _excluded(arguments: "argparse.Namespace", count: int) -> str:
    """Say which filters exclude all of *count* ports."""
    if not count:
        return ""
    given = {name: getattr(arguments, name) for name in FILTERS if getattr(arguments, name) is not None}
    words = [
        f"{'DEVICE' if name == 'device' else '--' + name.replace('_', '-')} {_as_typed(name, value)}"
        for name, value in given.items()
    ]
    ports = "the port that is" if count == 1 else f"all {count} ports that are"
    return f": {' '.join(words)} excluded {ports} here"


def _as_typed(name: str, value: str | int) -> str:
    from anyserial._spi import printable  # noqa: PLC0415  # core is looked at before it is imported

    return f"{value:04x}" if name in {"vid", "pid"} else printable(str(value))


def _table(ports: "list[PortInfo]") -> list[str]:
    rows: list[tuple[str, ...]] = [("DEVICE", "TRANSPORT", "VID:PID", "SERIAL", "LOCATION", "IF", "DESCRIPTION")]
    rows += [_row(port) for port in ports]
    # A column that says nothing is left out.
    kept = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in kept]
    return [
        _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in zip(*kept, strict=True)
    ]


def _row(port: "PortInfo") -> tuple[str, ...]:
    from anyserial._spi import printable  # noqa: PLC0415  # core is looked at before it is imported

    ids = "" if port.vid is None or port.pid is None else f"{port.vid:04x}:{port.pid:04x}"
    description = port.description or ""
    if not port.present:
        description += " (no node here)"
    cells = (
        port.device,
        port.transport or "",
        ids,
        port.serial_number or "",
        port.location or "",
        "" if port.interface_number is None else str(port.interface_number),
        description.strip(),
    )
    return tuple(printable(cell) for cell in cells)


def _details(port: "PortInfo") -> str:
    from anyserial._spi import printable  # noqa: PLC0415  # core is looked at before it is imported

    names = [field.name for field in fields(port) if field.name != "device"]
    width = max(map(len, names))
    lines = [port.device]
    for name in names:
        value = getattr(port, name)
        if value is None:
            continue
        if name in {"vid", "pid"}:
            value = f"{value:04x}"
        elif isinstance(value, bool):
            value = "yes" if value else "no"
        lines.append(f"  {name.ljust(width)}  {value}")
    return "\n".join(printable(line) for line in lines)


COMMAND = Command(
    name="list",
    summary="list the serial ports",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
