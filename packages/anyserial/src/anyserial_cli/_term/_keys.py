"""The keyboard in raw mode: the menu key and the key after it; everything else goes to the device."""

from typing import NamedTuple

__all__ = ("COMMANDS", "Key", "Keys", "Typed", "help_text", "key_name", "parse_key")

# The key after the menu key, what it is called, what it does. In the order of the help.
COMMANDS = {
    "?": ("help", "this help"),
    "q": ("quit", "quit"),
    "c": ("settings", "change the settings: 9600  115200,8N1  rtscts"),
    "b": ("break", "send a break (0.25 s)"),
    "d": ("dtr", "toggle DTR"),
    "r": ("rts", "toggle RTS"),
    "D": ("pulse-dtr", "pulse DTR (0.1 s)"),
    "R": ("pulse-rts", "pulse RTS (0.1 s)"),
    "i": ("status", "port, settings and byte counts now"),
    "m": ("mode", "input: raw, line (with editing), hex"),
    "x": ("hex", "show text or a hex dump"),
    "t": ("stamps", "timestamps: off, time, date, start, delta"),
    "e": ("echo", "local echo on or off"),
    "n": ("newline", "sent for Enter: CR, LF, CR LF"),
    "N": ("newline-in", "received line ends: auto, cr, lf, none"),
    "s": ("safe", "escape sequences: filter, show, obey"),
    ">": ("send-file", "send a file: as it is, XMODEM, YMODEM, ZMODEM"),
    "<": ("receive-file", "receive a file: XMODEM, YMODEM, ZMODEM"),
    "g": ("log", "start or stop the log"),
    "l": ("line", "status line on or off"),
    "k": ("clear", "clear and reset the screen"),
    "z": ("suspend", "suspend (fg brings it back)"),
}


class Typed(NamedTuple):
    """Bytes for the device."""

    data: bytes


class Key(NamedTuple):
    """A command of the menu, or a key that is none."""

    key: str

    @property
    def command(self) -> str | None:
        """The command's name; None for a key that is none."""
        entry = COMMANDS.get(self.key)
        return entry and entry[0]


class Keys:
    """Splits what the keyboard sends.

    The menu key twice sends it once to the device.

    Attributes:
        pending: The menu key was pressed, and the key after it is awaited.
    """

    def __init__(self, menu: int | None) -> None:
        """Take *menu* as the menu key's byte; None for no menu at all."""
        self._menu = menu
        self.pending = False

    def feed(self, data: bytes) -> list[Typed | Key]:
        """Return what *data* holds, in order."""
        found: list[Typed | Key] = []
        start = 0
        for at, byte in enumerate(data):
            if self.pending:
                self.pending = False
                # The menu key twice: it is itself the first byte of what follows.
                start = at if byte == self._menu else at + 1
                if byte != self._menu:
                    found.append(Key(chr(byte)))
            elif byte == self._menu:
                self.pending = True
                if at > start:
                    found.append(Typed(data[start:at]))
                start = at + 1
        if start < len(data):
            found.append(Typed(data[start:]))
        return found


def parse_key(text: str) -> int | None:
    """Return the byte of a key written ``ctrl-t``, ``^T`` or ``none``.

    Raises:
        ValueError: It is none of those.
    """
    lowered = text.lower()
    if lowered == "none":
        return None
    for prefix in ("ctrl-", "^"):
        rest = lowered.removeprefix(prefix)
        if rest != lowered and len(rest) == 1 and "@" <= rest.upper() <= "_":
            return ord(rest.upper()) & 0x1F
    raise ValueError(f"{text!r} is not a key such as ctrl-t, ctrl-] or none")


def key_name(menu: int | None) -> str:
    """Return how the menu key is written in the help."""
    return "none" if menu is None else f"ctrl-{chr(menu | 0x40).lower()}"


def help_text(menu: int | None) -> list[str]:
    """Return the help, line by line."""
    name = key_name(menu)
    width = len(name) + 2
    lines = [f"{name} is the menu key; {name} {name} sends it to the device."]
    lines += [f"{name} {key}".ljust(width + 2) + what for key, (_, what) in COMMANDS.items()]
    return lines
