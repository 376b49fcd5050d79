"""What `SerialTransport.serial` returns: the port under the names that programs know from pySerial.

A call returns when the driver has done it, as pySerial's calls do. A worker makes the driver's call, and the
caller waits for it: in the event loop's thread, the event loop waits as well; in another thread
(``asyncio.to_thread``), only that thread does.
"""

import asyncio
import errno
from typing import TYPE_CHECKING, Any, override

from anyserial._asyncio.errors import as_expected
from anyserial._asyncio.performing import perform
from anyserial._checks import as_bytes, check_positive, check_timeout
from anyserial._port import operations
from anyserial._port.lifecycle import OPEN
from anyserial._port.open_port import OpenPort
from anyserial.config import FlowControl
from anyserial.exceptions import SerialError, UnsupportedFeatureError

if TYPE_CHECKING:
    from anyio import CancelScope

    from anyserial._port.engine import Steps
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import ModemLines
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("TransportSerial",)


class TransportSerial:
    """The port of a transport, with the names that programs use of pySerial's ``Serial``.

    It is made by `create_serial_connection`, and belongs to the transport. Every call raises
    `SerialClosedError` once the port is closed and `SerialDisconnectedError` once the device is gone.

    A call that reaches the driver (a setting, a line, a break, `flush`, a reset) returns when the driver has done
    it. The event loop does not run meanwhile, so call the slow ones with ``asyncio.to_thread``. On a network port
    that is the only way for what returns something; a setting that is made in the event loop's thread is
    carried out soon after, in the order of the calls.
    """

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: "SerialConfig",
        *,
        port_info: "PortInfo | None" = None,
    ) -> None:
        """Wrap an open backend, which then belongs to this object."""
        self._port = port = OpenPort(backend, config, port_info)
        self._lifecycle = port.lifecycle
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queue: asyncio.Task[None] | None = None
        self._rts = self._dtr = True
        self._break = False

    @override
    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<anyserial.asyncio.TransportSerial {self._port.path!r}, {state}, {self._port.config}>"

    # What it is

    @property
    def port(self) -> str:
        """The path that was opened."""
        return self._port.path

    @property
    def name(self) -> str:
        """See `port`."""
        return self.port

    @property
    def portstr(self) -> str:
        """See `port`."""
        return self.port

    @property
    def is_open(self) -> bool:
        """Whether the port can be used."""
        return self._lifecycle.state == OPEN

    def isOpen(self) -> bool:  # noqa: N802  # pySerial's older name, here and below
        """Return `is_open`."""
        return self.is_open

    def fileno(self) -> int:
        """Return the descriptor.

        Raises:
            UnsupportedFeatureError: The port has none, because it is on the network.
        """
        number = self._port.share()
        if number is None:
            raise UnsupportedFeatureError(errno.ENOSYS, "a network port has no descriptor", self._port.path)
        return number

    @property
    def fd(self) -> int:
        """The descriptor; see `fileno`."""
        return self.fileno()

    # Settings

    @property
    def config(self) -> "SerialConfig":
        """The settings in force, as anyserial names them."""
        return self._port.config

    def configure(self, config: "SerialConfig") -> None:
        """Apply settings; all of them, or none.

        Raises:
            UnsupportedConfigurationError: The driver refuses a value.
        """
        self._do(operations.configure(self._port, config))

    def _change(self, **fields: Any) -> None:
        self.configure(self._port.config.with_changes(**fields))

    @property
    def baudrate(self) -> int:
        """Bits per second."""
        return self._port.config.baudrate

    @baudrate.setter
    def baudrate(self, value: int) -> None:
        self._change(baudrate=value)

    @property
    def bytesize(self) -> int:
        """Data bits per character, 5 to 8."""
        return int(self._port.config.byte_size)

    @bytesize.setter
    def bytesize(self, value: int) -> None:
        self._change(byte_size=value)

    @property
    def parity(self) -> str:
        """One of the letters N, O, E, M and S."""
        return self._port.config.parity.name[0]

    @parity.setter
    def parity(self, value: str) -> None:
        self._change(parity=value)

    @property
    def stopbits(self) -> float:
        """1, 1.5 or 2."""
        bits = float(self._port.config.stop_bits)
        return int(bits) if bits.is_integer() else bits

    @stopbits.setter
    def stopbits(self, value: float) -> None:
        self._change(stop_bits=value)

    @property
    def xonxoff(self) -> bool:
        """Whether XON/XOFF flow control is on."""
        return self._port.config.flow_control.xon_xoff

    @xonxoff.setter
    def xonxoff(self, value: bool) -> None:
        flow = self._port.config.flow_control
        self._change(flow_control=FlowControl(xon_xoff=bool(value), rts_cts=flow.rts_cts, dtr_dsr=flow.dtr_dsr))

    @property
    def rtscts(self) -> bool:
        """Whether RTS/CTS flow control is on."""
        return self._port.config.flow_control.rts_cts

    @rtscts.setter
    def rtscts(self, value: bool) -> None:
        flow = self._port.config.flow_control
        self._change(flow_control=FlowControl(xon_xoff=flow.xon_xoff, rts_cts=bool(value), dtr_dsr=flow.dtr_dsr))

    @property
    def dsrdtr(self) -> bool:
        """Whether DTR/DSR flow control is on."""
        return self._port.config.flow_control.dtr_dsr

    @property
    def exclusive(self) -> bool:
        """Whether nobody else may open the port."""
        return self._port.config.exclusive

    @property
    def timeout(self) -> float | None:
        """Always 0: a transport never waits in a read. Another value is accepted and has no effect."""
        return 0

    @timeout.setter
    def timeout(self, value: float | None) -> None:
        check_timeout(value)

    @property
    def write_timeout(self) -> float | None:
        """As `timeout`."""
        return self.timeout

    @write_timeout.setter
    def write_timeout(self, value: float | None) -> None:
        self.timeout = value

    @property
    def writeTimeout(self) -> float | None:  # noqa: N802  # pySerial's name
        """As `timeout`."""
        return self.timeout

    @writeTimeout.setter
    def writeTimeout(self, value: float | None) -> None:  # noqa: N802  # the same
        self.timeout = value

    @property
    def inter_byte_timeout(self) -> float | None:
        """Always None; another value is accepted and has no effect."""
        return None

    @inter_byte_timeout.setter
    def inter_byte_timeout(self, value: float | None) -> None:
        check_timeout(value, "inter_byte_timeout")

    # Lines

    @property
    def rts(self) -> bool:
        """The level of RTS that was set last; True after opening."""
        return self._rts

    @rts.setter
    def rts(self, value: bool) -> None:
        self._do(operations.set_control_lines(self._port, bool(value), None))
        self._rts = bool(value)

    @property
    def dtr(self) -> bool:
        """The level of DTR that was set last; True after opening."""
        return self._dtr

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._do(operations.set_control_lines(self._port, None, bool(value)))
        self._dtr = bool(value)

    def setRTS(self, level: bool = True) -> None:  # noqa: N802
        """Set `rts`."""
        self.rts = level

    def setDTR(self, level: bool = True) -> None:  # noqa: N802
        """Set `dtr`."""
        self.dtr = level

    def _lines(self) -> "ModemLines":
        return self._ask(operations.modem_lines(self._port))

    @property
    def cts(self) -> bool:
        """The level of CTS."""
        return self._lines().cts

    @property
    def dsr(self) -> bool:
        """The level of DSR."""
        return self._lines().dsr

    @property
    def ri(self) -> bool:
        """The level of RI."""
        return self._lines().ri

    @property
    def cd(self) -> bool:
        """The level of CD."""
        return self._lines().cd

    def getCTS(self) -> bool:  # noqa: N802
        """Return `cts`."""
        return self.cts

    def getDSR(self) -> bool:  # noqa: N802
        """Return `dsr`."""
        return self.dsr

    def getRI(self) -> bool:  # noqa: N802
        """Return `ri`."""
        return self.ri

    def getCD(self) -> bool:  # noqa: N802
        """Return `cd`."""
        return self.cd

    @property
    def break_condition(self) -> bool:
        """Whether the line is held in the break condition."""
        return self._break

    @break_condition.setter
    def break_condition(self, value: bool) -> None:
        self._do(operations.set_break(self._port, bool(value)))
        self._break = bool(value)

    def send_break(self, duration: float = 0.25) -> None:
        """Hold the line in the break condition for so many seconds, then release it."""
        self._do(operations.send_break(self._port, duration))

    # Queues and bytes

    @property
    def in_waiting(self) -> int:
        """How many received bytes are queued."""
        return self._port.input_waiting()

    @property
    def out_waiting(self) -> int:
        """How many bytes the driver holds that have not been sent; what the transport holds is not counted."""
        return self._port.output_waiting()

    def inWaiting(self) -> int:  # noqa: N802
        """Return `in_waiting`."""
        return self.in_waiting

    def reset_input_buffer(self) -> None:
        """Discard what was received and not read yet."""
        self._do(operations.reset_input(self._port))

    def reset_output_buffer(self) -> None:
        """Discard what the driver holds and has not sent, as far as it can."""
        self._do(operations.reset_output(self._port))

    flushInput = reset_input_buffer  # noqa: N815
    flushOutput = reset_output_buffer  # noqa: N815

    def flush(self) -> None:
        """Wait until the driver has sent everything that it holds."""
        self._do(operations.drain_exact(self._port))

    def read(self, size: int = 1) -> bytes:
        """Read at most *size* bytes that are there now; ``b""`` if there are none. The protocol does not get them."""
        check_positive("size", size)
        port = self._port
        port.check_open()
        data = port.pushback.take(size) if port.pushback.items else port.transport.read(size)
        port.bytes_received += len(data or b"")
        return data or b""

    def write(self, data: Any) -> int:
        """Write what the driver takes now, past the transport's own buffer; return how many bytes it has taken."""
        port = self._port
        port.check_open()
        count = port.transport.write(as_bytes(data)) or 0
        port.bytes_sent += count
        return count

    def close(self) -> None:
        """Close the port. The transport notices, and its protocol loses the connection."""
        lifecycle = self._lifecycle
        lifecycle.closing.begin(self._port.config.close_timeout)
        lifecycle.close()

    # Carrying out

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note the event loop in which the transport lives."""
        self._loop = loop

    @property
    def has_settings_under_way(self) -> bool:
        """Whether the event loop still has to carry out something that was set in it."""
        return self._queue is not None and not self._queue.done()

    def _do(self, steps: "Steps[None]") -> None:
        """Carry out what returns nothing."""
        if self._port.transport.has_descriptor or not self._is_in_loop:
            self._ask(steps)
            return
        self._port.check_open()
        assert self._loop is not None  # noqa: S101  # it runs
        self._queue = self._loop.create_task(self._after(self._queue, steps))

    def _ask[T](self, steps: "Steps[T]") -> T:
        """Carry out an operation and return its result."""
        try:
            return self._carry_out(steps)
        except SerialError as exc:
            raise as_expected(exc)  # noqa: B904  # the same error

    def _carry_out[T](self, steps: "Steps[T]") -> T:
        if self._port.transport.has_descriptor:
            return perform(self._port, steps)
        loop = self._loop
        if loop is None or self._is_in_loop or not loop.is_running():
            steps.close()
            raise UnsupportedFeatureError(
                errno.ENOSYS,
                "a network port answers only while its event loop runs, so ask it from another thread:"
                " await asyncio.to_thread(...)",
                self._port.path,
            )
        return asyncio.run_coroutine_threadsafe(self._await(steps), loop).result()

    @property
    def _is_in_loop(self) -> bool:
        return asyncio._get_running_loop() is self._loop  # noqa: SLF001  # None outside, instead of an error

    async def _after(self, before: "asyncio.Task[None] | None", steps: "Steps[None]") -> None:
        if before is not None:
            await asyncio.wait((before,))
        try:
            await self._await(steps)
        except Exception as exc:  # noqa: BLE001  # the caller has gone on
            message = "a setting of a network port could not be carried out"
            asyncio.get_running_loop().call_exception_handler({"message": message, "exception": exc, "serial": self})

    async def _await[T](self, steps: "Steps[T]") -> T:
        from anyserial import _runner  # noqa: PLC0415  # network ports alone need it

        return await _runner.perform(self._port, steps, _Here)  # type: ignore[arg-type]  # it uses the scopes alone


class _Here:
    """Where `perform` enters what the end of the port cancels."""

    def __init__(self) -> None:
        self.scopes: set[CancelScope] = set()
