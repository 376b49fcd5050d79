"""``anyserial info``: everything that can be told of one port without changing anything on it."""

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from anyserial_cli._main import DONE, Command
from anyserial_cli._ports import NOTHING, as_json_object, complete_ports

if TYPE_CHECKING:
    import argparse

    from anyserial import PortInfo

    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

DESCRIPTION = """\
Tell everything about one port: what it is, who may open it, who has it open.

  anyserial info /dev/ttyUSB0           without opening it
  anyserial info /dev/ttyUSB0 --open    also its settings, lines and counters
  anyserial info ttyUSB0 --json         for a program to read

With --open, the port is opened and no setting is changed. But the kernel raises DTR and RTS
when a port is opened that nobody has open, and most drivers lower them at the close. A board
that resets on DTR (an Arduino, say) is reset by that. If a program has the port open
already, opening it once more changes nothing.
"""

EPILOG = """\
exit status:
  0  done
  1  the port could not be opened (--open); the message says why
  2  the arguments are wrong
  3  there is no such port
"""


def _add_arguments(parser: "Parser") -> None:
    port = parser.add_argument("port", metavar="PORT", help="a port by any of its names, links included")
    port.completer = complete_ports  # type: ignore[attr-defined]  # argcomplete's
    parser.add_argument("--open", action="store_true", help="open it: settings, lines, counters (see above: DTR)")
    parser.add_argument("--json", action="store_true", help="a JSON object")


def _run(arguments: "argparse.Namespace") -> int:
    import sys  # noqa: PLC0415

    from anyserial._spi import printable  # noqa: PLC0415  # core is looked at before it is imported

    found = _find(arguments.port)
    if found is None:
        print(f"anyserial: there is no serial port {printable(arguments.port)}", file=sys.stderr)
        return NOTHING
    told: dict[str, Any] = {"port": as_json_object(found), **_access(found.device), **_from_sysfs(found.device)}
    told["capabilities"] = _capabilities()
    if arguments.open:
        from anyserial_cli._tty_state import read_state  # noqa: PLC0415  # only for this

        told |= read_state(found.device)
    if arguments.json:
        print(json.dumps(told, indent=2))
    else:
        print("\n".join(_text(told, opened=arguments.open)))
    return DONE


def _find(name: str) -> "PortInfo | None":
    import anyserial_discovery  # noqa: PLC0415 - not for parsing
    from anyserial import PortInfo  # noqa: PLC0415

    found: PortInfo | None = anyserial_discovery.find_port(device=name)
    if found is None and os.path.exists(name):  # noqa: PTH110
        # A tty that is no hardware, such as a pseudo-terminal.
        path = os.path.realpath(name)
        found = anyserial_discovery.port_info_for(path) or PortInfo(device=path)
    return found


def _access(device: str) -> dict[str, Any]:
    import grp  # noqa: PLC0415
    import pwd  # noqa: PLC0415
    import stat  # noqa: PLC0415
    from contextlib import suppress  # noqa: PLC0415

    from anyserial_posix._access import explain  # noqa: PLC0415
    from anyserial_posix._lock import holders  # noqa: PLC0415
    from anyserial_posix._syscalls import KERNEL  # noqa: PLC0415

    told: dict[str, Any] = {}
    with suppress(OSError):
        status = os.stat(device)  # noqa: PTH116
        owner, group = str(status.st_uid), str(status.st_gid)
        with suppress(KeyError):
            owner = pwd.getpwuid(status.st_uid).pw_name
        with suppress(KeyError):
            group = grp.getgrgid(status.st_gid).gr_name
        access: dict[str, str | bool | None] = {"owner": owner, "group": group, "mode": stat.filemode(status.st_mode)}
        told["access"] = access
        may = os.access(device, os.R_OK | os.W_OK)
        access["may_open"] = may
        if not may:
            import errno  # noqa: PLC0415
            import sys  # noqa: PLC0415

            access["reason"] = explain(KERNEL, sys.platform, device, errno.EACCES)
    told["holders"] = holders(KERNEL, device)
    return told


def _from_sysfs(device: str) -> dict[str, Any]:
    """Return what Linux tells of a USB adapter beside its identity."""
    name = os.path.basename(os.path.realpath(device))  # noqa: PTH119
    told: dict[str, Any] = {}
    try:
        with open(f"/sys/bus/usb-serial/devices/{name}/latency_timer", encoding="ascii") as file:  # noqa: PTH123
            told["latency_timer_ms"] = int(file.read())
    except (OSError, ValueError):
        pass  # not a driver that has one
    return told


def _capabilities() -> dict[str, str]:
    from anyserial_posix import create_backend  # noqa: PLC0415

    return {name: str(value) for name, value in asdict(create_backend().capabilities).items()}


def _text(told: dict[str, Any], *, opened: bool) -> list[str]:  # noqa: C901  # a list of rows
    from anyserial._spi import printable  # noqa: PLC0415  # core is looked at before it is imported

    port: dict[str, Any] = told["port"]
    lines = [port["device"]]

    def row(label: str, value: object) -> None:
        if value is not None:
            lines.append(printable(f"  {label.ljust(16)}  {value}"))

    for name, value in port.items():
        if name in {"device", "name"}:
            continue
        if name in {"vid", "pid"} and value is not None:
            row(name, f"{value:04x}")
        elif isinstance(value, bool):
            row(name, "yes" if value else "no")
        else:
            row(name, value)
    access = told.get("access")
    if access is not None:
        row("permissions", f"{access['mode']}  owner {access['owner']}, group {access['group']}")
        row(
            "you may open it", "yes" if access["may_open"] else f"no: {access.get('reason') or 'the reason is unknown'}"
        )
    row("open elsewhere", told["holders"] or "no, as far as /proc tells")
    if "latency_timer_ms" in told:
        row("latency timer", f"{told['latency_timer_ms']} ms")
    states: dict[str, str] = told["capabilities"]
    for label, state in (("can", "supported"), ("cannot", "unsupported"), ("driver decides", "unknown")):
        row(label, ", ".join(name for name, value in states.items() if value == state) or None)
    if not opened:
        row("settings, lines", "not read: --open opens the port for them, which may raise DTR (see --help)")
        return lines
    row("settings", told["settings"])
    for label in ("lines", "counters"):
        values: dict[str, int | bool] | None = told[label]
        row(
            label,
            "this driver has none" if values is None else ", ".join(f"{k} {_shown(v)}" for k, v in values.items()),
        )
    return lines


def _shown(value: int) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


COMMAND = Command(
    name="info",
    summary="everything about one port, without changing anything on it",
    description=DESCRIPTION,
    epilog=EPILOG,
    add_arguments=_add_arguments,
    run=_run,
)
