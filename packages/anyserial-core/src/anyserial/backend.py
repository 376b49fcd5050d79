"""What a platform must provide: the two backend contracts.

`SerialBackend` is a handful of calls on a file descriptor that knows no event loop;
anyserial does the waiting. `AsyncSerialBackend` is for what has no descriptor to wait
on (a network protocol, another operating system) and does its own waiting. Only the
contracts stand here, no code that a backend could share.

A backend declares which of the two it is: `kind` is ``"descriptor"`` or ``"self-waiting"``. (One that
declares nothing is an `AsyncSerialBackend` if its `open` is a coroutine function; new ones declare it.)

What runs where: `SerialBackend.read`, `read_into`, `write`, `input_waiting`,
`output_waiting` and `hung_up` are called on the event loop's thread and must be one
system call that cannot block. Everything else is called on a thread of anyserial's
own and may block; several such calls may be under way at once, and beside the
non-blocking ones. `close` is called once, when no other call is under way any more.

Every failure is raised as a `SerialError`, with errno and path; a device that is
gone is a `SerialDisconnectedError` from whatever call notices it first.
"""

from typing import TYPE_CHECKING, Literal, Protocol

from anyserial._errno import ErrorContext, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from anyserial.capabilities import ControlLines, LineCounters, ModemLines, SerialCapabilities
    from anyserial.config import SerialConfig
    from anyserial.exceptions import LineError

__all__ = ("AsyncSerialBackend", "ErrorContext", "SerialBackend", "translate_error")

translate_error = translate
"""Returns the `SerialError` that a system call's error means: the one table that every backend raises through.

Its *hung_up* asks the question that EIO leaves open: a failed USB transfer is EIO as well as an unplug, and
only POLLHUP or POLLERR beside it tells (``poll(2)``, which reports both whether they are asked for or not).
"""


class SerialBackend(Protocol):
    """Non-blocking calls on a descriptor that an event loop can wait on.

    Two more methods are optional. They make the blocking port exact when Ctrl-C, or another signal
    handler that raises, comes between a system call and the use of its result:

    - ``read_onto(items: list, max_bytes: int) -> bool``: as `read`, but the bytes are appended to *items*
      in the same step of C that reads them; returns whether there were any.
    - ``write_onto(counts: list, data) -> bool``: as `write`, for the count.

    ``items.extend(map(os.read, (fd,), (max_bytes,)))`` is such a step.
    """

    @property
    def kind(self) -> Literal["descriptor"]:
        """``"descriptor"``: the port waits on `fileno`."""
        ...

    @property
    def path(self) -> str:
        """The path that was opened; empty before."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the descriptor is held."""
        ...

    @property
    def capabilities(self) -> "SerialCapabilities":
        """What can be done; refined once the port is open. Costs no system call."""
        ...

    @property
    def actual_baudrate(self) -> int | None:
        """The rate that the driver reported after the last settings, in bits per second; None if it cannot tell."""
        ...

    @property
    def line_decoder(self) -> "Callable[[bytes], Sequence[bytes | LineError]] | None":
        """What separates received bytes from marks of line errors, or None while nothing is marked.

        It takes what `read` returned and returns data and errors in their order; what
        is incomplete at the end of one read it keeps for the next. A new settings call
        may change it.
        """
        ...

    def open(self, path: str, config: "SerialConfig") -> None:
        """Open the port and apply *config*, all or nothing. May block.

        Raises:
            SerialError: It cannot be opened or set; nothing is left open then.
        """
        ...

    def close(self) -> None:
        """Undo what `open` changed, release a break, and let go of the descriptor.

        Unsent output is not this call's business: a port that discards it has called
        `reset_output_buffer` before. May block for as long as the kernel likes. Never raises for a
        device that is gone.
        """
        ...

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            SerialClosedError: The port is not open.
        """
        ...

    def read(self, max_bytes: int) -> bytes | None:
        """Read what is there, in one system call.

        Returns:
            1..max_bytes bytes, or None if nothing is there yet.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        ...

    def read_into(self, buffer: memoryview) -> int | None:
        """Read what is there into *buffer* (a writable view of bytes, not empty), in one system call.

        Returns:
            The count, at least 1, or None if nothing is there yet.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        ...

    def write(self, data: bytes | memoryview) -> int | None:
        """Write what the kernel takes of *data* (not empty), in one system call.

        Returns:
            The count, at least 1, or None if nothing is taken now.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        ...

    def hung_up(self) -> bool:
        """Return whether the device is gone for certain (POLLHUP or POLLERR), without reading."""
        ...

    def input_waiting(self) -> int:
        """Return how many received bytes the kernel holds."""
        ...

    def output_waiting(self) -> int:
        """Return how many bytes the kernel and the driver have not sent yet."""
        ...

    def configure(self, config: "SerialConfig") -> None:
        """Apply *config*. May block.

        Raises:
            UnsupportedConfigurationError: The driver refuses a value; the settings from
                before are in force again.
        """
        ...

    def reset_input_buffer(self) -> None:
        """Throw away what was received and not read. May block."""
        ...

    def reset_output_buffer(self) -> None:
        """Throw away what was written and not sent, where the driver can. May block."""
        ...

    def drain(self) -> None:
        """Wait until the driver says that all output has left (tcdrain). Blocks, and nothing interrupts it.

        Called only once `output_waiting` is 0, and only where `transmitter_empty`
        cannot tell.
        """
        ...

    def transmitter_empty(self) -> bool | None:
        """Return whether the UART has sent its last bit; None if the driver cannot tell. May block."""
        ...

    def set_break(self, on: bool) -> None:
        """Hold the line in the break condition, or release it; `close` releases it too. May block."""
        ...

    def modem_lines(self) -> "ModemLines":
        """Read the modem lines. May block."""
        ...

    def control_lines(self) -> "ControlLines":
        """Read back the control lines. May block."""
        ...

    def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """Set the control lines that are not None, both at once. May block."""
        ...

    def line_counters(self) -> "LineCounters":
        """Read the driver's counters. May block.

        Raises:
            UnsupportedFeatureError: The driver does not count.
        """
        ...


class AsyncSerialBackend(Protocol):
    """A port that does its own waiting.

    Every coroutine may be cancelled at any of its awaits. A cancelled `receive` must
    lose no byte. anyserial sees to it that one `receive`, one `send` and one `configure`
    run at a time.
    """

    @property
    def kind(self) -> Literal["self-waiting"]:
        """``"self-waiting"``: there is no descriptor, the backend's own coroutines wait."""
        ...

    @property
    def path(self) -> str:
        """The path that was opened; empty before."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether the port is held."""
        ...

    @property
    def capabilities(self) -> "SerialCapabilities":
        """What can be done."""
        ...

    @property
    def actual_baudrate(self) -> int | None:
        """The rate in force, in bits per second; None if it cannot be told."""
        ...

    async def open(self, path: str, config: "SerialConfig") -> None:
        """Open the port and apply *config*, all or nothing; cancelled, it leaves nothing open."""
        ...

    async def aclose(self) -> None:
        """Let go of the port, whatever cancels it. A `receive` or `send` under way ends with an error.

        It is cancelled `SerialConfig.close_timeout` seconds after it has begun.
        """
        ...

    async def receive(self, max_bytes: int) -> bytes:
        """Return 1..max_bytes bytes as soon as any are there.

        Raises:
            SerialDisconnectedError: The device is gone.
            LineError: The line damaged a byte; only as `SerialConfig.line_errors` asks.
        """
        ...

    async def send(self, data: bytes | memoryview) -> int:
        """Write some of *data* (not empty) and return how much was taken, at least 1."""
        ...

    def input_waiting(self) -> int:
        """Return how many received bytes are held. Must not block."""
        ...

    def output_waiting(self) -> int:
        """Return how many bytes have not been sent yet. Must not block."""
        ...

    async def configure(self, config: "SerialConfig") -> None:
        """Apply *config*; on failure the settings from before are in force."""
        ...

    async def reset_input_buffer(self) -> None:
        """Throw away what was received and not read."""
        ...

    async def reset_output_buffer(self) -> None:
        """Throw away what was written and not sent."""
        ...

    async def drain(self) -> None:
        """Wait until `output_waiting` is 0."""
        ...

    async def drain_exact(self) -> None:
        """Wait until the last bit has left."""
        ...

    async def set_break(self, on: bool) -> None:
        """Hold the line in the break condition, or release it."""
        ...

    async def modem_lines(self) -> "ModemLines":
        """Read the modem lines."""
        ...

    async def control_lines(self) -> "ControlLines":
        """Read back the control lines."""
        ...

    async def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """Set the control lines that are not None, both at once."""
        ...

    async def line_counters(self) -> "LineCounters":
        """Read the counters; UnsupportedFeatureError where nothing counts."""
        ...
