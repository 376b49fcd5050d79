"""The user's terminal as miniterm sees it: keys come in one by one, text and bytes go out.

Keys are read from the descriptor, not through ``sys.stdin``, whose buffer nothing could wait for. A pipe
beside it interrupts the wait: pushing a character back into the terminal (TIOCSTI), as pySerial does, is
switched off in Linux since 6.2.
"""

import codecs
import os
import select
import sys
import termios
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self, override

if TYPE_CHECKING:
    from types import TracebackType
    from typing import BinaryIO, TextIO

__all__ = ("Console", "ConsoleBase")

CHUNK = 1024  # bytes of pasted text that one read takes


class ConsoleBase:
    """Where text goes and keys come from, without a terminal: output only.

    As a context manager it gives the terminal its own modes back for the length of a block, to ask a question.

    Attributes:
        byte_output: Where `write_bytes` writes.
        output: Where `write` writes.
    """

    def __init__(self) -> None:
        self.byte_output: BinaryIO = sys.stdout.buffer
        self.output: TextIO = sys.stdout

    def setup(self) -> None:
        """Switch the terminal to single keys."""

    def cleanup(self) -> None:
        """Give the terminal its own modes back."""

    def getkey(self) -> str:
        """Wait for a key and return its character."""
        return ""

    def write_bytes(self, byte_string: bytes) -> None:
        """Write bytes as they are, at once."""
        self.byte_output.write(byte_string)
        self.byte_output.flush()

    def write(self, text: str) -> None:
        """Write text at once."""
        self.output.write(text)
        self.output.flush()

    def cancel(self) -> None:
        """Interrupt `getkey`, which another thread is in."""

    def __enter__(self) -> Self:
        """Give the terminal its own modes back."""
        self.cleanup()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: "TracebackType | None",
    ) -> None:
        """Switch the terminal to single keys again."""
        self.setup()


class _Terminal:
    """What must be undone at the end, even when nobody calls `Console.cleanup`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.modes = termios.tcgetattr(fd)
        self.is_changed = False
        self.woken, self.waker = os.pipe()
        os.set_blocking(self.woken, False)
        os.set_blocking(self.waker, False)

    def restore(self) -> None:
        self.is_changed = False
        # TCSANOW: a stopped terminal must not hold this up.
        termios.tcsetattr(self.fd, termios.TCSANOW, self.modes)

    def end(self) -> None:
        try:
            if self.is_changed:
                self.restore()
        except (OSError, termios.error):
            pass  # the terminal is gone
        finally:
            os.close(self.woken)
            os.close(self.waker)


class Console(ConsoleBase):
    """The terminal that the program runs in.

    Its modes are put back when the program ends.

    Attributes:
        fd: The descriptor of standard input.
        old: The terminal's own modes, as `termios.tcgetattr` returns them.
    """

    def __init__(self) -> None:
        """Take the terminal at standard input; its modes stay as they are until `setup`.

        Raises:
            termios.error: Standard input is not a terminal.
        """
        super().__init__()
        self.fd = sys.stdin.fileno()
        self._terminal = _Terminal(self.fd)
        self._decoder = codecs.getincrementaldecoder(sys.stdin.encoding or "utf-8")("replace")
        self._keys: list[str] = []
        weakref.finalize(self, self._terminal.end)

    @property
    def old(self) -> list[Any]:
        """The terminal's own modes."""
        return self._terminal.modes

    @override
    def setup(self) -> None:
        modes = termios.tcgetattr(self.fd)
        modes[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
        modes[6] = [*modes[6]]
        modes[6][termios.VMIN] = 1
        modes[6][termios.VTIME] = 0
        self._terminal.is_changed = True
        termios.tcsetattr(self.fd, termios.TCSANOW, modes)

    @override
    def cleanup(self) -> None:
        self._terminal.restore()

    @override
    def getkey(self) -> str:
        """Wait for a key.

        Returns:
            One character, BS for the backspace key. An empty text if `cancel` was called, or if the
            program has given the terminal a time limit of its own (VMIN 0) that is over.

        Raises:
            EOFError: The terminal is gone.
        """
        while not self._keys:
            modes = termios.tcgetattr(self.fd)
            waits_itself = not modes[3] & termios.ICANON and modes[6][termios.VMIN] in {0, b"\0"}
            if not waits_itself and self._wait():
                return ""
            octets = os.read(self.fd, CHUNK)
            if not octets:
                if waits_itself:
                    return ""
                raise EOFError("standard input has ended")
            self._keys += self._decoder.decode(octets)
        key = self._keys.pop(0)
        return "\x08" if key == "\x7f" else key

    def _wait(self) -> bool:
        """Wait until there is a key; return whether `cancel` has ended that."""
        waiting = select.poll()
        waiting.register(self.fd, select.POLLIN)
        waiting.register(self._terminal.woken, select.POLLIN)
        ready = [fd for fd, _ in waiting.poll()]
        if self._terminal.woken not in ready:
            return False
        while True:
            try:
                os.read(self._terminal.woken, CHUNK)
            except BlockingIOError:
                return True

    @override
    def cancel(self) -> None:
        """Make the `getkey` that another thread is in, or else the next one, return an empty text."""
        with suppress(BlockingIOError):  # the pipe is full: a call is certain to be seen
            os.write(self._terminal.waker, b"\0")
