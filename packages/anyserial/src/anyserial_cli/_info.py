"""``anyserial info``: everything that can be learnt about one port without changing anything on it."""

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from anyserial_cli._main import DONE, Command
from anyserial_cli._ports import NOTHING, as_json_object, complete_ports

if TYPE_CHECKING:
    import argparse

    from anyserial import PortInfo, PortState

    from anyserial_cli._main import Parser

__all__ = ("COMMAND",)

DESCRIPTION = """\
Show everything about one port: what it is, who may open it, who has it open.

  anyserial info /dev/ttyUSB0           without opening it
  anyserial info /dev/ttyUSB0 --open    also its settings, lines and counters
  anyserial info ttyUSB0 --json         for a program to read

With --open, the port is opened and no setting is changed. But the kernel raises DTR and RTS
when a port is opened that no program has open, and most drivers lower them at the close. A board
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
    from anyserial.sync import inspect_serial_port  # noqa: PLC0415

    state = inspect_serial_port(found.device, opens=arguments.open)
    told: dict[str, Any] = {"port": as_json_object(found), **_state(state), **_from_sysfs(found.device)}
    if arguments.open:
        told |= _opened(state)
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
        # A tty that is not hardware, such as a pseudo-terminal.
        path = os.path.realpath(name)
        found = anyserial_discovery.port_info_for(path) or PortInfo(device=path)
    return found


def _state(state: "PortState") -> dict[str, Any]:
    """Return what is seen without opening the port."""
    access: dict[str, str | bool | None] = {
        "owner": state.owner,
        "group": state.group,
        "mode": state.mode,
        "may_open": state.may_open,
    }
    if not state.may_open:
        access["reason"] = state.refusal
    capabilities = {name: str(value) for name, value in asdict(state.capabilities).items()}
    return {"access": access, "holders": state.holders, "capabilities": capabilities}


def _opened(state: "PortState") -> dict[str, Any]:
    """Return what the port was opened for."""
    config, modem, control = state.config, state.modem_lines, state.control_lines
    settings: dict[str, Any] = {"raw": state.is_raw}
    if config is not None:
        flow = config.flow_control
        settings = {
            "baudrate": config.baudrate,
            "byte_size": int(config.byte_size.value),
            "parity": config.parity.value,
            "stop_bits": float(config.stop_bits.value),
            "rts_cts": flow.rts_cts,
            "xon_xoff": flow.xon_xoff,
            "dtr_dsr": flow.dtr_dsr,
            "hangup_on_close": config.hangup_on_close,
        } | settings
    lines = None
    if modem is not None and control is not None:
        lines = {
            "CTS": modem.cts,
            "DSR": modem.dsr,
            "RI": modem.ri,
            "CD": modem.cd,
            "RTS": control.rts,
            "DTR": control.dtr,
        }
    return {
        "settings": settings,
        "lines": lines,
        "counters": None if state.line_counters is None else asdict(state.line_counters),
    }


def _from_sysfs(device: str) -> dict[str, Any]:
    """Return what Linux knows about a USB adapter besides its identity."""
    name = os.path.basename(os.path.realpath(device))  # noqa: PTH119
    told: dict[str, Any] = {}
    try:
        with open(f"/sys/bus/usb-serial/devices/{name}/latency_timer", encoding="ascii") as file:  # noqa: PTH123
            told["latency_timer_ms"] = int(file.read())
    except (OSError, ValueError):
        pass  # not a driver that has one
    return told


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
    access = told["access"]
    row("permissions", f"{access['mode']}  owner {access['owner']}, group {access['group']}")
    row("you may open it", "yes" if access["may_open"] else f"no: {access['reason'] or 'the reason is unknown'}")
    row("open elsewhere", told["holders"] or "no, as far as /proc tells")
    if "latency_timer_ms" in told:
        row("latency timer", f"{told['latency_timer_ms']} ms")
    states: dict[str, str] = told["capabilities"]
    for label, state in (("can", "supported"), ("cannot", "unsupported"), ("driver decides", "unknown")):
        row(label, ", ".join(name for name, value in states.items() if value == state) or None)
    if not opened:
        row("settings, lines", "not read: --open opens the port for them, which may raise DTR (see --help)")
        return lines
    row("settings", _in_words(told["settings"]))
    for label in ("lines", "counters"):
        values: dict[str, int | bool] | None = told[label]
        row(
            label,
            "this driver has none" if values is None else ", ".join(f"{k} {_shown(v)}" for k, v in values.items()),
        )
    return lines


def _in_words(settings: dict[str, Any]) -> str:
    if "baudrate" in settings:
        frame = f"{settings['byte_size']}{settings['parity'][0].upper()}{settings['stop_bits']:g}"
        words = [f"{settings['baudrate']}, {frame}"]
        words += [name.replace("_", "") for name in ("rts_cts", "xon_xoff", "dtr_dsr") if settings[name]]
        words += ["hangup on close"] if settings["hangup_on_close"] else []
    else:
        words = ["hung up (rate 0)"]
    return ", ".join([*words, "raw" if settings["raw"] else "cooked"])


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
