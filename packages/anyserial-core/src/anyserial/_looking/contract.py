"""What a platform part must provide for `SharedPort.pty`; only for type checkers."""

from typing import Protocol

__all__ = ("Pty",)


class Pty(Protocol):
    """A pseudo-terminal in raw mode, seen from the side that plays the device. Nothing here blocks.

    It stays up while no program has it open. Every failure is raised as a `SerialError`.

    Attributes:
        path: What a program opens.
    """

    path: str

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        ...

    def read(self, max_bytes: int) -> bytes | None:
        """Return what programs have written, or None if there is nothing now."""
        ...

    def write(self, data: memoryview) -> int | None:
        """Write some of *data*, and return how much; None if programs have to read first."""
        ...

    def unread(self) -> int:
        """Return how many bytes programs have not read yet."""
        ...

    def discard_unread(self) -> None:
        """Discard what programs have not read yet."""
        ...

    def close(self) -> None:
        """Hang the pty up. A second call does nothing."""
        ...
