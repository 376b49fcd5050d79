"""What the orders of an RFC 2217 client do to the port, and which value is then in force.

Every SET is answered with the value that is really in force: what the driver reports after the change, or what
was in force before if it refuses. A port without modem lines (a pty, a USB gadget) has no level that could
contradict, so DTR and RTS are answered with what was asked for; clients in use take any other answer for a
broken server.

How orders arrive and answers leave belongs to `server_session`, when they are carried out to `client_link`.
"""

import logging
from typing import TYPE_CHECKING

import anyio

from anyserial._network.com_port import (
    DATA_SIZES,
    DATA_SIZES_BY_CODE,
    PARITIES,
    PARITIES_BY_CODE,
    STOP_BITS,
    STOP_BITS_BY_CODE,
    Command,
    Control,
    LineState,
    Purge,
)
from anyserial._port import operations
from anyserial.config import FlowControl, LineErrors, Parity
from anyserial.exceptions import (
    SerialClosedError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedFeatureError,
)

if TYPE_CHECKING:
    from anyserial._port.contract import LinesSeen
    from anyserial.config import SerialConfigFields
    from anyserial.stream import SerialPort

__all__ = ("PortOrders",)

_LOGGER = logging.getLogger("anyserial.network")

TELNET_BREAK = 0.25  # seconds, as `SerialPort.send_break`

_FLOWS = {
    Control.FLOW_NONE: FlowControl(),
    Control.FLOW_XON_XOFF: FlowControl(xon_xoff=True),
    Control.FLOW_HARDWARE: FlowControl(rts_cts=True),
    Control.FLOW_DSR: FlowControl(dtr_dsr=True),
    # The two directions cannot be set apart, so these set both.
    Control.INBOUND_FLOW_NONE: FlowControl(),
    Control.INBOUND_FLOW_XON_XOFF: FlowControl(xon_xoff=True),
    Control.INBOUND_FLOW_HARDWARE: FlowControl(rts_cts=True),
    Control.INBOUND_FLOW_DTR: FlowControl(dtr_dsr=True),
}
_INBOUND = {
    Control.FLOW_NONE: Control.INBOUND_FLOW_NONE,
    Control.FLOW_XON_XOFF: Control.INBOUND_FLOW_XON_XOFF,
    Control.FLOW_HARDWARE: Control.INBOUND_FLOW_HARDWARE,
    Control.FLOW_DSR: Control.INBOUND_FLOW_DTR,
}
_INBOUND_VALUES = frozenset((Control.ASK_INBOUND_FLOW, *_INBOUND.values()))
_FLOW_VALUES = frozenset((Control.ASK_FLOW, Control.FLOW_DCD, *_FLOWS)) - _INBOUND_VALUES
_LEVELS = {Control.DTR_ON: True, Control.DTR_OFF: False, Control.RTS_ON: True, Control.RTS_OFF: False}
_DTR_VALUES = frozenset((Control.ASK_DTR, Control.DTR_ON, Control.DTR_OFF))
_RTS_VALUES = frozenset((Control.ASK_RTS, Control.RTS_ON, Control.RTS_OFF))


class PortOrders:
    """Carries out one client's orders on a port.

    Args:
        port: An open port. Its settings are changed by the orders.
    """

    def __init__(self, port: "SerialPort") -> None:
        self._port = port
        self._line_errors = port.config.line_errors
        self._assumed = {"dtr": True, "rts": True}  # as the kernel has them after opening
        self._break_is_on = False
        self._counts = True

    async def carry_out(self, command: Command | None, value: int) -> int | None:
        """Do what is ordered, and return the value in force.

        Args:
            command: The command; None for a telnet break. Masks, notifications and purges have their own calls.
            value: Its value; 0 asks.

        Returns:
            The value for the answer, or None if there is none to give.

        Raises:
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port was closed.

        Cancellation: the order may have been carried out. A telnet break is released.
        """
        if command is None:
            await self._telnet_break()
            return None
        if command is Command.CONTROL:
            return await self._control(value)
        change = _change_for(command, value)
        if change:
            await self._change(change)
        return self._setting(command)

    def _setting(self, command: Command) -> int | None:
        config = self._port.config
        match command:
            case Command.BAUDRATE:
                return self._port.actual_baudrate or config.baudrate
            case Command.DATA_SIZE:
                return DATA_SIZES[config.byte_size]
            case Command.PARITY:
                return PARITIES[config.parity]
            case Command.STOP_SIZE:
                return STOP_BITS[config.stop_bits]
            case _:
                return None

    async def _control(self, value: int) -> int | None:
        try:
            control = Control(value)
        except ValueError:
            return None  # reserved values: there is nothing that could be in force
        if control in _FLOW_VALUES or control in _INBOUND_VALUES:
            if control in _FLOWS:
                await self._change({"flow_control": _FLOWS[control]})
            outbound = _flow_in_force(self._port.config.flow_control)
            return _INBOUND[outbound] if control in _INBOUND_VALUES else outbound
        if control in _DTR_VALUES:
            is_on = await self._line("dtr", _LEVELS.get(control))
            return Control.DTR_ON if is_on else Control.DTR_OFF
        if control in _RTS_VALUES:
            is_on = await self._line("rts", _LEVELS.get(control))
            return Control.RTS_ON if is_on else Control.RTS_OFF
        if control is not Control.ASK_BREAK:
            await self._set_break(control is Control.BREAK_ON)
        return Control.BREAK_ON if self._break_is_on else Control.BREAK_OFF

    async def _change(self, change: "SerialConfigFields") -> None:
        """Change settings; those from before stay in force if the driver refuses."""
        try:
            await self._port.configure(self._port.config.with_changes(**change))
        except (SerialDisconnectedError, SerialClosedError):
            raise
        except SerialError as exc:
            _LOGGER.debug("%s: a client's setting was refused: %s", self._port.path, exc)

    async def _line(self, name: str, level: bool | None) -> bool:
        try:
            if level is not None:
                await self._port.set_control_lines(**{name: level})
            lines = await self._port.control_lines()
        except (SerialDisconnectedError, SerialClosedError):
            raise
        except UnsupportedFeatureError:
            if level is not None:
                self._assumed[name] = level
        except SerialError as exc:
            _LOGGER.debug("%s: a client's %s failed: %s", self._port.path, name.upper(), exc)
        else:
            self._assumed = {"dtr": lines.dtr, "rts": lines.rts}
        return self._assumed[name]

    async def _set_break(self, on: bool) -> None:
        try:
            await self._port.set_break(on)
        except (SerialDisconnectedError, SerialClosedError):
            raise
        except SerialError as exc:
            _LOGGER.debug("%s: a client's break failed: %s", self._port.path, exc)
        else:
            self._break_is_on = on

    async def _telnet_break(self) -> None:
        # Not `send_break`: that would take the sender's place, and data may be on its way.
        await self._set_break(True)
        try:
            await anyio.sleep(TELNET_BREAK)
        finally:
            with anyio.CancelScope(shield=True):
                await self._set_break(False)

    async def purge(self, value: int) -> bool:
        """Discard what the driver holds; return whether *value* says what to discard.

        Raises:
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port was closed.
        """
        if value not in Purge.__members__.values():
            return False
        try:
            if value != Purge.TO_SEND:
                await self._port.reset_input_buffer()
            if value != Purge.RECEIVED:
                await self._port.reset_output_buffer()
        except (SerialDisconnectedError, SerialClosedError):
            raise
        except SerialError as exc:
            _LOGGER.debug("%s: a client's purge failed: %s", self._port.path, exc)
        return True

    # Lines and errors

    async def look_at_lines(self) -> "LinesSeen | None":
        """Return the modem lines and, if the driver counts, the counts of their changes; None if it has no lines.

        Raises:
            SerialDisconnectedError: The device is gone.
            SerialClosedError: The port was closed.
        """
        steps = operations.look_at_lines(self._port._port, counting=self._counts)  # noqa: SLF001  # core's own
        try:
            seen = await self._port._perform(steps)  # noqa: SLF001  # likewise
        except (SerialDisconnectedError, SerialClosedError):
            raise
        except SerialError:
            return None
        self._counts = seen[1] is not None
        return seen

    @property
    def has_parity(self) -> bool:
        """Whether characters have a parity bit."""
        return self._port.config.parity is not Parity.NONE

    @property
    def keeps_damaged(self) -> bool:
        """Whether damaged characters are passed on; they are not if the server's settings discard them."""
        return self._line_errors is not LineErrors.DISCARD

    async def tell_errors(self, wanted: bool) -> None:
        """Have the port report breaks and damaged characters, or treat them as the server's settings say."""
        line_errors = LineErrors.RAISE if wanted else self._line_errors
        if self._port.config.line_errors is not line_errors:
            await self._change({"line_errors": line_errors})

    def emptiness(self) -> LineState:
        """Return the bits for "everything has been sent", or none if the driver still holds output.

        Raises:
            SerialDisconnectedError: The device is gone.
        """
        try:
            waiting = self._port.output_waiting()
        except UnsupportedFeatureError:
            waiting = 0
        return LineState(0) if waiting else LineState.HOLDING_REGISTER_EMPTY | LineState.SHIFT_REGISTER_EMPTY

    async def leave(self) -> None:
        """Undo what must not outlast the client: a break, and the reports of line errors."""
        if self._break_is_on:
            await self._set_break(False)
        await self.tell_errors(False)


def _flow_in_force(flow: FlowControl) -> Control:
    if flow.rts_cts:
        return Control.FLOW_HARDWARE
    if flow.xon_xoff:
        return Control.FLOW_XON_XOFF
    return Control.FLOW_DSR if flow.dtr_dsr else Control.FLOW_NONE


def _change_for(command: Command, value: int) -> "SerialConfigFields":
    """Return the change that a SET asks for; empty if it only asks, or asks for what does not exist."""
    if command is Command.BAUDRATE and value:
        return {"baudrate": value}
    if command is Command.DATA_SIZE and value in DATA_SIZES_BY_CODE:
        return {"byte_size": DATA_SIZES_BY_CODE[value]}
    if command is Command.PARITY and value in PARITIES_BY_CODE:
        return {"parity": PARITIES_BY_CODE[value]}
    if command is Command.STOP_SIZE and value in STOP_BITS_BY_CODE:
        return {"stop_bits": STOP_BITS_BY_CODE[value]}
    return {}
