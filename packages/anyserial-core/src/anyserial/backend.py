"""What a platform must provide: the two backend contracts.

`SerialBackend` is a handful of calls on a file descriptor. It knows no event loop, because
anyserial does the waiting. `AsyncSerialBackend` is for a port without a descriptor to wait
on (a network protocol, another operating system); it does its own waiting. Only the
contracts belong here, no code that backends could share.

A backend declares which contract it follows: `kind` is ``"descriptor"`` or ``"self-waiting"``. A backend
from before `kind` existed is an `AsyncSerialBackend` if its `open` is a coroutine function.

What runs where: `SerialBackend.read`, `read_into`, `write`, `input_waiting`,
`output_waiting` and `hung_up` are called on the event loop's thread, or in a blocking port
on the caller's thread, and must be one system call that cannot block. Everything else is
called on a thread of anyserial's own and may block. Several such calls may be under way at
once, beside the non-blocking ones. `close` is called once, when no other call is under way.

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

*hung_up* answers a question that EIO leaves open: both a failed USB transfer and an unplug are EIO, and only
POLLHUP or POLLERR beside it tells them apart. ``poll(2)`` reports these two even if they are not asked for.
"""


class SerialBackend(Protocol):
    """Non-blocking calls on a descriptor that an event loop can wait on.

    Two more methods are optional. With them, the blocking port loses nothing if Ctrl-C, or another
    signal handler that raises, comes between a system call and the use of its result:

    - ``read_onto(items: list, max_bytes: int) -> bool``: as `read`, but the step of C that reads the bytes
      also appends them to *items*; returns whether there were any.
    - ``write_onto(counts: list, data) -> bool``: as `write`, but the step of C that writes also appends
      the count to *counts*; returns whether anything was taken.

    ``items.extend(map(os.read, (fd,), (max_bytes,)))`` is such a step.

    An attribute ``has_device`` is optional as well: False if no device is behind the open port, so that opening does
    not ask discovery about it.
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
        """A function that separates received bytes from marks of line errors; None while nothing is marked.

        It takes what `read` returned, and returns data and errors in their order. It keeps an
        incomplete mark at the end of one read for the next. `configure` may change it.
        """
        ...

    def open(self, path: str, config: "SerialConfig") -> None:
        """Open the port and apply *config*, all or nothing. May block.

        Raises:
            SerialError: The port cannot be opened or set; nothing is left open then.
        """
        ...

    def close(self) -> None:
        """Undo what `open` changed, release a break, and close the descriptor.

        Do not discard unsent output: the port has called `reset_output_buffer` before if it has to be
        discarded. May block for any time. Never raises for a device that is gone.
        """
        ...

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            SerialClosedError: The port is not open.
        """
        ...

    def read(self, max_bytes: int) -> bytes | None:
        """Read what has arrived, in one system call.

        Returns:
            1..max_bytes bytes, or None if nothing has arrived yet.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        ...

    def read_into(self, buffer: memoryview) -> int | None:
        """Read what has arrived into *buffer* (a writable view of bytes, not empty), in one system call.

        Returns:
            The count, at least 1, or None if nothing has arrived yet.

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
            UnsupportedConfigurationError: The driver refuses a value; the previous settings are
                in force again.
        """
        ...

    def reset_input_buffer(self) -> None:
        """Discard input that was not read. May block."""
        ...

    def reset_output_buffer(self) -> None:
        """Discard output that was not sent, where the driver can. May block."""
        ...

    def drain(self) -> None:
        """Wait until the driver says that all output has left (tcdrain). Blocks, and cannot be interrupted.

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
    lose no byte. anyserial makes sure that at most one `receive`, one `send` and one
    `configure` run at a time.

    Five more methods are optional. All are called in the event loop's thread:

    - ``interrupt() -> None``: end the `receive` and the `send` under way with `SerialClosedError`, and nothing
      else: the port is being closed, or moves to another event loop while neither is under way. A backend with
      this method is spared a cancel scope around each call. Its `receive` and `send` must check for
      cancellation, and let other tasks run now and then, also when they need not wait.
    - ``send_now(data) -> int | None``: as `send`, but without waiting: return None if nothing is taken now.
    - ``receive_now(max_bytes) -> bytes | None``: as `receive`, but without waiting: return None if nothing has
      arrived. It is called when another call has found that the device is gone, for what came before.
    - ``wait_modem_change(lines: ModemLines, counts: tuple[int, ...]) -> None``, a coroutine function: return once
      the modem lines or the counters of their changes (CTS, DSR, RI, CD) are others than these. Without it, the
      port polls. A backend that has it must have `line_counters`.
    - ``port_info`` (not a method): what is known of the port once it is open, as a `PortInfo` or None.
    """

    @property
    def kind(self) -> Literal["self-waiting"]:
        """``"self-waiting"``: there is no descriptor; the backend's own coroutines wait."""
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
        """The rate in force, in bits per second; None if the backend cannot tell."""
        ...

    async def open(self, path: str, config: "SerialConfig") -> None:
        """Open the port and apply *config*, all or nothing; if cancelled, leave nothing open."""
        ...

    async def aclose(self) -> None:
        """Release the port, even if cancelled. A `receive` or `send` under way ends with an error.

        The port cancels this call `SerialConfig.close_timeout` seconds after it began.
        """
        ...

    async def receive(self, max_bytes: int) -> bytes:
        """Return 1..max_bytes bytes as soon as any have arrived.

        Raises:
            SerialDisconnectedError: The device is gone.
            LineError: The line damaged a byte; only if `SerialConfig.line_errors` asks for it.
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
        """Apply *config*; on failure the previous settings are in force."""
        ...

    async def reset_input_buffer(self) -> None:
        """Discard input that was not read."""
        ...

    async def reset_output_buffer(self) -> None:
        """Discard output that was not sent."""
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
        """Read the counters; raises UnsupportedFeatureError if nothing counts."""
        ...
