"""pySerial's URLs for a transport of `anyserial.asyncio`: what each one opens, and who looks on."""

from typing import TYPE_CHECKING, NamedTuple

from anyserial_sync._pyserial import serial_for_url
from anyserial_sync._pyserial.urlhandler import protocol_loop, protocol_spy

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial.backend import SerialBackend
    from anyserial.tap import TapEvent

__all__ = ("Target", "target_of")


class Target(NamedTuple):
    """What a URL means.

    Attributes:
        device: The path or the URL to open.
        backend: What opens it; None for the one of *device*.
        sink: Called with everything that happens on the port, as a `Tap` does; None if nothing is to be shown.
    """

    device: str
    backend: "SerialBackend | None" = None
    sink: "Callable[[TapEvent], object] | None" = None


def target_of(url: str) -> Target:
    """Return what a URL of ``alt``, ``hwgrep``, ``loop`` or ``spy`` means.

    Raises:
        SerialException: There is an unknown option, or no such port.
        ValueError: A value in the URL is not valid.
        OSError: The file that ``spy://`` writes cannot be opened.
    """
    instance = serial_for_url(url, do_not_open=True)
    if isinstance(instance, protocol_loop.Serial):
        from anyserial_sync._pyserial.urlhandler._loop_backend import LoopBackend  # noqa: PLC0415  # this URL's alone

        instance.from_url(url)
        return Target(url, LoopBackend(), instance.log_event if instance.logger is not None else None)
    device = instance.port
    assert device is not None  # noqa: S101  # it was given one
    return Target(device, None, instance.show_event if isinstance(instance, protocol_spy.Serial) else None)
