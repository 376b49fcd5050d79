"""Which port, when none was named: the only one, or a choice that follows what is plugged in."""

import os
import sys
import termios
import tty
from typing import TYPE_CHECKING

import anyio
from anyserial import list_serial_ports, watch_serial_ports
from anyserial._spi import printable

if TYPE_CHECKING:
    from anyserial import PortInfo

__all__ = ("Choice", "pick")

MOST = 9  # one key each


class Choice:
    """The list on the screen, as text, and what a key does to it."""

    def __init__(self) -> None:
        """Begin with an empty list."""
        self.ports: dict[str, str] = {}
        self.done = False
        self.chosen: str | None = None

    def add(self, port: "PortInfo") -> None:
        """A port has come."""
        words = filter(None, (port.description, port.serial_number and f"serial {port.serial_number}"))
        self.ports[port.device] = printable(", ".join(words))

    def remove(self, port: "PortInfo") -> None:
        """A port has gone."""
        self.ports.pop(port.device, None)

    def lines(self) -> list[str]:
        """Return what is shown."""
        rows = [*self.ports.items()][:MOST]
        if not rows:
            return ["No serial port yet: plug one in, or q to quit"]
        width = max(len(device) for device, _ in rows)
        listed = [f"  {number}  {device.ljust(width)}  {text}" for number, (device, text) in enumerate(rows, 1)]
        return ["Which port? (ports appear as they are plugged in; q to quit)", *listed]

    def press(self, key: str) -> None:
        """Choose by number; Enter takes the first; q, Ctrl-C and Escape give up."""
        devices = [*self.ports][:MOST]
        if key in ("q", "\x03", "\x04", "\x1b"):
            self.done = True
        elif key in ("\r", "\n") and devices:
            self.done, self.chosen = True, devices[0]
        elif key.isdecimal() and 1 <= int(key) <= len(devices):
            self.done, self.chosen = True, devices[int(key) - 1]


async def pick(is_interactive: bool, wait: bool) -> str | None:
    """Return the path of the port to use; None if there is none, or none was chosen.

    Args:
        is_interactive: Somebody can be asked.
        wait: With no port at all, wait for one.
    """
    present = [port for port in await list_serial_ports() if port.present]
    if len(present) == 1:
        return present[0].device
    if is_interactive and (present or wait):
        return await _choose()
    if wait and not present:
        async with watch_serial_ports() as events:
            async for event in events:
                if event.kind == "added":
                    return event.port.device
    if present:
        names = ", ".join(printable(port.device) for port in present)
        print(f"anyserial: there are several ports: {names}", file=sys.stderr)
    return None


async def _choose() -> str | None:
    choice = Choice()
    before = termios.tcgetattr(0)
    tty.setcbreak(0)
    shown = 0

    def draw() -> None:
        nonlocal shown
        up = f"\x1b[{shown}A" if shown else ""
        lines = choice.lines()
        os.write(1, (up + "\r\x1b[J" + "".join(f"{line}\r\n" for line in lines)).encode())
        shown = len(lines)

    async def follow(tasks: anyio.abc.TaskGroup) -> None:
        draw()
        async with watch_serial_ports() as events:
            async for event in events:
                (choice.add if event.kind == "added" else choice.remove)(event.port)
                draw()
        tasks.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(follow, tasks)
            while not choice.done:
                await anyio.wait_readable(0)
                data = os.read(0, 64).decode("latin-1")
                if not data:
                    break
                for key in data:
                    choice.press(key)
            tasks.cancel_scope.cancel()
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
    return choice.chosen
