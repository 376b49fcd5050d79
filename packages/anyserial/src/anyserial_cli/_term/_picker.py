"""Which port, when none was named: the only one, or a choice that follows what is plugged in."""

import os
import re
import signal
import sys
import termios
import tty
from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
from anyserial import list_serial_ports, watch_serial_ports
from anyserial._spi import printable

if TYPE_CHECKING:
    from anyserial import PortInfo

__all__ = ("Choice", "pick")

KEYS = "123456789abcdefghijklmnoprstuvwxyz"  # one for each port; q ends
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
UP, DOWN = ("\x1b[A", "\x1bOA"), ("\x1b[B", "\x1bOB")
_KEY = re.compile(r"\x1b[\[O][0-?]*[ -/]*[@-~]|.", re.DOTALL)


class Choice:
    """The list on the screen, as text, and what a key does to it."""

    def __init__(self) -> None:
        """Begin with an empty list."""
        self.ports: dict[str, str] = {}
        self.done = False
        self.chosen: str | None = None
        self._marked: str | None = None

    def add(self, port: "PortInfo") -> None:
        """A port has come."""
        words = filter(None, (port.description, port.serial_number and f"serial {port.serial_number}"))
        self.ports[port.device] = printable(", ".join(words))

    def remove(self, port: "PortInfo") -> None:
        """A port has gone."""
        self.ports.pop(port.device, None)

    @property
    def marked(self) -> str | None:
        """The port that Enter takes: the one that the arrow keys chose, or else the first."""
        return self._marked if self._marked in self.ports else next(iter(self.ports), None)

    def lines(self, rows: int = 24, columns: int = 80) -> list[str]:
        """Return what is shown on a screen of that size: each line fits a row."""
        devices = [*self.ports]
        if not devices:
            return ["No serial port yet: plug one in, or q to quit"[: columns - 1]]
        most = max(rows - 3, 1)  # the title, how many more there are, and the cursor's own row
        first = max(devices.index(self.marked or "") - most + 1, 0)
        shown = devices[first : first + most]
        width = max(len(printable(device)) for device in shown)
        lines = ["Which port? (ports appear as they are plugged in; q to quit)"]
        for at, device in enumerate(shown, first):
            mark = ">" if device == self.marked else " "
            key = KEYS[at] if at < len(KEYS) else " "
            lines.append(f"{mark} {key}  {printable(device).ljust(width)}  {self.ports[device]}".rstrip())
        if len(shown) < len(devices):
            lines.append(f"  {len(devices) - len(shown)} more: the arrow keys show them")
        return [line[: columns - 1] for line in lines]

    def press(self, keys: str) -> None:
        """Take what was typed: a port's key, the arrow keys and Enter; q, Ctrl-C, Ctrl-D and Escape give up."""
        for key in _KEY.findall(keys):
            devices = [*self.ports]
            if key in UP or key in DOWN:
                at = devices.index(self.marked) if self.marked is not None else 0
                self._marked = devices[(at + (1 if key in DOWN else -1)) % len(devices)] if devices else None
            elif key in ("q", "\x03", "\x04", "\x1b"):
                self.done = True
            elif key in ("\r", "\n") and devices:
                self.done, self.chosen = True, self.marked
            elif key in KEYS and KEYS.index(key) < len(devices):
                self.done, self.chosen = True, devices[KEYS.index(key)]
            if self.done:
                return


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
    shown = 0
    ended_by = 0

    def draw() -> None:
        nonlocal shown
        up = f"\x1b[{shown}A" if shown else ""
        size = os.get_terminal_size(1)
        lines = choice.lines(size.lines or 24, size.columns or 80)
        os.write(1, (up + "\r\x1b[J" + "".join(f"{line}\r\n" for line in lines)).encode("utf-8", "backslashreplace"))
        shown = len(lines)

    async def follow() -> None:
        async with watch_serial_ports() as events:
            async for event in events:
                (choice.add if event.kind == "added" else choice.remove)(event.port)
                draw()

    async def obey_signals(tasks: anyio.abc.TaskGroup) -> None:
        nonlocal ended_by
        async for number in signals:
            if number in ENDING_SIGNALS:
                ended_by = number
                tasks.cancel_scope.cancel()
                return
            tty.setcbreak(0)  # after a suspend, the shell has its own modes
            draw()

    try:
        with anyio.open_signal_receiver(*ENDING_SIGNALS, signal.SIGWINCH, signal.SIGCONT) as signals:
            tty.setcbreak(0)
            draw()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(follow)
                tasks.start_soon(obey_signals, tasks)
                while not choice.done:
                    await anyio.wait_readable(0)
                    if not (data := _read_keys()):
                        break  # the terminal is gone
                    choice.press(data)
                    draw()
                tasks.cancel_scope.cancel()
    finally:
        with suppress(termios.error):
            termios.tcsetattr(0, termios.TCSADRAIN, before)
    if ended_by:
        sys.exit(128 + ended_by)
    return choice.chosen


def _read_keys() -> str:
    try:
        return os.read(0, 64).decode("latin-1")
    except OSError:
        return ""
