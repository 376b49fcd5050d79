"""The operations of the async port: settings, lines, queues, counters, and a receive that tells the time.

Only their public face is here; `_port.operations` has what each one does, as steps. `SerialPort.receive`
does not use `receive_with_time`, so an ordinary receive does not pay for it.
"""

from typing import TYPE_CHECKING, Any, Self, cast

from anyserial._checks import check_config, check_positive
from anyserial._clock import now
from anyserial._event_loop import CALLS_IN_A_ROW, CANCELLED, EventLoopPort
from anyserial._port import operations
from anyserial._readiness import uninterrupted
from anyserial.exceptions import SerialDisconnectedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyserial.capabilities import ControlLines, LineCounters, ModemLines
    from anyserial.config import SerialConfig

__all__ = ("AsyncOperations",)


class AsyncOperations(EventLoopPort):
    """Everything that a port does except plain receiving and sending."""

    @uninterrupted
    async def receive_with_time(self, max_bytes: int = 65536) -> tuple[bytes, float]:  # noqa: C901  # as `receive`
        """Receive as `receive` does, and return when the bytes were read from the driver.

        The time is taken right after the read. On asyncio and uvloop the event loop reads as soon as it sees
        that the descriptor is readable, and the task may run later. On trio the task itself reads. So the bytes
        arrived before that time. They may have arrived any time earlier: the event loop may have been busy, and
        drivers hold bytes back (an FTDI adapter for up to 16 ms). Bytes that an earlier, cancelled `receive` left
        have the time of this call.

        Args:
            max_bytes: As for `receive`.

        Returns:
            1..max_bytes bytes, and the time of `time.monotonic` in seconds.

        Raises:
            SerialDisconnectedError: As `receive`; so are all other errors.

        Cancellation: as `receive`.
        """
        check_positive("max_bytes", max_bytes)
        waiter = self._waiter
        try:
            is_here = waiter.running() is waiter.home
        except RuntimeError:
            is_here = False
        if not is_here:
            waiter = self._attach(receiving=True)
        if self._is_receiving:
            self._refuse("receiving from")
        self._is_receiving = True
        port, pushback = self._port, self._pushback
        size = min(max_bytes, port.chunk_size)
        timed: Any = None
        try:
            self._in_a_row += 1
            if self._in_a_row > CALLS_IN_A_ROW or waiter.deadline() == CANCELLED:
                await self._give_way(waiter)
            if pushback.items:
                timed = self._pushed_back(size)
            elif waiter.attempt_first:
                timed = port.read_with_time(size)
            if timed is None:
                self._in_a_row = 0
                try:
                    timed = await waiter.read(port.read_with_time, size)
                except BaseException as exc:
                    self._wait_ended(exc, waiter)
                    raise
                if isinstance(timed, bytes):  # a backend that waits by itself makes no attempts
                    timed = timed, now()
        except SerialDisconnectedError as exc:
            self._port.unplug(exc)
            raise
        finally:
            self._is_receiving = False
        data, read_at = cast("tuple[bytes, float]", timed)
        port.bytes_received += len(data)
        return data, read_at

    def _pushed_back(self, size: int) -> tuple[bytes, float]:
        data = self._pushback.take(size)
        early, self._read_early = self._read_early, None
        return data, early[1] if early is not None and early[0] is data else now()

    @uninterrupted
    async def configure(self, config: "SerialConfig") -> None:
        """Apply new settings while the port is in use; a waiting receive is not disturbed.

        Calls run one after the other. On failure the previous settings are in force, and
        `config` still reports them.

        Args:
            config: The settings; build them with ``port.config.with_changes(...)``.

        Raises:
            UnsupportedConfigurationError: The driver does not support a value.
            UnsupportedFeatureError: The platform does not have a mechanism that was asked for.
            SerialDisconnectedError: The device is gone.

        Cancellation: the settings are applied, all of them or none, and `config` says which. If the
        driver has begun, the call waits for it, at most 40 ms; a driver that takes longer finishes alone.
        """
        check_config(config, fields="port.config.with_changes({})")
        await self._perform(operations.configure(self._port, config))

    @uninterrupted
    async def reset_input_buffer(self) -> None:
        """Discard all received bytes that were not read yet, in the kernel and in the port.

        Cancellation: the kernel's queue may have been emptied. If the driver has begun, the call waits for it, at most
        40 ms.
        """
        await self._perform(operations.reset_input(self._port))

    @uninterrupted
    async def reset_output_buffer(self) -> None:
        """Discard output that has not left yet, as far as the driver can.

        Most USB adapters cannot. On a pty this discards what the other end has not read.

        Cancellation: the output may have been discarded. If the driver has begun, the call waits for it, at most 40 ms.
        """
        await self._perform(operations.reset_output(self._port))

    @uninterrupted
    async def drain(self) -> None:
        """Wait until the kernel's output queue is empty (TIOCOUTQ; a pty's always is).

        Raises:
            SerialDisconnectedError: The device is gone; noticed within 20 ms.
            anyio.BusyResourceError: Another task is sending or draining.

        Cancellation: nothing is lost or sent twice.
        """
        await self._perform_as_sender(operations.drain(self._port))

    @uninterrupted
    async def drain_exact(self) -> None:
        """Wait until the UART has sent its last bit.

        First as `drain`; then the transmitter is polled (TIOCSERGETLSR) if the driver reports its
        state, otherwise tcdrain(3) waits. You need this, for example, before you switch the direction of
        an RS-485 line by hand.

        Raises:
            As `drain`.

        Cancellation: at once, although tcdrain cannot be interrupted: it goes on in a thread.
        """
        await self._perform_as_sender(operations.drain_exact(self._port))

    @uninterrupted
    async def send_break(self, duration: float = 0.25) -> None:
        """Hold the line in the break condition, then release it, also after an error.

        Args:
            duration: Seconds, >= 0.

        Raises:
            UnsupportedFeatureError: The driver has no break.
            SerialDisconnectedError: The device is gone; noticed within 20 ms.
            anyio.BusyResourceError: Another task is sending or draining.

        Cancellation: the break ends early, and is always released.
        """
        await self._perform_as_sender(operations.send_break(self._port, duration))

    @uninterrupted
    async def set_break(self, on: bool) -> None:
        """Hold the line in the break condition, or release it. Closing the port releases it too.

        Args:
            on: Whether it is held.

        Raises:
            UnsupportedFeatureError: The driver has no break.

        Cancellation: the break may have been set or released. If the driver has begun, the call waits for it, at most
        40 ms.
        """
        await self._perform(operations.set_break(self._port, on))

    @uninterrupted
    async def modem_lines(self) -> "ModemLines":
        """Read CTS, DSR, RI and CD (TIOCMGET).

        Raises:
            UnsupportedFeatureError: The driver has no modem lines (a pty, a USB gadget).
        """
        return await self._perform(operations.modem_lines(self._port))

    @uninterrupted
    async def control_lines(self) -> "ControlLines":
        """Read back RTS and DTR (TIOCMGET).

        Raises:
            UnsupportedFeatureError: The driver has no modem lines.
        """
        return await self._perform(operations.control_lines(self._port))

    @uninterrupted
    async def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """Set RTS and DTR, both in one system call (TIOCMSET).

        Args:
            rts: True asserts it, None leaves it unchanged.
            dtr: True asserts it, None leaves it unchanged.

        Raises:
            UnsupportedFeatureError: The driver has no modem lines.

        Cancellation: the lines may have been set. If the driver has begun, the call waits for it, at most 40 ms.
        """
        await self._perform(operations.set_control_lines(self._port, rts, dtr))

    @uninterrupted
    async def wait_modem_change(self, *, interval: float = 0.02) -> "ModemLines":
        """Wait until a modem line changes, and return the lines after the change.

        The lines are polled (TIOCMGET), and their counters (TIOCGICOUNT) if the driver
        has them, so that a pulse shorter than *interval* is not missed. After such a
        pulse, the returned lines may equal those before.

        Args:
            interval: Seconds between two polls, above 0. Ignored on a port whose server reports
                changes (``rfc2217://``).

        Raises:
            UnsupportedFeatureError: The driver has no modem lines.
            SerialDisconnectedError: The device is gone; noticed within 20 ms.

        Cancellation: at once. This misses a change between two calls; `modem_changes` does not.
        """
        lines, _ = await self._perform(operations.modem_change(self._port, interval, None))
        return lines

    def modem_changes(self, *, interval: float = 0.02) -> "AsyncIterator[ModemLines]":
        """Iterate over the changes of the modem lines, as `wait_modem_change`, without missing any in between.

        Args:
            interval: Seconds between two polls, above 0.

        Returns:
            An iterator that returns the lines after each change. Neither a cancellation nor an error ends it
            for good: the next step reports what has changed since the last one that succeeded.

        Raises:
            TypeError: *interval* is not a number.
            ValueError: *interval* is not above 0.
            SerialError: From a step: as `wait_modem_change`.
        """
        return _Changes(self, operations.ModemChanges(self._port, interval))

    @uninterrupted
    async def line_counters(self) -> "LineCounters":
        """Read the driver's totals of characters, line errors and modem-line changes (TIOCGICOUNT).

        Raises:
            UnsupportedFeatureError: The driver does not count.
        """
        return await self._perform(operations.line_counters(self._port))


class _Changes:
    """See `AsyncOperations.modem_changes`. A generator would be over after the first cancellation."""

    __slots__ = ("_changes", "_port")

    def __init__(self, port: AsyncOperations, changes: operations.ModemChanges) -> None:
        self._port = port
        self._changes = changes

    def __aiter__(self) -> Self:
        return self

    @uninterrupted
    async def __anext__(self) -> "ModemLines":
        return await self._port._perform(self._changes.following())  # noqa: SLF001  # the class above
