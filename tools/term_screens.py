"""The screens of ``anyserial term`` in docs/terminal.md, taken from the real program.

Each screen is a block below a comment such as ``<!-- screen: hex -->``. The program runs in a pseudo-terminal that
pyte draws, with a device at the other end of another one. Without arguments the page is compared with the program;
``--write`` puts the screens into the page.
"""

import argparse
import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
import tty
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyte
from source_tree import ROOT

PAGE = ROOT / "docs" / "terminal.md"
PATIENCE = 30.0  # seconds: a busy machine starts a program slowly
COLUMNS = 80
SHOWN_PATH = "/dev/ttyUSB0"  # stands for the path of the device, which has as many characters
BLOCK = re.compile(r"(<!-- screen: (\S+) -->\n\n?```text\n)(.*?)(\n```)", re.DOTALL)
MENU = "\x14"

BOOT = b"U-Boot 2026.04\r\nBoard: devboard\r\n\r\n\x1b[1mlogin:\x1b[0m "
REQUEST = bytes(range(16)) + b"GET /index.html\r\n\xff\xfe"
# The picker asks discovery for the ports; these are the ones that it is told.
TWO_PORTS = """
import sys
from contextlib import asynccontextmanager
import anyio, anyserial_cli
from anyserial import PortEvent, PortInfo
from anyserial_cli._term import _picker
ports = [
    PortInfo(device="/dev/ttyUSB0", description="FT232R USB UART", serial_number="A50285BI"),
    PortInfo(device="/dev/ttyACM0", description="Pico"),
]
async def list_serial_ports():
    return ports
async def events():
    for port in ports:
        yield PortEvent(kind="added", port=port)
    await anyio.sleep_forever()
@asynccontextmanager
async def watch_serial_ports():
    yield events()
_picker.list_serial_ports, _picker.watch_serial_ports = list_serial_ports, watch_serial_ports
sys.exit(anyserial_cli.main(["term"]))
"""


class Screen(NamedTuple):
    """How a screen comes about.

    Attributes:
        rows: How many rows the terminal has.
        options: Of ``anyserial term``; None for the picker, which has no device.
        sent: What the device sends once the port is open.
        keys: What is typed then.
        seen: What the screen is waited for, beside the status line.
    """

    rows: int
    options: tuple[str, ...] | None
    sent: bytes
    keys: str
    seen: str


SCREENS = {
    "picker": Screen(5, None, b"", "", "/dev/ttyACM0"),
    "terminal": Screen(10, (), BOOT, "", "login:"),
    "hex": Screen(8, ("--hex",), REQUEST, "", "|...|"),
    "help": Screen(24, (), b"", MENU + "?", "suspend (fg"),
}


class Running:
    """A program in a terminal, and what the terminal shows."""

    def __init__(self, screen: Screen, folder: Path, number: int) -> None:
        """Start the program; its device is a link in *folder*."""
        self._asked = screen
        self._fd, near = os.openpty()
        fcntl.ioctl(near, termios.TIOCSWINSZ, struct.pack("HHHH", screen.rows, COLUMNS, 0, 0))
        self._screen: Any = pyte.Screen(COLUMNS, screen.rows)
        self._stream: Any = pyte.ByteStream(self._screen)
        self._device: tuple[int, int] | None = None
        self._path = str(folder / "d").ljust(len(SHOWN_PATH) - 1, "0") + str(number)
        if len(self._path) != len(SHOWN_PATH):
            raise ValueError(f"{self._path} is longer than {SHOWN_PATH}")
        command = [sys.executable, "-m", "anyserial", "term", self._path, *(screen.options or ())]
        if screen.options is None:
            command = [sys.executable, "-c", TWO_PORTS]
        else:
            self._device = os.openpty()
            tty.setraw(self._device[1])
            Path(self._path).symlink_to(os.ttyname(self._device[1]))
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
        environment |= {"TERM": "xterm", "XDG_CONFIG_HOME": str(folder)}
        self._process = subprocess.Popen(
            command, stdin=near, stdout=near, stderr=near, env=environment, start_new_session=True
        )
        os.close(near)

    def shown(self) -> str:
        """Do what the screen asks for, and return it."""
        if self._device is not None:
            self._wait(lambda text: "rx 0 tx 0  ctrl-t ? help" in text and "connected to" in text)
            os.write(self._device[0], self._asked.sent)
        os.write(self._fd, self._asked.keys.encode())
        count = f"rx {len(self._asked.sent)} tx 0" if self._device is not None else ""
        self._wait(lambda text: self._asked.seen in text and count in text)
        return self._text().replace(self._path, SHOWN_PATH)

    def _text(self) -> str:
        lines: list[str] = [line.rstrip() for line in self._screen.display]
        return "\n".join(lines).rstrip("\n")

    def _wait(self, is_there: Callable[[str], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not is_there(self._text()):
            ready, _, _ = select.select([self._fd], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                raise TimeoutError(f"the screen does not come about:\n{self._text()}")
            self._stream.feed(os.read(self._fd, 65536))

    def stop(self) -> None:
        """End the program."""
        self._process.kill()
        self._process.wait()
        for fd in (self._fd, *(self._device or ())):
            os.close(fd)


@contextmanager
def _all() -> Generator[dict[str, Running]]:
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as name:  # a short path
        # Shorter still: the path has to have as many characters as the one that stands for it.
        folder = Path("/tmp") / f"s{os.getpid() % 1000:03}"  # noqa: S108  # not a file, and removed
        folder.unlink(missing_ok=True)
        folder.symlink_to(name)
        running: dict[str, Running] = {}
        try:
            for number, (title, screen) in enumerate(SCREENS.items()):
                running[title] = Running(screen, folder, number)
            yield running
        finally:
            for program in running.values():
                program.stop()
            folder.unlink()


def take() -> dict[str, str]:
    """Return every screen by its name."""
    with _all() as running:
        return {name: program.shown() for name, program in running.items()}


def replaced(page: str, screens: dict[str, str]) -> str:
    """Return *page* with the screens in their blocks.

    Raises:
        ValueError: A screen has no block, or a block no screen.
    """
    names = [match[2] for match in BLOCK.finditer(page)]
    if sorted(names) != sorted(screens):
        raise ValueError(f"the page has the screens {sorted(names)}, there are {sorted(screens)}")
    return BLOCK.sub(lambda match: f"{match[1]}{screens[match[2]]}{match[4]}", page)


def main() -> int:
    """Compare the page with the program, or write it."""
    parser = argparse.ArgumentParser(prog="tools/term_screens.py", description="The screens in docs/terminal.md.")
    parser.add_argument("--write", action="store_true", help="put the screens into the page")
    arguments = parser.parse_args()
    page = PAGE.read_text(encoding="utf-8")
    now = replaced(page, take())
    if arguments.write:
        PAGE.write_text(now, encoding="utf-8")
    elif now != page:
        print("docs/terminal.md shows other screens than the program; run tools/term_screens.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
