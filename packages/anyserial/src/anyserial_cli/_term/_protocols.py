"""The protocols that files are sent by, and the programs of lrzsz that speak them.

Nothing here runs a program or touches a port.
"""

import re
import shutil
import stat
from pathlib import Path
from typing import NamedTuple

from anyserial._spi import printable

__all__ = (
    "CANCEL",
    "PROTOCOLS",
    "Plan",
    "TransferError",
    "progress",
    "receiving",
    "sending",
    "size_in",
    "without_xon_xoff",
)

PROTOCOLS = {
    "raw": "the bytes as they are",
    "xmodem": "XMODEM with blocks of 1024 bytes",
    "ymodem": "YMODEM",
    "zmodem": "ZMODEM",
}
# Eight CAN end every one of the protocols; the BS erase what a shell made of them.
CANCEL = b"\x18" * 8 + b"\x08" * 8
WIDTH = 24  # characters of the bar
KIB = 1024
# A YMODEM block 0 or a ZMODEM file header: the name, a NUL, the size in decimal.
_NAME_AND_SIZE = re.compile(rb"[^\x00-\x1f]\x00([0-9]{1,19})[ \x00]")
INSTALL = "lrzsz is not installed: install it with your system's package manager, such as `apt install lrzsz`"


class TransferError(Exception):
    """A file was not transferred; the message says why."""


class Plan(NamedTuple):
    """One transfer.

    Attributes:
        what: What is done, for people.
        protocol: A key of `PROTOCOLS`.
        path: The file that is sent, or where the received one goes.
        command: The program that speaks the protocol on its standard input and output; empty for ``raw``.
        folder: Where the program runs.
        total: How many bytes there are; None if only the device knows.
    """

    what: str
    protocol: str
    path: Path
    command: tuple[str, ...]
    folder: Path
    total: int | None


def sending(protocol: str, path: str) -> Plan:
    """Return how the file at *path* is sent.

    Raises:
        TransferError: There is no such protocol, file or program.
    """
    file = Path(path).expanduser()
    try:
        status = file.stat()
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            # Opening a named pipe waits for its writer, and a device may have no end.
            raise TransferError(f"{printable(str(file))}: only ordinary files are sent")
        with file.open("rb"):
            total = status.st_size
    except OSError as exc:
        raise TransferError(f"{file}: {exc.strerror}") from exc
    options = {"xmodem": ("--xmodem", "-k"), "ymodem": ("--ymodem", "-k"), "zmodem": ("--zmodem", "-b")}
    command = () if _known(protocol) == "raw" else (_program("sz"), "-q", *options[protocol], "--", file.name)
    return Plan(f"sending {file.name}", protocol, file, command, file.parent, total)


def receiving(protocol: str, path: str) -> Plan:
    """Return how a file is received: into a new file for XMODEM, otherwise into a folder, with the sender's name.

    Raises:
        TransferError: The protocol cannot be received, the file exists, or there is no such folder or program.
    """
    if _known(protocol) == "raw":
        raise TransferError("bytes as they are have no end: keep them with a log instead")
    target = Path(path).expanduser()
    folder = target.parent if protocol == "xmodem" else target
    if not folder.is_dir():
        raise TransferError(f"{folder}: there is no such folder")
    if protocol == "xmodem" and target.exists():
        raise TransferError(f"{target}: the file exists, and is not replaced")
    options = {
        "xmodem": ("--xmodem", "-c", "--", target.name),
        "ymodem": ("--ymodem", "--rename", "--restricted"),
        "zmodem": ("--zmodem", "--rename", "--restricted", "-b"),
    }
    what = f"receiving {target.name}" if protocol == "xmodem" else f"receiving into {folder}"
    return Plan(what, protocol, target, (_program("rz"), "-q", *options[protocol]), folder, None)


def without_xon_xoff(plan: Plan) -> Plan:
    """Return how the transfer is made on a port whose flow control takes XON and XOFF out of the data.

    Raises:
        TransferError: The protocol cannot do without these two bytes.
    """
    if plan.protocol != "zmodem":
        raise TransferError(
            f"{plan.protocol.upper()} does not work with XON/XOFF flow control, which uses two bytes as control"
            " characters: use zmodem, or rtscts"
        )
    return plan._replace(command=(plan.command[0], "-e", *plan.command[1:]))


def _known(protocol: str) -> str:
    if protocol not in PROTOCOLS:
        raise TransferError(f"{protocol!r} is not a protocol; there are {', '.join(PROTOCOLS)}")
    return protocol


def _program(name: str) -> str:
    # Some distributions call them lsz and lrz.
    found = shutil.which(name) or shutil.which(f"l{name}")
    if found is None:
        raise TransferError(f"{INSTALL}. It has the program {name}")
    return found


def size_in(head: bytes) -> int | None:
    """Return the size of the file that the first bytes of a transfer announce; None if they do not."""
    match = _NAME_AND_SIZE.search(head)
    return int(match[1]) if match else None


def progress(plan: Plan, done: int, total: int | None, seconds: float) -> str:
    """Return one line about a transfer that is under way.

    Args:
        plan: The transfer.
        done: Bytes so far, those of the protocol included.
        total: Bytes of the file, if known.
        seconds: How long it has taken so far.
    """
    rate = done / seconds if seconds > 0 else 0.0
    speed = f"{rate / KIB:.1f} KiB/s"
    if not total:
        return f"{plan.what}  {done / KIB:.1f} KiB  {speed}"
    # The protocol's own bytes are counted, too: only the end is the end.
    part = min(done / total, 0.99)
    bar = "#" * int(part * WIDTH)
    left = f"  {_clock((total - done) / rate)} left" if 0 < done < total else ""
    return f"{plan.what} [{bar:.<{WIDTH}}] {part:3.0%} of {total / KIB:.1f} KiB  {speed}{left}"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
