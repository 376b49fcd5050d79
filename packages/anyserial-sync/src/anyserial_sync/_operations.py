"""The operations of the blocking port: settings, lines, queues, counters.

Only their public face is here; `anyserial._port.operations` has what each one does, as steps.
"""

from typing import TYPE_CHECKING

from anyserial._spi import check_config, check_timeout, operations

from anyserial_sync._endless import Endless
from anyserial_sync._waiting import BlockingPort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyserial.capabilities import ControlLines, LineCounters, ModemLines
    from anyserial.config import SerialConfig

__all__ = ("BlockingOperations",)


class BlockingOperations(BlockingPort):
    """Everything that a port does except receiving and sending."""

    def configure(self, config: "SerialConfig", *, timeout: float | None = None) -> None:
        """Apply new settings while the port is in use; a waiting receive is not disturbed.

        Calls run one after the other. On failure the previous settings are in force, and
        `config` still reports them.

        Args:
            config: The settings; build them with ``port.config.with_changes(...)``.
            timeout: Seconds that it may take; None takes `default_timeout`.

        Raises:
            UnsupportedConfigurationError: The driver does not support a value.
            UnsupportedFeatureError: The platform does not have a mechanism that was asked for.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed, or was closed meanwhile.
            TimeoutError: It took longer. The settings may still be applied, all of them
                or none; `config` tells which, once the driver is done.
        """
        check_config(config, fields="port.config.with_changes({})")
        self._perform(operations.configure(self._port, config), timeout)

    def reset_input_buffer(self, *, timeout: float | None = None) -> None:
        """Discard all received bytes that were not read yet, in the kernel and in the port.

        Args:
            timeout: Seconds that it may take; None takes `default_timeout`.

        Raises:
            TimeoutError: It took longer; the kernel's queue may have been emptied.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed.
        """
        self._perform(operations.reset_input(self._port), timeout)

    def reset_output_buffer(self, *, timeout: float | None = None) -> None:
        """Discard output that has not left yet, as far as the driver can.

        Most USB adapters cannot. On a pty this discards what the other end has not read.

        Args:
            timeout: Seconds that it may take; None takes `default_timeout`.

        Raises:
            TimeoutError: It took longer; it may still take effect.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed.
        """
        self._perform(operations.reset_output(self._port), timeout)

    def drain(self, *, timeout: float | None = None) -> None:
        """Wait until the kernel's output queue is empty (TIOCOUTQ; a pty's always is).

        Args:
            timeout: Seconds to wait; 0 looks once, None takes `default_timeout`.

        Raises:
            TimeoutError: The queue was not empty in time; nothing is lost or sent twice.
            SerialDisconnectedError: The device is gone; noticed within 20 ms.
            SerialClosedError: The port is closed, or was closed meanwhile.
            SerialCancelledError: `cancel_send` was called meanwhile.
            anyio.BusyResourceError: Another thread is sending or draining.
        """
        self._perform_as_sender(operations.drain(self._port), timeout)

    def drain_exact(self, *, timeout: float | None = None) -> None:
        """Wait until the UART has sent its last bit.

        First as `drain`; then the transmitter is polled (TIOCSERGETLSR) if the driver reports its
        state, otherwise tcdrain(3) waits. You need this, for example, before you switch the direction of
        an RS-485 line by hand. tcdrain cannot be interrupted; if this call is, tcdrain goes on in a daemon thread.

        Args:
            timeout: Seconds to wait; 0 looks once (tcdrain gets 10 ms), None takes `default_timeout`.

        Raises:
            As `drain`.
        """
        self._perform_as_sender(operations.drain_exact(self._port), timeout)

    def send_break(self, duration: float = 0.25, *, timeout: float | None = None) -> None:
        """Hold the line in the break condition, then release it, also after an error.

        Args:
            duration: Seconds, >= 0.
            timeout: Seconds that all of it may take; None takes `default_timeout`.

        Raises:
            TimeoutError: It took longer; the break ended early and is released.
            UnsupportedFeatureError: The driver has no break.
            SerialDisconnectedError: The device is gone; noticed within 20 ms.
            SerialClosedError: The port is closed, or was closed meanwhile; the break is released.
            SerialCancelledError: `cancel_send` was called meanwhile; the break is released.
            anyio.BusyResourceError: Another thread is sending or draining.
        """
        self._perform_as_sender(operations.send_break(self._port, duration), timeout)

    def set_break(self, on: bool, *, timeout: float | None = None) -> None:
        """Hold the line in the break condition, or release it. Closing the port releases it too.

        Args:
            on: Whether it is held.
            timeout: Seconds that it may take; None takes `default_timeout`.

        Raises:
            UnsupportedFeatureError: The driver has no break.
            TimeoutError: It took longer; it may still take effect.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed.
        """
        self._perform(operations.set_break(self._port, on), timeout)

    def modem_lines(self, *, timeout: float | None = None) -> "ModemLines":
        """Read CTS, DSR, RI and CD (TIOCMGET).

        Args:
            timeout: Seconds that it may take; None takes `default_timeout`.

        Raises:
            UnsupportedFeatureError: The driver has no modem lines (a pty, a USB gadget).
            TimeoutError: It took longer.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed.
        """
        return self._perform(operations.modem_lines(self._port), timeout)

    def control_lines(self, *, timeout: float | None = None) -> "ControlLines":
        """Read back RTS and DTR (TIOCMGET).

        Args:
            timeout: Seconds that it may take; None takes `default_timeout`.

        Raises:
            UnsupportedFeatureError: The driver has no modem lines.
            TimeoutError: It took longer.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed.
        """
        return self._perform(operations.control_lines(self._port), timeout)

    def set_control_lines(
        self, *, rts: bool | None = None, dtr: bool | None = None, timeout: float | None = None
    ) -> None:
        """Set RTS and DTR, both in one system call (TIOCMSET).

        Args:
            rts: True asserts it, None leaves it unchanged.
            dtr: True asserts it, None leaves it unchanged.
            timeout: Seconds that it may take; None takes `default_timeout`.

        Raises:
            UnsupportedFeatureError: The driver has no modem lines.
            TimeoutError: It took longer; it may still take effect.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed.
        """
        self._perform(operations.set_control_lines(self._port, rts, dtr), timeout)

    def wait_modem_change(self, *, interval: float = 0.02, timeout: float | None = None) -> "ModemLines":
        """Wait until a modem line changes, and return the lines after the change.

        The lines are polled (TIOCMGET), and their counters (TIOCGICOUNT) if the driver
        has them, so that a pulse shorter than *interval* is not missed. After such a
        pulse, the returned lines may equal those before. This misses a change between two
        calls; `modem_changes` does not.

        Args:
            interval: Seconds between two polls, above 0.
            timeout: Seconds to wait; None takes `default_timeout`.

        Raises:
            TimeoutError: No line changed in time.
            UnsupportedFeatureError: The driver has no modem lines.
            SerialDisconnectedError: The device is gone; noticed within 20 ms.
            SerialClosedError: The port is closed, or was closed meanwhile.
        """
        lines, _ = self._perform(operations.modem_change(self._port, interval, None), timeout)
        return lines

    def modem_changes(self, *, interval: float = 0.02, timeout: float | None = None) -> "Iterator[ModemLines]":
        """Iterate over the changes of the modem lines, as `wait_modem_change`, without missing any in between.

        Args:
            interval: Seconds between two polls, above 0.
            timeout: Seconds to wait for each change; None takes `default_timeout`.

        Returns:
            An iterator that returns the lines after each change. No error ends it for good: the next
            ``next()`` reports what has changed since the last one that succeeded.

        Raises:
            TimeoutError: No line changed in time.
            UnsupportedFeatureError: The driver has no modem lines.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed, or was closed meanwhile.
        """
        check_timeout(timeout)
        changes = operations.ModemChanges(self._port, interval)
        return Endless(lambda: self._perform(changes.following(), timeout))

    def line_counters(self, *, timeout: float | None = None) -> "LineCounters":
        """Read the driver's totals of characters, line errors and modem-line changes (TIOCGICOUNT).

        Args:
            timeout: Seconds that it may take; None takes `default_timeout`.

        Raises:
            UnsupportedFeatureError: The driver does not count.
            TimeoutError: It took longer.
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port is closed.
        """
        return self._perform(operations.line_counters(self._port), timeout)
