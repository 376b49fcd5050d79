"""What a port on a `Link` does apart from reading and writing: settings, lines, queues."""

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, override

from anyserial.capabilities import Capability
from anyserial.config import FlowControl, RS485Config, SerialConfig, UnsupportedPolicy
from anyserial.exceptions import SerialError, UnsupportedConfigurationError, UnsupportedFeatureError

from anyserial_sync._pyserial._base import SerialBase
from anyserial_sync._pyserial._errors import (
    PortNotOpenError,
    SerialTimeoutException,
    as_serial_exception,
    as_value_error,
)

if TYPE_CHECKING:
    from collections.abc import Generator

    from anyserial_sync._pyserial._link import Link

__all__ = ("Controls", "failing")

# Programs open a port many times with the same settings, and checking them takes as long as the system's calls.
_config = lru_cache(maxsize=32)(SerialConfig)
_flow_control = lru_cache(maxsize=4)(FlowControl)


@contextmanager
def failing(doing: str) -> "Generator[None]":
    """Turn what anyserial raises into pySerial's exceptions."""
    try:
        yield
    except SerialError as exc:
        raise as_serial_exception(exc, f"{doing} failed") from exc


class Controls(SerialBase):
    """The part of `LinkedSerial` that neither reads nor writes."""

    _open_link: "Link | None" = None
    _descriptor_is_shared = False
    _low_latency_mode = False
    _seconds_to_read: float | None = None
    _seconds_to_write: float | None = None

    def _opened_link(self) -> "Link":
        link = self._open_link
        if link is None:
            raise PortNotOpenError
        return link

    # Settings

    def _wanted_config(self) -> SerialConfig:
        """Return the settings that the attributes hold."""
        return _config(
            baudrate=self._baudrate,
            byte_size=int(self._bytesize),
            parity=self._parity,
            stop_bits=self._stopbits,
            flow_control=_flow_control(xon_xoff=bool(self._xonxoff), rts_cts=bool(self._rtscts)),
            exclusive=self._wanted_exclusive(),
            hangup_on_close=None,  # pySerial leaves it as it is set, with stty(1) for example
            low_latency=self._low_latency_mode,
            rs485=self._wanted_rs485(),
            # pySerial does not ask what a driver has made of a setting.
            unsupported_policy=UnsupportedPolicy.IGNORE,
            dtr_on_open=None if self._dsrdtr else bool(self._dtr_state),
            rts_on_open=None if self._rtscts else bool(self._rts_state),
        )

    def _wanted_exclusive(self) -> bool:
        link = self._open_link
        if self._exclusive is None and link is not None:
            return link.config.exclusive  # None lets a lock be
        return bool(self._exclusive)

    def _wanted_rs485(self) -> RS485Config | None:
        settings = self._rs485_mode
        if settings is not None:
            return RS485Config(
                rts_on_send=bool(settings.rts_level_for_tx),
                rts_after_send=bool(settings.rts_level_for_rx),
                rx_during_tx=bool(settings.loopback),
                delay_before_send=settings.delay_before_tx or 0.0,
                delay_after_send=settings.delay_before_rx or 0.0,
            )
        link = self._open_link
        return None if link is None or link.config.rs485 is None else RS485Config(enabled=False)

    def __getstate__(self) -> object:
        """Return the settings of a closed port for a copy.

        Raises:
            TypeError: The port is open. Two objects with one port would close it for each other.
        """
        if self._open_link is not None:
            raise TypeError(f"an open port cannot be copied or pickled: close it before (got {self!r})")
        return super().__getstate__()

    @override
    def _reconfigure_port(self, force_update: bool = False) -> None:
        # Everything is applied, whether it has changed or not, so *force_update* changes nothing.
        link = self._opened_link()
        try:
            link.configure(self._wanted_config())
        except (UnsupportedConfigurationError, UnsupportedFeatureError) as exc:
            raise as_value_error(exc, "could not configure port") from exc
        except SerialError as exc:
            if isinstance(exc, ValueError):
                raise as_value_error(exc, "could not configure port") from exc
            raise as_serial_exception(exc, "could not configure port", exclusive=bool(self._exclusive)) from exc
        self._check_rs485(link)

    def _check_rs485(self, link: "Link") -> None:
        if self._rs485_mode is not None and link.capabilities.rs485 is not Capability.SUPPORTED:
            raise ValueError(f"the driver of {link.path} has no RS-485 mode; the class serial.rs485.RS485 needs none")

    @override
    def _timeouts_changed(self) -> None:
        # The port's hot path takes a float. Otherwise every call reads the timeouts when it begins.
        self._seconds_to_read = None if self._timeout is None else float(self._timeout)
        self._seconds_to_write = None if self._write_timeout is None else float(self._write_timeout)

    # Lines

    @override
    def _update_rts_state(self) -> None:
        with failing("setting RTS"):
            self._opened_link().set_control_lines(rts=bool(self._rts_state))

    @override
    def _update_dtr_state(self) -> None:
        with failing("setting DTR"):
            self._opened_link().set_control_lines(dtr=bool(self._dtr_state))

    @override
    def _update_break_state(self) -> None:
        with failing("setting the break condition"):
            self._opened_link().set_break(bool(self._break_state))

    @property
    def cts(self) -> bool:
        """The level of CTS."""
        with failing("reading CTS"):
            return self._opened_link().modem_lines().cts

    @property
    def dsr(self) -> bool:
        """The level of DSR."""
        with failing("reading DSR"):
            return self._opened_link().modem_lines().dsr

    @property
    def ri(self) -> bool:
        """The level of RI."""
        with failing("reading RI"):
            return self._opened_link().modem_lines().ri

    @property
    def cd(self) -> bool:
        """The level of CD."""
        with failing("reading CD"):
            return self._opened_link().modem_lines().cd

    # Queues

    @property
    def in_waiting(self) -> int:
        """How many received bytes wait to be read."""
        link = self._opened_link()
        try:
            return link.input_waiting()
        except SerialError as exc:
            raise as_serial_exception(exc, "in_waiting failed") from exc

    @property
    def out_waiting(self) -> int:
        """How many bytes have not been sent yet."""
        link = self._opened_link()
        try:
            return link.output_waiting()
        except SerialError as exc:
            raise as_serial_exception(exc, "out_waiting failed") from exc

    def reset_input_buffer(self) -> None:
        """Discard what has arrived and was not read."""
        with failing("reset_input_buffer"):
            self._opened_link().reset_input_buffer()

    def reset_output_buffer(self) -> None:
        """Discard what was written and has not left yet, as far as the driver can."""
        with failing("reset_output_buffer"):
            self._opened_link().reset_output_buffer()

    @override
    def flush(self) -> None:
        """Wait until everything has been sent, to the last bit.

        Raises:
            SerialTimeoutException: It was not sent within `write_timeout`, if that is above 0.
            PortNotOpenError: The port is not open, or was closed meanwhile.
            SerialException: The device is gone.
        """
        link = self._opened_link()
        try:
            link.flush_in_turn(self._write_timeout or None)
        except TimeoutError:
            raise SerialTimeoutException("Write timeout") from None
        except SerialError as exc:
            raise as_serial_exception(exc, "flush failed") from exc
