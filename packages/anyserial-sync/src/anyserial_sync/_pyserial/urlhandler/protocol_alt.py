"""``alt://``: a device's port of another class, ``alt:///dev/ttyUSB0?class=PosixPollSerial``."""

from typing import TYPE_CHECKING

from anyserial_sync._pyserial import serialposix
from anyserial_sync._pyserial.serialutil import SerialException
from anyserial_sync._pyserial.urlhandler._urls import split_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from anyserial_sync._pyserial.serialposix import Serial

__all__ = ("serial_class_for_url",)

CLASSES: "Mapping[str, type[Serial]]" = {
    "PosixPollSerial": serialposix.PosixPollSerial,
    "Serial": serialposix.Serial,
    "VTIMESerial": serialposix.VTIMESerial,
}


def serial_class_for_url(url: str) -> "tuple[str, type[Serial]]":
    """Return the device of a URL, and the class that is to open it.

    Raises:
        SerialException: There is an option that alt:// does not have.
        ValueError: There is no such class.
    """
    try:
        place, options = split_url(url, "alt", ("class",))
    except ValueError as exc:
        raise SerialException(f"alt:// takes alt://PORT[?class=NAME]: {exc}") from exc
    name = options.get("class", "Serial")
    if name not in CLASSES:
        raise ValueError(f"class must be one of {', '.join(CLASSES)} (got {name!r})")
    return place, CLASSES[name]
