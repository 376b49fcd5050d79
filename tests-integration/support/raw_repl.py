"""A MicroPython board's REPL as far as mpremote needs it: the raw mode, in which code is sent and its output returned.

Keys: Ctrl-A enters the raw mode, Ctrl-B leaves it, Ctrl-C interrupts, Ctrl-D runs what was sent, or restarts the
board if nothing was. Raw paste mode is answered as by a board that has none.
"""

import contextlib
import io
import traceback

__all__ = ("RawRepl",)

BANNER = b'MicroPython v1.24.0 on 2026-01-01; a simulated board\r\nType "help()" for more information.\r\n>>> '
RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
PASTE_QUESTION = b"\x05A\x01"
NO_PASTE = b"R\x00"
CTRL_A, CTRL_B, CTRL_C, CTRL_D = 1, 2, 3, 4


class RawRepl:
    """Answers what is typed, whatever pieces it comes in."""

    def __init__(self) -> None:
        self._raw = False
        self._code = bytearray()
        self._names: dict[str, object] = {}

    def respond(self, data: bytes) -> bytes:
        """Return what the board prints for *data*."""
        printed = bytearray()
        for key in data:
            printed += self._key(key)
        return bytes(printed)

    def _key(self, key: int) -> bytes:
        if key == CTRL_A:
            if bytes(self._code) + b"\x01" == PASTE_QUESTION:
                self._code.clear()
                return NO_PASTE
            self._raw = True
            self._code.clear()
            return RAW_BANNER
        if key == CTRL_B:
            self._raw = False
            return b"\r\n" + BANNER
        if key == CTRL_C:
            self._code.clear()
            return b"" if self._raw else b"\r\n>>> "
        if key == CTRL_D:
            return self._run() if self._raw else b"\r\nsoft reboot\r\n" + BANNER
        if self._raw:
            self._code.append(key)
        return b""

    def _run(self) -> bytes:
        code = self._code.decode()
        self._code.clear()
        if not code:
            self._names = {}
            return b"OK\r\nMPY: soft reboot\r\n" + RAW_BANNER
        output, errors = io.StringIO(), ""
        with contextlib.redirect_stdout(output):
            try:
                exec(code, self._names)  # noqa: S102  # that is what a REPL is for
            except Exception:  # noqa: BLE001  # shown, as on a board
                errors = traceback.format_exc()
        return b"OK" + output.getvalue().encode() + b"\x04" + errors.encode() + b"\x04>"
