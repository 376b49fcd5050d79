"""The interfaces between the parts of the blocking face; only for type checkers, so they cost no import time.

No code belongs here.
"""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from anyserial._spi import Waker

    from anyserial_sync._turnstile import Turnstile

__all__ = ("Owner", "Waits")


class Owner(Protocol):
    """What a direction belongs to: a port's lifecycle, or the watch for ports.

    Attributes:
        path: Its name in messages.
        state: 0 while it is open.
        turns: The tickets of the calls under way, by role.
        wakers: What must be woken when it ends.
    """

    path: str
    turns: dict[str, object]
    wakers: "list[Waker]"

    @property
    def state(self) -> int:
        """0 while it is open."""
        ...

    def refusal(self) -> Exception:
        """Return the error of a call that the state does not allow."""
        ...


class Waits(Protocol):
    """Waiting for one kind of backend."""

    def fill(self, turnstile: "Turnstile", me: object, size: int, deadline: float | None) -> None:
        """Wait until bytes arrive, and append at most *size* of them to the pushback."""
        ...

    def write(self, turnstile: "Turnstile", me: "list[int]", rest: memoryview, deadline: float | None) -> None:
        """Wait until some of *rest* is taken, and append the count to *me*."""
        ...
