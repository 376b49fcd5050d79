"""`Serial`: a serial port with pySerial's methods, on anyserial's blocking port."""

import errno
from operator import index
from time import monotonic
from typing import TYPE_CHECKING, Any, SupportsIndex, override

import anyio
from anyserial.exceptions import SerialCancelledError, SerialError

from anyserial_sync._pyserial._constants import LF
from anyserial_sync._pyserial._controls import Controls, failing
from anyserial_sync._pyserial._device_controls import DeviceControls
from anyserial_sync._pyserial._errors import (
    PortNotOpenError,
    SerialException,
    SerialTimeoutException,
    as_serial_exception,
    as_value_error,
)
from anyserial_sync._pyserial._helpers import to_bytes
from anyserial_sync._pyserial._link import Link
from anyserial_sync._pyserial._platform import PlatformSpecific
from anyserial_sync._pyserial._reading import delimiter_of

if TYPE_CHECKING:
    from collections.abc import Buffer, Iterable

__all__ = ("LinkedSerial", "Serial")

# pySerial calls these when it opens a port, the last two unless flow control has the line. Some programs replace them.
_HOOKS = {"_reconfigure_port": None, "_update_dtr_state": "_dsrdtr", "_update_rts_state": "_rtscts"}
_LEVELS = {"_update_dtr_state": "dtr_on_open", "_update_rts_state": "rts_on_open"}


def _is_own(method: object) -> bool:
    """Return whether a method is anyserial's."""
    return str(getattr(method, "__module__", "")).startswith("anyserial_sync.")


class LinkedSerial(Controls):
    """A port that is opened by anyserial's blocking port, whatever is behind that.

    Any thread may use it. `close`, `cancel_read` and `cancel_write` end a call that waits in another thread.
    """

    # Opening and closing

    @override
    def open(self) -> None:
        """Open the port with the settings that the attributes hold. Input from before is discarded.

        Raises:
            SerialException: There is no port to open, or it is open, or it cannot be opened.
            ValueError: The driver refuses a setting.
        """
        if self._port is None:
            raise SerialException("Port must be configured before it can be used.")
        if self.is_open:
            raise SerialException("Port is already open.")
        self._low_latency_mode = self._descriptor_is_shared = False
        self._timeouts_changed()
        doing = f"could not open port {self._port}"
        hooks = {name: flow for name, flow in _HOOKS.items() if not _is_own(getattr(self, name))}
        try:
            config = self._wanted_config()
            if hooks:
                left: dict[str, Any] = {_LEVELS[name]: None for name in hooks if name in _LEVELS}
                config = config.with_changes(**left)
            link = Link.open(self._port, config)
        except SerialError as exc:
            if isinstance(exc, ValueError):
                raise as_value_error(exc, doing) from exc
            raise as_serial_exception(exc, doing, exclusive=bool(self._exclusive)) from exc
        self._open_link = link
        self.is_open: bool = True
        try:
            self._call_hooks(hooks)
            # `SerialConfig.discard_input_on_open` waits 10 ms for what a device sends when it is opened.
            # pySerial's programs expect to read that.
            with failing("discarding input"):
                link.discard_input()
            self._check_rs485(link)
        except BaseException:
            self.close()
            raise

    def _call_hooks(self, hooks: "dict[str, str | None]") -> None:
        """Call what a program has put in the place of the methods that pySerial calls when it opens a port."""
        for name, left_to_flow_control in hooks.items():
            if left_to_flow_control is None:
                self._reconfigure_port(force_update=True)
            elif not getattr(self, left_to_flow_control):
                try:
                    getattr(self, name)()
                except OSError as exc:
                    if exc.errno not in {errno.EINVAL, errno.ENOTTY}:  # such a port has no lines
                        raise

    @override
    def close(self) -> None:
        """Close the port; do nothing if it is not open.

        Queued output may leave for as long as it moves; after a second without progress it is discarded. A call
        that waits in another thread raises `PortNotOpenError`.
        """
        link, self._open_link = self._open_link, None
        self.is_open = False
        if link is not None:
            try:
                link.close()
            except SerialError as exc:
                raise as_serial_exception(exc, "close failed") from exc

    def __del__(self) -> None:
        """Close a forgotten port; what it has not sent is left to the kernel."""
        link = self._open_link
        if link is not None:
            self._open_link = None
            link.abandon()

    # Reading

    @override
    def read(self, size: int = 1) -> bytes:
        """Read up to *size* bytes.

        Args:
            size: How many bytes to wait for.

        Returns:
            *size* bytes, or what has come when `timeout` is over, maybe ``b""``.

        Raises:
            PortNotOpenError: The port is not open, or was closed meanwhile.
            SerialException: The device is gone, or the system refused.
        """
        link = self._open_link
        if link is None:
            raise PortNotOpenError
        if size < 1:
            return b""
        timeout = self._seconds_to_read
        if timeout:
            began = monotonic()
            is_all = False
        else:
            began = 0.0
            # Without waiting, one read of the driver returns all that it has.
            is_all = timeout is not None and not link.holds_bytes
        data = b""
        put_back: list[None] = []
        try:
            try:
                data = link.receive(size, timeout=timeout)
                if len(data) == size or is_all:
                    return data
                link.put_back(data, put_back)
            except anyio.BusyResourceError:
                pass
            except BaseException:
                link.put_back(data, put_back)
                raise
            left = None if timeout is None else max(began + timeout - monotonic(), 0.0)
            return link.read_slowly(size, left, self._inter_byte_timeout)
        except (TimeoutError, SerialCancelledError):
            return b""
        except SerialError as exc:
            raise as_serial_exception(exc, "read failed") from exc
        except TypeError:
            return self._read_count(size)

    def _read_count(self, size: SupportsIndex) -> bytes:
        """Read as many bytes as *size* counts, which the port has refused; numpy's numbers are not int."""
        if type(size) is int:
            raise  # noqa: PLE0704  # what the caller handles
        return self.read(int(index(size)))

    @override
    def readline(self, size: int | None = -1, /) -> bytes:
        """Read a line: up to and with the next line feed, or what has come when `timeout` passes without a byte.

        Args:
            size: The most to read; None and negative numbers have no limit.

        Raises:
            SerialException: As `read`.
        """
        if type(self).read is not LinkedSerial.read:
            return super().readline(-1 if size is None else size)  # the subclass wants to see every byte
        return self._read_up_to(LF, None if size is None or size < 0 else size, total=False)

    @override
    def read_until(self, expected: bytes = LF, size: int | None = None) -> bytes:
        """See `SerialBase.read_until`."""
        if type(self).read is not LinkedSerial.read:
            return super().read_until(expected, size)
        return self._read_up_to(delimiter_of(expected), size, total=True)

    def _read_up_to(self, delimiter: bytes, size: int | None, *, total: bool) -> bytes:
        link = self._opened_link()
        if size is not None and size < 1:
            return b""
        try:
            return link.read_to(
                delimiter, size, self._seconds_to_read, total=total, ahead=not self._descriptor_is_shared
            )
        except SerialError as exc:
            raise as_serial_exception(exc, "read failed") from exc

    def cancel_read(self) -> None:
        """End the read that waits in another thread, or else the next one: it returns what has come."""
        link = self._open_link
        if link is not None:
            link.cancel_this_or_next_receive()

    # Writing

    def _write_to_link(self, data: "Buffer | Iterable[int]") -> int:
        """Write all of *data*: return when the kernel has taken it.

        Args:
            data: Bytes, any buffer, or integers from 0 to 255.

        Returns:
            How many bytes were taken: all of them, unless `write_timeout` is 0 or `cancel_write` was called.

        Raises:
            SerialTimeoutException: Not everything was taken within `write_timeout`.
            PortNotOpenError: The port is not open, or was closed meanwhile.
            SerialException: The device is gone, or the system refused.
            TypeError: *data* is text.
        """
        link = self._open_link
        if link is None:
            raise PortNotOpenError
        if type(data) is not bytes:
            data = to_bytes(data)
        timeout = self._seconds_to_write
        before = link.open_port.bytes_sent
        try:
            try:
                link.send(data, timeout=timeout)
                return len(data)
            except anyio.BusyResourceError:
                return link.write_in_turn(data, timeout)
            except SerialCancelledError:
                return link.write_after_cancellation(data, before)
        except TimeoutError:
            if timeout == 0:
                return link.open_port.bytes_sent - before
            raise SerialTimeoutException("Write timeout") from None
        except SerialError as exc:
            raise as_serial_exception(exc, "write failed") from exc

    if TYPE_CHECKING:  # the subclasses of programs are written against this

        @override
        def write(self, b: Buffer, /) -> int | None: ...

    else:
        write = _write_to_link

    def cancel_write(self) -> None:
        """End the write that waits in another thread, or else the next one: it returns how much was taken."""
        link = self._open_link
        if link is not None:
            link.cancel_this_or_next_send()


class Serial(LinkedSerial, DeviceControls, PlatformSpecific):
    """A serial port. It is opened by the constructor if that is given a port, and by `open` otherwise.

    Any thread may use it. `close`, `cancel_read` and `cancel_write` end a call that waits in another thread.
    """
