"""The interfaces between the parts of an open port; only for type checkers, so they cost no import time.

`Transport` is the internal interface to both kinds of backends. A port wakes its `Waker`s when it ends, and a
forked child gives up every `Forkable`. No code belongs here.
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
    """Something that waits for a port, or that calls of a port wait on.

    Attributes:
        is_event_loop: Whether it releases the descriptor only when an event loop next runs.
    """

    is_event_loop: bool

    def wake(self) -> None:
        """Make every call that waits here look at the port's state. From any thread, any number of times."""
        ...

    def disown(self) -> None:
        """Forget the descriptor without touching it or the event loop.

        The descriptor is closed, or this is a forked child and it belongs to the parent process.
        """
        ...

    def move(self, fd: int) -> None:
        """Watch *fd* from now on, a duplicate of the descriptor, if an event loop watches it. From any thread."""
        ...


class Forkable(Protocol):
    """An owner of a port's descriptor."""

    def fork(self) -> None:
        """Refuse every use from now on; called in the child."""
        ...

    def fileno(self) -> int | None:
        """Return the descriptor.

        Returns:
            The number; None if there is none. SerialClosedError may be raised instead of returning None.
        """
        ...


class Transport(Protocol):
    """What both kinds have. The first five are looked up for every message, so they are bound once.

    Attributes:
        read: Attempts to read at most so many bytes; returns None if there is nothing now.
        read_into: The same into a buffer; returns the count.
        read_onto: The same, appended to a list in one step that cannot be interrupted; returns False if
            there is nothing.
        write: Attempts to write; returns the count, None if nothing is taken now.
        write_onto: The same, with the count appended to a list in one step that cannot be interrupted.
        has_descriptor: Whether `fileno` returns a number.
        readers: Iterators of C, each step of which is one read, keyed by how many bytes are asked for. The
            blocking face uses them because a signal must not lose what is read. The caller must handle
            ``b""``, and OSError with `read_failed`. None if the backend offers none.
        writer: The same for writing: each step writes the last item of `outbox` and yields the count. None
            if the backend offers none.
        outbox: What *writer* writes next.
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

    def read_the_rest(self, items: Items, size: int) -> None:
        """Append what has arrived to *items*, in reads of *size* bytes, because the device is gone.

        Raises:
            SerialError: That was all, or the device is really gone.
        """
        ...

    @property
    def backend(self) -> "SerialBackend | AsyncSerialBackend":
        """The backend itself, for what both contracts share."""
        ...

    def replace_backend(self, backend: Any) -> None:
        """Use *backend*, of the same kind, from the next call on; it passes every call to the one it replaces.

        A recording or a tap is put around an open port in this way. Calls under way go to the backend before.
        """
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

    def watched(self) -> int | None:
        """Return the number that event loops watch: the descriptor, or a duplicate of it after `share`."""
        ...

    def share(self) -> int | None:
        """Return the descriptor for the caller, who may register it in an event loop; see `duplicate`.

        Raises:
            SerialError: No descriptor is free for the duplicate.
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
        """Return what a worker must call to carry out *function*: a method of the backend, or an undoing.

        The second item ends that call early; None if it cannot be ended early.
        """
        ...

    def drain(self, baudrate: int) -> "Steps[None]":
        """Wait until the kernel's queue is empty."""
        ...

    def drain_exact(self, baudrate: int) -> "Steps[None]":
        """Wait until the last bit has left."""
        ...

    def look_at_lines(self, *, counting: bool) -> "Call":
        """Return the call that gives `LinesSeen`, with both readings as close together as possible."""
        ...

    def modem_change(self, since: "LinesSeen") -> "Call | None":
        """Return the call that waits until the lines differ from *since* and returns the new look.

        None if the backend is not told of changes, so that the port must look again and again.
        """
        ...

    def discard_output(self) -> None:
        """Discard unsent output where the driver can; on a worker."""
        ...

    def close(self) -> None:
        """Close the backend; on a worker."""
        ...
