"""The operations of the async port: settings, lines, queues, counters.

Their public face only; what each one does is written once, as steps, in `_port`.
"""

from typing import TYPE_CHECKING

import anyio

from anyserial import _readiness
from anyserial._async import AsyncPortBase
from anyserial._checks import check_config, check_seconds

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyserial._port import LinesSeen
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import ControlLines, LineCounters, ModemLines
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("AsyncOperations",)


class AsyncOperations(AsyncPortBase):
    """Everything that a port does beside receiving and sending."""

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: "SerialConfig",
        *,
        port_info: "PortInfo | None" = None,
    ) -> None:
        """As `PortBase`."""
        super().__init__(backend, config, port_info=port_info)
        self._configuring: tuple[object, anyio.Lock] | None = None

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
        loop = _readiness.native_token()
        if self._configuring is None or self._configuring[0] is not loop:
            # A lock is one event loop's; a port that is in use has not left its own.
            self._configuring = loop, anyio.Lock()
        async with self._configuring[1]:
            await self._perform(self._configure(config))

    async def reset_input_buffer(self) -> None:
        """Throw away everything received and not read yet, in the kernel and here.

        Cancellation: the kernel's queue may have been emptied.
        """
        await self._perform(self._reset_input())

    async def reset_output_buffer(self) -> None:
        """Throw away what was sent and has not left yet, as far as the driver can.

        USB adapters cannot, as a rule. On a pty this destroys what the far end has not read.

        Cancellation: it may have been done.
        """
        await self._perform(self._reset_output())

    async def drain(self) -> None:
        """Wait until the kernel's output queue is empty (TIOCOUTQ; a pty's always is).

        Raises:
            SerialDisconnectedError: The device is gone; noticed within 20 ms.
            anyio.BusyResourceError: Another task is sending or draining.

        Cancellation: nothing is lost or sent twice.
        """
        await self._perform_as_sender(self._drain())

    async def drain_exact(self) -> None:
        """Wait until the UART has sent its last bit.

        That is `drain`, then the transmitter (TIOCSERGETLSR) where the driver tells, else
        tcdrain(3). Needed before turning an RS-485 line round by hand, say.

        Raises:
            As `drain`.

        Cancellation: at once, even where tcdrain cannot be interrupted: it then goes on
        in a thread.
        """
        await self._perform_as_sender(self._drain_exact())

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
        await self._perform_as_sender(self._send_break(duration))

    async def set_break(self, on: bool) -> None:
        """Hold the line in the break condition until told otherwise, or until the port is closed.

        Args:
            on: Whether it is held.

        Raises:
            UnsupportedFeatureError: The driver has no break.

        Cancellation: it may have been done.
        """
        await self._perform(self._set_break(on))

    async def modem_lines(self) -> "ModemLines":
        """Read CTS, DSR, RI and CD (TIOCMGET).

        Raises:
            UnsupportedFeatureError: The driver has no modem lines (a pty, a USB gadget).
        """
        return await self._perform(self._modem_lines())

    async def control_lines(self) -> "ControlLines":
        """Read back RTS and DTR (TIOCMGET).

        Raises:
            UnsupportedFeatureError: The driver has no modem lines.
        """
        return await self._perform(self._control_lines())

    async def set_control_lines(self, *, rts: bool | None = None, dtr: bool | None = None) -> None:
        """Set RTS and DTR, both in one system call (TIOCMSET).

        Args:
            rts: True asserts it, None leaves it.
            dtr: True asserts it, None leaves it.

        Raises:
            UnsupportedFeatureError: The driver has no modem lines.

        Cancellation: it may have been done.
        """
        await self._perform(self._set_control_lines(rts, dtr))

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
        lines, _ = await self._perform(self._modem_change(interval, None))
        return lines

    async def modem_changes(self, *, interval: float = 0.02) -> "AsyncGenerator[ModemLines]":
        """Iterate over the changes of the modem lines; as `wait_modem_change`, missing none in between.

        Args:
            interval: Seconds between two looks, above 0.

        Yields:
            The lines after each change.
        """
        check_seconds("interval", interval, zero=False)
        seen: LinesSeen = await self._perform(self._look_at_lines())
        while True:
            seen = await self._perform(self._modem_change(interval, seen))
            yield seen[0]

    async def line_counters(self) -> "LineCounters":
        """Read the driver's totals of characters, line errors and modem-line changes (TIOCGICOUNT).

        Raises:
            UnsupportedFeatureError: The driver does not count.
        """
        return await self._perform(self._line_counters())
