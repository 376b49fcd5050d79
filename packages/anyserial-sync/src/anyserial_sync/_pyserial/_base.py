"""`SerialBase`: what all kinds of ports share, whatever is behind them.

A port is opened with the settings that its attributes hold, and a setting that is changed on an open port is
applied at once. A subclass provides `open`, `close`, `read`, `write`, `in_waiting` and the lines, and
`_reconfigure_port`, which applies what has changed. URL handlers, also those of other packages, and programs
subclass this; the attributes with one underscore are their side of the contract and have pySerial's names.
"""

import os
import time
from typing import TYPE_CHECKING, Any, Self, cast, override

from anyserial_sync._pyserial._constants import (
    EIGHTBITS,
    FIVEBITS,
    PARITY_EVEN,
    PARITY_MARK,
    PARITY_NONE,
    PARITY_ODD,
    PARITY_SPACE,
    SEVENBITS,
    SIXBITS,
    STOPBITS_ONE,
    STOPBITS_ONE_POINT_FIVE,
    STOPBITS_TWO,
)
from anyserial_sync._pyserial._errors import PortNotOpenError
from anyserial_sync._pyserial._reading import ReadingByRead

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyserial_sync._pyserial._rs485_settings import RS485Settings

__all__ = ("SerialBase",)


class SerialBase(ReadingByRead):
    """The settings of a port, and reading in terms of `read`.

    Attributes:
        is_open: Whether the port is open. It stays True when the device is gone, until `close`.
        name: The port's name, as given; None if there is none.
        portstr: The same, under its old name.
    """

    # fmt: off
    BAUDRATES: tuple[int, ...] = (
        50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400,
        460800, 500000, 576000, 921600, 1000000, 1152000, 1500000, 2000000, 2500000, 3000000, 3500000, 4000000,
    )
    # fmt: on
    BYTESIZES: tuple[int, ...] = (FIVEBITS, SIXBITS, SEVENBITS, EIGHTBITS)
    PARITIES: tuple[str, ...] = (PARITY_NONE, PARITY_EVEN, PARITY_ODD, PARITY_MARK, PARITY_SPACE)
    STOPBITS: tuple[float, ...] = (STOPBITS_ONE, STOPBITS_ONE_POINT_FIVE, STOPBITS_TWO)

    _SAVED_SETTINGS: tuple[str, ...] = (
        "baudrate",
        "bytesize",
        "parity",
        "stopbits",
        "xonxoff",
        "dsrdtr",
        "rtscts",
        "timeout",
        "write_timeout",
        "inter_byte_timeout",
    )

    def __init__(  # noqa: PLR0917  # pySerial's order
        self,
        port: str | None = None,
        baudrate: int = 9600,
        bytesize: int = EIGHTBITS,
        parity: str = PARITY_NONE,
        stopbits: float = STOPBITS_ONE,
        timeout: float | None = None,
        xonxoff: bool = False,
        rtscts: bool = False,
        write_timeout: float | None = None,
        dsrdtr: bool | None = False,
        inter_byte_timeout: float | None = None,
        exclusive: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Keep the settings, and open the port if *port* is given.

        Args:
            port: The device's path; None leaves the port closed until `open`.
            baudrate: Bits per second.
            bytesize: Data bits per character, 5 to 8.
            parity: ``N``, ``E``, ``O``, ``M`` or ``S``.
            stopbits: 1, 1.5 or 2.
            timeout: Seconds that a read waits; None waits until everything has come, 0 does not wait.
            xonxoff: Software flow control.
            rtscts: Hardware flow control on RTS and CTS.
            write_timeout: Seconds that a write waits; None waits until everything is taken, 0 does not wait.
            dsrdtr: Leave DTR to the flow control; None is as *rtscts*.
            inter_byte_timeout: Seconds without a byte, after the first, that end a read; None has no such limit.
            exclusive: Refuse the port to others while it is open.
            **kwargs: *writeTimeout* and *interCharTimeout*, the old names.

        Raises:
            ValueError: A setting is not valid, or there is no such argument.
            SerialException: The port cannot be opened.
        """
        super().__init__()
        self.is_open: bool = False
        self.portstr: str | None = None
        self.name: str | None = None
        self._port: str | None = None
        self._baudrate = 9600
        self._bytesize: int = EIGHTBITS
        self._parity: str = PARITY_NONE
        self._stopbits: float = STOPBITS_ONE
        self._timeout: float | None = None
        self._write_timeout: float | None = None
        self._xonxoff = False
        self._rtscts = False
        self._dsrdtr = False
        self._inter_byte_timeout: float | None = None
        self._rs485_mode: RS485Settings | None = None
        self._rts_state = True
        self._dtr_state = True
        self._break_state = False
        self._exclusive: bool | None = None

        self.port = port
        self.baudrate = baudrate
        self.bytesize = bytesize
        self.parity = parity
        self.stopbits = stopbits
        self.timeout = timeout
        self.write_timeout = kwargs.pop("writeTimeout", write_timeout)
        self.xonxoff = xonxoff
        self.rtscts = rtscts
        self.dsrdtr = dsrdtr
        self.inter_byte_timeout = kwargs.pop("interCharTimeout", inter_byte_timeout)
        self.exclusive = exclusive
        if kwargs:
            raise ValueError(f"a serial port has no such argument: {', '.join(sorted(kwargs))} (got {kwargs!r})")
        if port is not None:
            self.open()

    # What a subclass provides

    def _reconfigure_port(self) -> None:
        """Apply settings that were changed while the port is open. A subclass overrides this."""
        raise NotImplementedError(f"{type(self).__name__} cannot change its settings while it is open")

    def _timeouts_changed(self) -> None:
        """Apply a changed timeout; by default as any other setting."""
        self._reconfigure_port()

    def _update_rts_state(self) -> None:
        """Set RTS as `rts` says. A subclass overrides this."""
        raise NotImplementedError(f"{type(self).__name__} has no RTS")

    def _update_dtr_state(self) -> None:
        """Set DTR as `dtr` says. A subclass overrides this."""
        raise NotImplementedError(f"{type(self).__name__} has no DTR")

    def _update_break_state(self) -> None:
        """Begin or end the break condition, as `break_condition` says. A subclass overrides this."""
        raise NotImplementedError(f"{type(self).__name__} has no break condition")

    # Settings

    def _store_setting(self, attribute: str, value: object) -> None:
        """Store a setting and apply it if the port is open; if that fails, the value from before is stored."""
        before = getattr(self, attribute)
        setattr(self, attribute, value)
        if self.is_open:
            try:
                self._reconfigure_port()
            except BaseException:
                setattr(self, attribute, before)
                raise

    @property
    def port(self) -> str | None:
        """The port's name. Setting it on an open port closes that port and opens the new one."""
        return self._port

    @port.setter
    def port(self, value: str | None) -> None:
        name = _checked_port(value)
        was_open = self.is_open
        if was_open:
            self.close()
        self._port = self.portstr = self.name = name
        if was_open:
            self.open()

    @property
    def baudrate(self) -> int:
        """Bits per second."""
        return self._baudrate

    @baudrate.setter
    def baudrate(self, baudrate: int) -> None:
        try:
            rate = int(baudrate)
        except (TypeError, ValueError) as exc:
            raise ValueError(f"baudrate must be a number of bits per second (got {baudrate!r})") from exc
        if rate < 0:
            raise ValueError(f"baudrate must not be negative (got {baudrate!r})")
        self._store_setting("_baudrate", rate)

    @property
    def bytesize(self) -> int:
        """Data bits per character, 5 to 8."""
        return self._bytesize

    @bytesize.setter
    def bytesize(self, bytesize: int) -> None:
        self._check_choice("bytesize", bytesize, self.BYTESIZES)
        self._store_setting("_bytesize", bytesize)

    @property
    def parity(self) -> str:
        """The parity bit: ``N``, ``E``, ``O``, ``M`` or ``S``."""
        return self._parity

    @parity.setter
    def parity(self, parity: str) -> None:
        self._check_choice("parity", parity, self.PARITIES)
        self._store_setting("_parity", parity)

    @property
    def stopbits(self) -> float:
        """Stop bits per character: 1, 1.5 or 2."""
        return self._stopbits

    @stopbits.setter
    def stopbits(self, stopbits: float) -> None:
        self._check_choice("stopbits", stopbits, self.STOPBITS)
        self._store_setting("_stopbits", stopbits)

    @staticmethod
    def _check_choice(name: str, value: object, choices: "tuple[object, ...]") -> None:
        if value not in choices:
            accepted = ", ".join(map(repr, choices))
            raise ValueError(f"{name} must be one of {accepted} (got {value!r})")

    @staticmethod
    def _check_timeout(name: str, seconds: float | None) -> None:
        if seconds is None:
            return
        try:
            valid = seconds >= 0
        except TypeError:
            valid = False
        if not valid:
            raise ValueError(f"{name} must be None or seconds, 0 or more (got {seconds!r})")

    @property
    def timeout(self) -> float | None:
        """Seconds that a read waits; None waits until everything has come, 0 does not wait."""
        return self._timeout

    @timeout.setter
    def timeout(self, timeout: float | None) -> None:
        self._check_timeout("timeout", timeout)
        self._timeout = timeout
        if self.is_open:
            self._timeouts_changed()

    @property
    def write_timeout(self) -> float | None:
        """Seconds that a write waits; None waits until everything is taken, 0 does not wait."""
        return self._write_timeout

    @write_timeout.setter
    def write_timeout(self, value: float | None) -> None:
        self._check_timeout("write_timeout", value)
        self._write_timeout = value
        if self.is_open:
            self._timeouts_changed()

    @property
    def inter_byte_timeout(self) -> float | None:
        """Seconds without a byte, after the first, that end a read; None has no such limit."""
        return self._inter_byte_timeout

    @inter_byte_timeout.setter
    def inter_byte_timeout(self, value: float | None) -> None:
        self._check_timeout("inter_byte_timeout", value)
        self._inter_byte_timeout = value
        if self.is_open:
            self._timeouts_changed()

    @property
    def xonxoff(self) -> bool:
        """Software flow control (XON, XOFF)."""
        return self._xonxoff

    @xonxoff.setter
    def xonxoff(self, xonxoff: bool) -> None:
        self._store_setting("_xonxoff", xonxoff)

    @property
    def rtscts(self) -> bool:
        """Hardware flow control on RTS and CTS."""
        return self._rtscts

    @rtscts.setter
    def rtscts(self, rtscts: bool) -> None:
        self._store_setting("_rtscts", rtscts)

    @property
    def dsrdtr(self) -> bool:
        """Whether DTR is left to flow control, so that `open` does not set it. Setting None takes `rtscts`."""
        return self._dsrdtr

    @dsrdtr.setter
    def dsrdtr(self, dsrdtr: bool | None = None) -> None:
        self._store_setting("_dsrdtr", self._rtscts if dsrdtr is None else dsrdtr)

    @property
    def exclusive(self) -> bool | None:
        """Whether the port is refused to others while it is open. None leaves an open port as it is."""
        return self._exclusive

    @exclusive.setter
    def exclusive(self, exclusive: bool | None) -> None:
        self._store_setting("_exclusive", exclusive)

    @property
    def rs485_mode(self) -> "RS485Settings | None":
        """The driver's RS-485 mode, as `RS485Settings`; None for none."""
        return self._rs485_mode

    @rs485_mode.setter
    def rs485_mode(self, rs485_settings: "RS485Settings | None") -> None:
        self._store_setting("_rs485_mode", rs485_settings)

    def get_settings(self) -> dict[str, Any]:
        """Return the settings as a dict for `apply_settings`. The port's name is not part of it."""
        return {name: getattr(self, f"_{name}") for name in self._SAVED_SETTINGS}

    @override
    def apply_settings(self, d: "Mapping[str, Any]") -> None:
        """Set what *d* has of the keys of `get_settings`; others are passed over."""
        for name in self._SAVED_SETTINGS:
            if name in d and d[name] != getattr(self, f"_{name}"):
                setattr(self, name, d[name])

    # Lines

    @property
    def rts(self) -> bool:
        """The level of RTS that was set last; it is set when the port is opened."""
        return self._rts_state

    @rts.setter
    def rts(self, value: bool) -> None:
        self._rts_state = value
        if self.is_open:
            self._update_rts_state()

    @property
    def dtr(self) -> bool:
        """The level of DTR that was set last; it is set when the port is opened."""
        return self._dtr_state

    @dtr.setter
    def dtr(self, value: bool) -> None:
        self._dtr_state = value
        if self.is_open:
            self._update_dtr_state()

    @property
    def break_condition(self) -> bool:
        """Whether the line is held in the break condition. While it is, nothing can be sent."""
        return self._break_state

    @break_condition.setter
    def break_condition(self, value: bool) -> None:
        self._break_state = value
        if self.is_open:
            self._update_break_state()

    @override
    def send_break(self, duration: float = 0.25) -> None:
        """Hold the line in the break condition for *duration* seconds."""
        if not self.is_open:
            raise PortNotOpenError
        self.break_condition = True
        try:
            time.sleep(duration)
        finally:
            self.break_condition = False

    # A file

    @override
    def __enter__(self) -> Self:
        """Open the port if it has a name and is not open."""
        if self._port is not None and not self.is_open:
            self.open()
        return self

    @override
    def __exit__(self, *args: object, **kwargs: object) -> None:
        """Close the port. Programs call this without arguments, too."""
        self.close()

    @override
    def __repr__(self) -> str:
        settings = ", ".join(
            f"{name}={getattr(self, '_' + name)!r}"
            for name in ("port", "baudrate", "bytesize", "parity", "stopbits", "timeout", "xonxoff", "rtscts", "dsrdtr")
        )
        return f"{type(self).__name__}<id=0x{id(self):x}, open={self.is_open}>({settings})"


def _checked_port(port: object) -> str | None:
    # A path object is one of anyserial's liberties: pySerial takes a str only.
    if port is None or isinstance(port, str):
        return port
    if isinstance(port, os.PathLike):
        return os.fsdecode(cast("os.PathLike[str]", port))
    raise ValueError(f'"port" must be None or a string, such as "/dev/ttyUSB0" (got {port!r})')
