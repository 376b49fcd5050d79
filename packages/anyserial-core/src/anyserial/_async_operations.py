"""The operations of the async port: settings, lines, queues, counters.

Their public face only; what each one does is written once, as steps, in `_port.operations`.
"""

from typing import TYPE_CHECKING

from anyserial._checks import check_config, check_seconds
from anyserial._event_loop import EventLoopPort
from anyserial._port import operations
from anyserial._readiness import uninterrupted

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyserial._port.contract import LinesSeen
    from anyserial.capabilities import ControlLines, LineCounters, ModemLines
    from anyserial.config import SerialConfig

__all__ = ("AsyncOperations",)


class AsyncOperations(EventLoopPort):
    """Everything that a port does beside receiving and sending."""

    @uninterrupted
    async def configure(self, config: "SerialConfig") -> None:
        """Apply new settings while the port is in use; a parked receive is not disturbed.

        Calls are serialized. On failure the settings from before are in force, and
        `config` still reports them.

        Args:
            config: The settings; build them with ``port.config.with_changes(...)``.

        Raises:
            UnsupportedConfigurationError: The driver refuses a value.
            UnsupportedFeatureError: The platform does not have a mechanism that was asked for.
            SerialDisconnectedError: The device is gone.

        Cancellation: the settings may still be applied, all of them or none; `config`
        tells once that is over.
        """
        check_config(config)
        await self._perform(operations.configure(self._port, config))

    @uninterrupted
    async def reset_input_buffer(self) -> None:
        """Throw away everything received and not read yet, in the kernel and here.

        Cancellation: the kernel's queue may have been emptied.
        """
        await self._perform(operations.reset_input(self._port))

    @uninterrupted
    async def reset_output_buffer(self) -> None:
        """Throw away what was sent and has not left yet, as far as the driver can.

        USB adapters cannot, as a rule. On a pty this destroys what the far end has not read.

        Cancellation: it may have been done.
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

        That is `drain`, then the transmitter (TIOCSERGETLSR) where the driver tells, else
        tcdrain(3). Needed before turning an RS-485 line round by hand, say.

        Raises:
            As `drain`.

        Cancellation: at once, even where tcdrain cannot be interrupted: it then goes on
        in a thread.
        """
        await self._perform_as_sender(operations.drain_exact(self._port))

    @uninterrupted
    async def send_break(self, duration: float = 0.25) -> None:
        """Hold the line in the break condition, then release it, whatever happens meanwhile.

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
        """Hold the line in the break condition until told otherwise, or until the port is closed.

        Args:
            on: Whether it is held.

        Raises:
            UnsupportedFeatureError: The driver has no break.

        Cancellation: it may have been done.
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
            rts: True asserts it, None leaves it.
            dtr: True asserts it, None leaves it.

        Raises:
            UnsupportedFeatureError: The driver has no modem lines.

        Cancellation: it may have been done.
        """
        await self._perform(operations.set_control_lines(self._port, rts, dtr))

    @uninterrupted
    async def wait_modem_change(self, *, interval: float = 0.02) -> "ModemLines":
        """Wait until a modem line changes, and return the lines as they are then.

        The lines are polled (TIOCMGET), and their counters (TIOCGICOUNT) where the
        driver has them, so that a pulse shorter than *interval* is not missed; the
        lines returned may then equal those before.

        Args:
            interval: Seconds between two looks, above 0.

        Raises:
            UnsupportedFeatureError: The driver has no modem lines.
            SerialDisconnectedError: The device is gone; noticed at the next look.

        Cancellation: at once. A change between two calls is not seen: use `modem_changes`.
        """
        lines, _ = await self._perform(operations.modem_change(self._port, interval, None))
        return lines

    @uninterrupted
    async def modem_changes(self, *, interval: float = 0.02) -> "AsyncGenerator[ModemLines]":
        """Iterate over the changes of the modem lines; as `wait_modem_change`, missing none in between.

        Args:
            interval: Seconds between two looks, above 0.

        Yields:
            The lines after each change.
        """
        check_seconds("interval", interval, zero=False)
        seen: LinesSeen = await self._perform(operations.look_at_lines(self._port))
        while True:
            seen = await self._perform(operations.modem_change(self._port, interval, seen))
            yield seen[0]

    @uninterrupted
    async def line_counters(self) -> "LineCounters":
        """Read the driver's totals of characters, line errors and modem-line changes (TIOCGICOUNT).

        Raises:
            UnsupportedFeatureError: The driver does not count.
        """
        return await self._perform(operations.line_counters(self._port))
