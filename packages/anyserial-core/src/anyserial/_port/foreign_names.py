"""pySerial's attributes that a port does not have.

A Python object takes any attribute that is assigned to it. So ``port.timeout = 1``, which sets something on
pySerial's port, would do nothing here and say nothing. Each attribute that pySerial lets a program assign has a
descriptor, which refuses that. It stores the value if the class of the port is a user's own.

What to write instead is in `_foreign_hints`, which only errors load.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anyserial._port.face import Face

__all__ = ("ASSIGNED", "Assigned", "no_attribute")

ASSIGNED = (
    *("baudrate", "bytesize", "parity", "stopbits", "xonxoff", "rtscts", "dsrdtr", "exclusive", "rs485_mode"),
    *("timeout", "write_timeout", "inter_byte_timeout", "rts", "dtr", "break_condition", "port"),
)
_OURS = ("anyserial.", "anyserial_sync.")


class Assigned:
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
            raise no_attribute(port, self._name)
        port.__dict__[self._name] = value

    def __delete__(self, port: "Face") -> None:
        if self._name not in port.__dict__:
            raise no_attribute(port, self._name)
        del port.__dict__[self._name]


def no_attribute(port: "Face", name: str) -> AttributeError:
    """Return the error of an attribute that *port* does not have, with what to write if it is pySerial's."""
    text = f"{type(port).__name__!r} object has no attribute {name!r}"
    if name[0] != "_":
        from anyserial._foreign_hints import hint  # noqa: PLC0415  # for errors only

        if instead := hint(name, is_awaited=port._is_awaited):  # noqa: SLF001  # the classes of one package
            text = f"{text}: {instead}"
    return AttributeError(text, name=name, obj=port)
