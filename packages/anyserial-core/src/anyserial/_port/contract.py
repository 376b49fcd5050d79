"""The interfaces between the parts of an open port; for the type checkers only, at no import time.

`Transport` is what both kinds of backends look like inside, `Waker` what a port wakes when it ends,
`Forkable` what a forked child has to give up. No code belongs here.
"""

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyserial._port.engine import Call, Steps
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import ModemLines, SerialCapabilities
    from anyserial.config import SerialConfig
    from anyserial.exceptions import LineError

__all__ = ("Forkable", "Items", "LinesSeen", "OnWorker", "Transport", "Waker")

type Items = list[bytes | LineError]
"""What was read: bytes and line errors, in the order of the line."""

type LinesSeen = tuple[ModemLines, tuple[int, ...] | None]
"""One look at the modem lines: their levels, and how often each has changed if the driver counts."""

type OnWorker = tuple[Callable[[], Any], Callable[[], None] | None]


class Waker(Protocol):
    """Something of a port that waits, or lets others wait.

    Attributes:
        is_event_loop: Whether it lets go of the descriptor only when an event loop comes round.
    """

    is_event_loop: bool

    def wake(self) -> None:
        """Have every call that waits here look at the port's state. From any thread, any number of times."""
        ...

    def disown(self) -> None:
        """Forget the descriptor without touching it or the event loop.

        It is closed, or this is a forked child and it is the parent process's.
        """
        ...


class Forkable(Protocol):
    """What owns a descriptor of a port."""

    def fork(self) -> None:
        """Be the parent process's from now on; in the child."""
        ...

    def fileno(self) -> int | None:
        """Return the descriptor.

        Returns:
            None, instead of which SerialClosedError may be raised, if there is none.
        """
        ...


class Transport(Protocol):
    """What both kinds have. The first group is looked up for every message, so the callables are bound once.

    Attributes:
        read: Attempt to read so many bytes; None if there is nothing now.
        read_into: The same into a buffer; the count.
        read_onto: The same, appended to a list in one step that nothing interrupts; False if there is nothing.
        write: Attempt to write; the count, None if nothing is taken now.
        write_onto: The same, the count appended to a list in one step that nothing interrupts.
        has_descriptor: Whether `fileno` is a number.
        readers: By how many bytes are asked for, iterators of C whose every step is one read: for the
            blocking face, which must not lose what is read when a signal comes. ``b""`` and OSError
            (`read_failed`) are the caller's to sort out. None where there are none.
        writer: The same for writing: each step writes the last item of `outbox`, and gives the count. None
            where there is none.
        outbox: What *writer* is to write.
    """

    read: "Callable[[int], bytes | None]"
    read_into: "Callable[[memoryview], int | None]"
    read_onto: "Callable[[Items, int], bool]"
    write: "Callable[[bytes | memoryview], int | None]"
    write_onto: "Callable[[list[int], bytes | memoryview], bool]"

    has_descriptor: bool
    readers: "dict[int, Iterator[bytes]] | None"
    writer: "Iterator[int] | None"
    outbox: "list[bytes | memoryview]"

    def read_failed(self, error: OSError) -> None:
        """Raise what *error* of a step of `readers` means; return if there was nothing to read."""
        ...

    def write_failed(self, error: OSError) -> None:
        """Raise what *error* of a step of `writer` means; return if nothing was taken."""
        ...

    @property
    def backend(self) -> "SerialBackend | AsyncSerialBackend":
        """The backend itself, for what both contracts share."""
        ...

    @property
    def capabilities(self) -> "SerialCapabilities":
        """What this port can do."""
        ...

    @property
    def actual_baudrate(self) -> int | None:
        """The rate that the driver reported, in bits per second."""
        ...

    def fileno(self) -> int | None:
        """Return the descriptor, None if the kind has none.

        Raises:
            SerialClosedError: The backend is closed.
        """
        ...

    def hung_up(self) -> bool:
        """Return whether the device is gone for certain."""
        ...

    def input_waiting(self) -> int:
        """Return how many received bytes are waiting. Does not block."""
        ...

    def output_waiting(self) -> int:
        """Return how many bytes have not been sent. Does not block."""
        ...

    def check_alive(self, path: str) -> None:
        """Raise SerialDisconnectedError if the device is gone. Does not block."""
        ...

    def configure(self, config: "SerialConfig", adopt: "Callable[[], None]") -> "Call":
        """Return the call that applies *config* and then calls *adopt*; one at a time."""
        ...

    def on_worker(self, function: "Callable[[], Any]") -> "OnWorker":
        """Return what a worker calls to have *function* done: a method of the backend, or an undoing.

        With it comes what ends that call early, None where nothing does.
        """
        ...

    def drain(self, baudrate: int) -> "Steps[None]":
        """Wait until the kernel's queue is empty."""
        ...

    def drain_exact(self, baudrate: int) -> "Steps[None]":
        """Wait until the last bit has left."""
        ...

    def look_at_lines(self, *, counting: bool) -> "Call":
        """Return the call that gives `LinesSeen`: both readings as close together as can be."""
        ...

    def discard_output(self) -> None:
        """Throw away unsent output where the driver can; on a worker."""
        ...

    def close(self) -> None:
        """Close the backend; on a worker."""
        ...
