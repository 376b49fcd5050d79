"""What the two faces have in common: the plain properties of a port, its repr, and its finalizer.

A face has an `OpenPort` and its `Lifecycle`, and adds how it waits. Nothing that waits belongs here.

A Python object takes any attribute that is assigned to it. So ``port.timeout = 1``, which sets something on
pySerial's port, would do nothing here and say nothing. Each attribute that pySerial lets a program assign has a
descriptor, which refuses that. It stores the value if the class of the port is a user's own. What to write
instead is in `_foreign_hints`, which only errors load.
"""

import os
import sys
import warnings
from typing import TYPE_CHECKING, Any, ClassVar, Never, override

from anyserial._port.lifecycle import CLOSED, DISCONNECTED, OPEN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from anyserial._port.lifecycle import Lifecycle
    from anyserial._port.open_port import OpenPort
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.capabilities import PortStatistics, SerialCapabilities
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("ASSIGNED", "Face")

ASSIGNED = (
    *("baudrate", "bytesize", "parity", "stopbits", "xonxoff", "rtscts", "dsrdtr", "exclusive", "rs485_mode"),
    *("timeout", "write_timeout", "inter_byte_timeout", "rts", "dtr", "break_condition", "port"),
)
_OURS = ("anyserial.", "anyserial_sync.")
_PATHS = ("path", "port", "device", "backend")  # how a keyword for the path might be called
_STATES = ("open", "disconnected", "closed", "of the parent process")


def _is_port_info(value: object) -> bool:
    discovery = sys.modules.get("anyserial.discovery")  # without it there is no PortInfo
    return discovery is not None and isinstance(value, discovery.PortInfo)


def _use_open(name: str, path: Any, *, is_awaited: bool) -> str:
    shown = repr(getattr(path, "device", path))
    call = f"{'async ' if is_awaited else ''}with {name}.open({shown}, ...) as port:"
    return f'{name}(...) takes an open backend (got {shown}); to open a port, use {name}.open(...), as in "{call}"'


class _Assigned:
    # No docstring: it would be shown as that of an attribute.

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, port: Any, owner: object = None) -> Any:
        if port is not None and self._name in port.__dict__:
            return port.__dict__[self._name]
        raise AttributeError(self._name)  # a port's own __getattr__ says more

    def __set__(self, port: "Face", value: object) -> None:
        if type(port).__module__.startswith(_OURS):
            raise _no_attribute(port, self._name)
        port.__dict__[self._name] = value

    def __delete__(self, port: "Face") -> None:
        if self._name not in port.__dict__:
            raise _no_attribute(port, self._name)
        del port.__dict__[self._name]


def _no_attribute(port: "Face", name: str) -> AttributeError:
    """Return the error of an attribute that *port* does not have, with what to write if it is pySerial's."""
    text = f"{type(port).__name__!r} object has no attribute {name!r}"
    if name[0] != "_":
        from anyserial._foreign_hints import hint  # noqa: PLC0415  # for errors only

        if instead := hint(name, is_awaited=port._is_awaited):  # noqa: SLF001  # the classes of one package
            text = f"{text}: {instead}"
    return AttributeError(text, name=name, obj=port)


class Face:
    """A port, without any waiting."""

    _port: "OpenPort"
    _lifecycle: "Lifecycle"
    _is_awaited: ClassVar[bool]

    if not TYPE_CHECKING:  # the type checkers know the signature of `__init__`, and refuse these calls

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            """Say how a port is opened, if the constructor is called with a path, as pySerial's is."""
            if args or kwargs:
                first = args[0] if args else next((kwargs[name] for name in _PATHS if name in kwargs), None)
                is_path = isinstance(first, (str, bytes, os.PathLike)) or _is_port_info(first)
                # A subclass may have a constructor of its own, which takes a path.
                code = getattr(cls.__init__, "__code__", None)
                if is_path and code is not None and code.co_varnames[1:2] == ("backend",):
                    raise TypeError(_use_open(cls.__name__, first, is_awaited=cls._is_awaited))
            return super().__new__(cls)

        def __getattr__(self, name: str) -> Any:
            raise _no_attribute(self, name)

        def __dir__(self) -> "Iterable[str]":
            from inspect import getattr_static  # noqa: PLC0415  # slow to import, and rarely needed

            def is_foreign(name: str) -> bool:
                return name not in self.__dict__ and isinstance(getattr_static(self, name, None), _Assigned)

            return [name for name in super().__dir__() if name not in ASSIGNED or not is_foreign(name)]

        locals().update({name: _Assigned(name) for name in ASSIGNED})

    @property
    def _backend(self) -> "SerialBackend | AsyncSerialBackend":
        """The backend, where the tests of published libraries look for a mock's fault plan."""
        return self._port.transport.backend

    def _forget(self) -> None:
        """End the port, which nothing refers to any more."""
        self._lifecycle.forget()

    @property
    def _is_gone(self) -> bool:
        """Whether the device is known to be gone, and the port is not closed yet."""
        return self._lifecycle.state == DISCONNECTED

    def _close_unattended(self) -> None:
        """Close the port on a worker, as for a caller that waits, and return at once.

        A backend that waits by itself needs its event loop for that, so its port is left as it is.
        """
        port, lifecycle = self._port, self._lifecycle
        if lifecycle.state < CLOSED and port.transport.has_descriptor:
            lifecycle.closing.begin(port.config.close_timeout)
            port.pushback.clear()
            lifecycle.close()

    # Bound here, because a finalizer may run after the interpreter has cleared its modules.
    def __del__(self, _warn: Any = warnings.warn, _is_finalizing: Any = sys.is_finalizing) -> None:
        """Close a forgotten port, with a ResourceWarning. Its output is left to the kernel."""
        lifecycle = getattr(self, "_lifecycle", None)
        if lifecycle is None:  # the constructor failed
            return
        was_open = lifecycle.state == OPEN
        try:
            self._forget()
            if was_open:
                _warn(f"unclosed serial port {self._port.path!r}", ResourceWarning, stacklevel=1, source=self)
        except (TypeError, AttributeError):
            if not _is_finalizing():
                raise

    @override
    def __reduce_ex__(self, protocol: object) -> Never:
        """Refuse to be copied or pickled: the copy would be a second owner of the device."""
        raise TypeError(
            f"a serial port cannot be copied or pickled (got {self!r}):"
            " pass the port itself, or open it again from its path and config"
        )

    @override
    def __repr__(self) -> str:
        state = _STATES[self._lifecycle.state]
        return f"<{type(self).__module__}.{type(self).__qualname__} {self._port.path!r}, {state}, {self._port.config}>"

    @property
    def path(self) -> str:
        """The path that was opened; readable in every state."""
        return self._port.path

    @property
    def is_open(self) -> bool:
        """Whether the port can be used: neither closed nor disconnected, as far as is known."""
        return self._lifecycle.state == OPEN

    @property
    def config(self) -> "SerialConfig":
        """The settings in force: the last that were applied successfully; readable in every state."""
        return self._port.config

    @property
    def capabilities(self) -> "SerialCapabilities":
        """What this port can do; readable in every state."""
        return self._port.capabilities

    @property
    def port_info(self) -> "PortInfo | None":
        """What discovery knows about the device; None if it knows nothing."""
        return self._port.port_info

    @property
    def actual_baudrate(self) -> int | None:
        """The rate that the driver reported after the last settings, in bits per second; None if it cannot tell."""
        return self._port.transport.actual_baudrate

    @property
    def statistics(self) -> "PortStatistics":
        """Bytes sent and received so far: a snapshot, readable in every state."""
        return self._port.statistics

    def input_waiting(self) -> int:
        """Return how many received bytes a receive can return without waiting.

        Raises:
            SerialClosedError: The port is closed.
            SerialDisconnectedError: The device is gone, and all its bytes have been received.
            UnsupportedFeatureError: The backend cannot tell.
        """
        return self._port.input_waiting()

    def output_waiting(self) -> int:
        """Return how many bytes have not been sent yet; always 0 on a pty.

        Raises:
            SerialClosedError: The port is closed.
            SerialDisconnectedError: The device is gone.
            UnsupportedFeatureError: The backend cannot tell.
        """
        return self._port.output_waiting()
