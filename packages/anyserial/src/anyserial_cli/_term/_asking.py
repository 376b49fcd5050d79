"""Lines typed with editing and history, while the device's output goes on above: prompt_toolkit's work.

The device's unfinished line (``login: ``) becomes the prompt. Complete lines are printed above it. Everything
that is drawn goes through the display's own thread, so that a screen that stands still holds up nothing. Text is
handed over only when the display has written what it had, so that a prompt is never dropped with old text.
"""

import asyncio
import os
import re
import sys
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO, cast

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.completion import PathCompleter
from prompt_toolkit.data_structures import Size
from prompt_toolkit.formatted_text import ANSI, AnyFormattedText
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.input.typeahead import get_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output.vt100 import Vt100_Output
from prompt_toolkit.shortcuts import CompleteStyle

if TYPE_CHECKING:
    from anyserial_cli._term._display import Display

__all__ = ("MENU", "Asker")

MENU = object()  # the answer when the menu key was pressed
PAUSE = 0.03  # seconds: output is printed above the prompt in batches
MOST = 64 * 1024  # characters printed above the prompt at once
LONGEST = 4096  # characters kept of a line that does not end
_MOVES = re.compile(r"\x1b\[[0-9;:<=>?]*[ -/]*[@-ln-~]|\x1b[^\[]|[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]")


class Asker:
    """Asks for lines at the bottom of the screen.

    Attributes:
        partial: The device's unfinished line.
    """

    def __init__(
        self, display: "Display", menu: int | None, rows: Callable[[], int], send: Callable[[bytes], object]
    ) -> None:
        """Draw on *display*; *menu* is the menu key, *rows* tells the rows, *send* gets Ctrl-C and Ctrl-D."""
        self.partial = ""
        self._display = display
        self._text: deque[str] = deque()
        self._size = 0
        self._left_out = 0
        self._menu = menu
        self._rows = rows
        self._send = send
        self._histories: dict[str, InMemoryHistory] = {}
        self.is_active = False
        # No question is put to the user's terminal: an answer that comes late would go to the device.
        self._input = create_input()
        drawn = cast("TextIO", _Drawn(display))
        self._output = Vt100_Output(drawn, self._measure, term=os.environ.get("TERM"), enable_cpr=False)

    def _measure(self) -> Size:
        return Size(rows=self._rows(), columns=os.get_terminal_size(sys.stdout.fileno()).columns or 80)

    def show(self, text: str) -> None:
        """Print *text* above the prompt, soon; what the screen cannot keep up with is left out, oldest first."""
        self._text.append(text)
        self._size += len(text)
        while self._size > MOST and len(self._text) > 1:
            left_out = len(self._text.popleft())
            self._size -= left_out
            self._left_out += left_out

    def show_bytes(self, data: bytes) -> None:
        """Print text that is encoded already."""
        self.show(data.decode())

    async def ask(
        self, question: str, *, default: str = "", controls: bool = False, paths: bool = False
    ) -> "str | object | None":
        """Return a line; None if it was given up with Ctrl-C or Ctrl-D, `MENU` for the menu key.

        Args:
            question: What stands before the line.
            default: What the line holds at first.
            controls: Ctrl-C and Ctrl-D on an empty line are the device's.
            paths: Tab completes the name of a file.
        """
        bindings = self._bindings(controls)
        history = self._histories.setdefault(question, InMemoryHistory())
        session: PromptSession[str] = PromptSession(
            message=lambda: self._message(question),
            history=history,
            key_bindings=bindings,
            erase_when_done=True,
            completer=PathCompleter(expanduser=True) if paths else None,
            complete_while_typing=False,
            complete_style=CompleteStyle.READLINE_LIKE,
            input=self._input,
            output=self._output,
        )
        self.is_active = True
        printer = asyncio.ensure_future(self._print_batches(session))
        try:
            return await session.prompt_async(default=default, handle_sigint=False)
        except (EOFError, KeyboardInterrupt):
            return None
        except _MenuAsked:
            return MENU
        finally:
            self.is_active = False
            printer.cancel()
            await asyncio.gather(printer, return_exceptions=True)

    def take_keys(self) -> bytes:
        """Return what was typed behind the end of the last line, and is nobody's yet."""
        return "".join(key.data for key in get_typeahead(self._input)).encode("utf-8", "surrogateescape")

    def take(self) -> str:
        """Return what was not printed, the unfinished line first."""
        text, self.partial = self.partial + self._joined(), ""
        return text

    def _joined(self) -> str:
        note = f"\r\n[... {self._left_out} characters not shown ...]\r\n" if self._left_out else ""
        text = note + "".join(self._text)
        self._text.clear()
        self._size = self._left_out = 0
        return text

    def _message(self, question: str) -> AnyFormattedText:
        return ANSI(_MOVES.sub("", self.partial)[-200:] + question)

    def _bindings(self, controls: bool) -> KeyBindings:
        bindings = KeyBindings()

        def ask_menu(event: KeyPressEvent) -> None:
            event.app.exit(exception=_MenuAsked())

        if self._menu is not None:
            bindings.add(f"c-{chr(self._menu | 0x40).lower()}", eager=True)(ask_menu)
        if controls:
            for key, byte in (("c-c", b"\x03"), ("c-d", b"\x04")):
                bindings.add(key)(self._control(byte))
        return bindings

    def _control(self, byte: bytes) -> Callable[[KeyPressEvent], None]:
        def press(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.reset()
            else:
                self._send(byte)

        return press

    async def _print_batches(self, session: "PromptSession[str]") -> None:
        while True:
            await asyncio.sleep(PAUSE)
            if not self._text or not self._display.is_idle:
                continue
            text = self.partial + self._joined()
            whole, newline, self.partial = text.rpartition("\n")
            # A progress bar returns to its start.
            self.partial = self.partial.rstrip("\r").rpartition("\r")[2][-LONGEST:]
            if newline:
                data = f"{whole}\n".encode("utf-8", "backslashreplace")
                await run_in_terminal(lambda data=data: self._display.put(data))  # type: ignore[misc]
            else:
                session.app.invalidate()


class _MenuAsked(Exception):  # noqa: N818  # no error
    """The menu key was pressed."""


class _Drawn:
    """What prompt_toolkit takes for standard output."""

    def __init__(self, display: "Display") -> None:
        self._display = display

    def write(self, text: str) -> int:
        self._display.put(text.encode("utf-8", "backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing: the display writes at once."""

    def fileno(self) -> int:
        return sys.stdout.fileno()
