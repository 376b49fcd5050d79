"""`PortManager`: the server's side of RFC 2217, for a program that has the port and the connection itself.

Theory of operation. What the client sends goes through `filter`, which returns the data in it and answers the
rest at once through the connection's ``write``. What the port receives goes through `escape` on its way to the
client. The telnet protocol, and what the messages look like, is core's; here is what they mean for a pySerial
port. Programs override `_telnet_process_subnegotiation` to see a message first, which is why it has that name.
"""

from typing import TYPE_CHECKING, Protocol

from anyserial._spi import com_port, telnet
from anyserial.exceptions import UnsupportedFeatureError

from anyserial_sync._pyserial._helpers import to_bytes
from anyserial_sync._pyserial._rfc2217_names import (
    COM_PORT_OPTION,
    IAC,
    RFC2217_PARITY_MAP,
    RFC2217_REVERSE_PARITY_MAP,
    RFC2217_REVERSE_STOPBIT_MAP,
    RFC2217_STOPBIT_MAP,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Buffer, Callable, Generator

    from anyserial_sync._pyserial._serial import Serial

__all__ = ("PortManager",)

Command = com_port.Command
Control = com_port.Control
ModemState = com_port.ModemState
Purge = com_port.Purge

ALL_MODEM_STATES = 255

# What a level or a kind of flow control is called, for the outbound and the inbound requests.
BREAKS = {True: Control.BREAK_ON, False: Control.BREAK_OFF}
DTRS = {True: Control.DTR_ON, False: Control.DTR_OFF}
RTSS = {True: Control.RTS_ON, False: Control.RTS_OFF}
FLOWS = {
    Control.FLOW_NONE: (False, False),
    Control.FLOW_XON_XOFF: (True, False),
    Control.FLOW_HARDWARE: (False, True),
}
INBOUND = {
    Control.FLOW_NONE: Control.INBOUND_FLOW_NONE,
    Control.FLOW_XON_XOFF: Control.INBOUND_FLOW_XON_XOFF,
    Control.FLOW_HARDWARE: Control.INBOUND_FLOW_HARDWARE,
}


class Connection(Protocol):
    """The way to the client."""

    def write(self, data: bytes, /) -> object:
        """Send all of *data*, as it is."""
        ...


class PortManager:
    """Serves one client of one port.

    Args:
        serial_port: The port; requests of the client change its settings and lines.
        connection: Has ``write``, which is given what goes to the client. If other threads write to the
            connection too, it must keep each call's bytes together.
        logger: Where messages are logged; None for nowhere.

    Attributes:
        serial: The port.
        connection: As given.
        logger: As given.
    """

    def __init__(self, serial_port: "Serial", connection: Connection, logger: "logging.Logger | None" = None) -> None:
        self.serial = serial_port
        self.connection = connection
        self.logger = logger
        self._client_is_rfc2217 = False
        self._modem_state_mask = ALL_MODEM_STATES
        self._last_modem_state: com_port.ModemState | None = None
        self._suspended = False
        options = (telnet.BINARY, telnet.SGA, telnet.COM_PORT)
        self._telnet = telnet.Telnet(local=(telnet.ECHO, *options), remote=options)
        for option in (telnet.ECHO, telnet.SGA, telnet.COM_PORT):
            self._telnet.request(telnet.LOCAL, option)
        self._telnet.request(telnet.REMOTE, telnet.BINARY)
        self._send_answers()

    # To the client

    def telnet_send_option(self, action: bytes, option: bytes) -> None:
        """Send ``WILL``, ``WONT``, ``DO`` or ``DONT`` and an option."""
        self.connection.write(IAC + action + option)

    def rfc2217_send_subnegotiation(self, option: bytes, value: bytes = b"") -> None:
        """Send a message of COM-PORT-OPTION.

        Args:
            option: The command, such as ``SERVER_SET_BAUDRATE``.
            value: Its value, as it is; what must be escaped is.
        """
        self.connection.write(telnet.subnegotiation(telnet.COM_PORT, option + value))

    def _answer(self, command: com_port.Command, value: int) -> None:
        payload = com_port.encode(command, value, from_server=True)
        self.rfc2217_send_subnegotiation(payload[:1], payload[1:])

    def _send_answers(self) -> None:
        if output := self._telnet.take_output():
            self.connection.write(output)

    def check_modem_lines(self, force_notification: bool = False) -> None:
        """Tell the client of the modem lines if one has changed since the last time; call this regularly.

        A port without modem lines is never told of.

        Args:
            force_notification: Tell it in any case.

        Raises:
            SerialException: The port failed.
        """
        port = self.serial
        try:
            levels = {
                ModemState.CTS: port.cts,
                ModemState.DSR: port.dsr,
                ModemState.RI: port.ri,
                ModemState.CD: port.cd,
            }
        except UnsupportedFeatureError:
            return
        now = ModemState(0)
        for line, is_active in levels.items():
            if is_active:
                now |= line
        before = self._last_modem_state
        self._last_modem_state = now
        changes = now if before is None else now ^ before
        state = now
        for line, change in (
            (ModemState.CTS, ModemState.CTS_CHANGED),
            (ModemState.DSR, ModemState.DSR_CHANGED),
            (ModemState.CD, ModemState.CD_CHANGED),
        ):
            if line in changes:
                state |= change
        if ModemState.RI in changes and ModemState.RI not in now:
            state |= ModemState.RI_ENDED
        told = state & self._modem_state_mask
        if self._client_is_rfc2217 and (force_notification or (changes and told)):
            self._log("modem lines: %s", state)
            self._answer(Command.NOTIFY_MODEM_STATE, told)

    def escape(self, data: "Buffer") -> "Generator[bytes]":
        """Return what goes over the wire for *data*, in pieces; most data are one."""
        yield bytes(telnet.escaped(to_bytes(data)))

    # From the client

    def filter(self, data: "Buffer") -> "Generator[bytes]":
        """Return the data in what the client has sent, in pieces; carry out and answer what else is in it.

        Raises:
            SerialException: The port failed while a request was carried out.
        """
        for event in self._telnet.feed(to_bytes(data)):
            if isinstance(event, bytes):
                yield event
            elif isinstance(event, telnet.Subnegotiation):
                self._send_answers()
                self._telnet_process_subnegotiation(bytes((event.option,)) + event.payload)
            elif isinstance(event, telnet.OptionChange):
                self._send_answers()
                if event.option == telnet.COM_PORT and event.enabled and not self._client_is_rfc2217:
                    self._client_is_rfc2217 = True
                    self._log("the client knows RFC 2217")
                    self.check_modem_lines(force_notification=True)
            else:
                self._log("telnet command %d is ignored", event.code)
        self._send_answers()

    def _telnet_process_subnegotiation(self, suboption: bytes) -> None:
        """Carry out one message: the option, the command and its value. Subclasses may take some for themselves."""
        if suboption[:1] != COM_PORT_OPTION:
            self._log("a message of another option is ignored: %r", suboption)
            return
        try:
            command, value = com_port.decode(suboption[1:], from_server=False)
        except com_port.ComPortError as exc:
            self._log("a message is ignored: %s", exc)
            return
        self._log("%s %r", command.name, value)
        if not isinstance(value, int):
            return  # the client's signature
        if (carry_out := self._actions().get(command)) is not None:
            carry_out(value)

    def _actions(self) -> "dict[com_port.Command, Callable[[int], None]]":
        return {
            Command.BAUDRATE: self._set_baudrate,
            Command.DATA_SIZE: self._set_bytesize,
            Command.PARITY: self._set_parity,
            Command.STOP_SIZE: self._set_stopbits,
            Command.CONTROL: self._control,
            Command.NOTIFY_LINE_STATE: lambda _: self._answer(Command.NOTIFY_LINE_STATE, 0),
            Command.NOTIFY_MODEM_STATE: lambda _: self.check_modem_lines(force_notification=True),
            Command.SUSPEND: lambda _: self._suspend(suspended=True),
            Command.RESUME: lambda _: self._suspend(suspended=False),
            Command.LINE_STATE_MASK: lambda _: None,  # a pySerial port reports no line errors
            Command.MODEM_STATE_MASK: self._set_modem_state_mask,
            Command.PURGE: self._purge,
        }

    def _set(self, name: str, value: object) -> None:
        try:
            setattr(self.serial, name, value)
        except ValueError as exc:
            # The answer is what is in force, from which the client sees that.
            self._log("%s %r is refused: %s", name, value, exc)

    def _set_baudrate(self, value: int) -> None:
        if value != com_port.ASK:
            self._set("baudrate", value)
        self._answer(Command.BAUDRATE, self.serial.baudrate)

    def _set_bytesize(self, value: int) -> None:
        if value != com_port.ASK:
            self._set("bytesize", value)
        self._answer(Command.DATA_SIZE, self.serial.bytesize)

    def _set_parity(self, value: int) -> None:
        if value in RFC2217_REVERSE_PARITY_MAP:
            self._set("parity", RFC2217_REVERSE_PARITY_MAP[value])
        self._answer(Command.PARITY, RFC2217_PARITY_MAP[self.serial.parity])

    def _set_stopbits(self, value: int) -> None:
        if value in RFC2217_REVERSE_STOPBIT_MAP:
            self._set("stopbits", RFC2217_REVERSE_STOPBIT_MAP[value])
        self._answer(Command.STOP_SIZE, RFC2217_STOPBIT_MAP[self.serial.stopbits])

    def _control(self, value: int) -> None:
        port = self.serial
        try:
            control = Control(value)
        except ValueError:
            self._log("SET_CONTROL %d is ignored", value)
            return
        if control in FLOWS:
            xonxoff, rtscts = FLOWS[control]
            self._set("xonxoff", xonxoff)
            self._set("rtscts", rtscts)
        elif control in {Control.BREAK_ON, Control.BREAK_OFF}:
            port.break_condition = control is Control.BREAK_ON
        elif control in {Control.DTR_ON, Control.DTR_OFF}:
            port.dtr = control is Control.DTR_ON
        elif control in {Control.RTS_ON, Control.RTS_OFF}:
            port.rts = control is Control.RTS_ON
        self._answer(Command.CONTROL, self._in_force(control))

    def _in_force(self, asked: com_port.Control) -> com_port.Control:
        """Return the state that answers a request, whether it was carried out or not."""
        port = self.serial
        if asked in {Control.ASK_BREAK, *BREAKS.values()}:
            return BREAKS[bool(port.break_condition)]
        if asked in {Control.ASK_DTR, *DTRS.values()}:
            return DTRS[bool(port.dtr)]
        if asked in {Control.ASK_RTS, *RTSS.values()}:
            return RTSS[bool(port.rts)]
        flow = Control.FLOW_XON_XOFF if port.xonxoff else Control.FLOW_NONE
        if port.rtscts:
            flow = Control.FLOW_HARDWARE
        inbound = {Control.ASK_INBOUND_FLOW, Control.INBOUND_FLOW_DTR, *INBOUND.values()}
        return INBOUND[flow] if asked in inbound else flow

    def _suspend(self, *, suspended: bool) -> None:
        self._suspended = suspended

    def _set_modem_state_mask(self, value: int) -> None:
        self._modem_state_mask = value
        self._answer(Command.MODEM_STATE_MASK, value)

    def _purge(self, value: int) -> None:
        if value in {Purge.RECEIVED, Purge.BOTH}:
            self.serial.reset_input_buffer()
        if value in {Purge.TO_SEND, Purge.BOTH}:
            self.serial.reset_output_buffer()
        if value in {*Purge}:
            self._answer(Command.PURGE, value)

    def _log(self, message: str, *arguments: object) -> None:
        if self.logger is not None:
            self.logger.debug(message, *arguments)
