"""Opening a port in an event loop.

`_opening` has what is opened and how that is undone; only the waiting belongs here.
"""

from functools import partial
from inspect import markcoroutinefunction
from typing import TYPE_CHECKING, Any, Unpack, cast

import anyio

from anyserial import _readiness, _workers
from anyserial._parts import loading
from anyserial.exceptions import SerialError
from anyserial.stream import SerialPort

if TYPE_CHECKING:
    import os

    from anyserial._connectable import SerialConnectable
    from anyserial._opener import Opener
    from anyserial._opening import Opening
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig, SerialConfigFields
    from anyserial.discovery import PortInfo

__all__ = ("SerialConnectable", "open_port", "open_serial_port", "opened")


def __getattr__(name: str) -> Any:
    if name == "SerialConnectable":
        from anyserial._connectable import SerialConnectable  # noqa: PLC0415  # it imports this module

        return SerialConnectable
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@markcoroutinefunction  # it returns an awaitable, and frameworks ask before they call
def open_serial_port(
    path: "str | os.PathLike[str] | PortInfo",
    config: "SerialConfig | None" = None,
    *,
    backend: "SerialBackend | AsyncSerialBackend | None" = None,
    **config_fields: "Unpack[SerialConfigFields]",
) -> "Opener[SerialPort]":
    """Open a serial port.

    ``async with open_serial_port(path) as port:`` closes the port at the end of the block.
    After ``port = await open_serial_port(path)``, close it yourself, or use ``async with port:``.

    The tty is opened in raw mode, without becoming the controlling terminal, and set as
    *config* says. Earlier input is kept, unless `SerialConfig.discard_input_on_open` is set.

    Args:
        path: The device's path (``"/dev/ttyUSB0"``, a by-id link), or what discovery found.
            A PortInfo opens that device, wherever it is now.
        config: The settings; None for 115200 baud, 8N1, no flow control.
        backend: An unopened backend to use instead of the platform's own.
        **config_fields: Fields of `SerialConfig`; they override those of *config*.

    Returns:
        A coroutine that opens the port and returns it, and that can be entered.

    Raises:
        PortNotFoundError: There is no such device.
        PortPermissionError: You may not open it.
        PortBusyError: Another program holds it exclusively.
        ConfigurationError: A field is not valid. This is raised by the call itself, before anything is opened.
        UnsupportedConfigurationError: The driver does not support a setting.
        UnsupportedFeatureError: The platform lacks a mechanism that *config* asks for.
        UnsupportedPlatformError: anyserial has no driver for this operating system.
        SerialError: It is not a serial port, or the system refused for another reason.
        ImportError: The distribution with the platform's driver is not installed.
        TypeError: An argument has another type, or there is no such field. Raised by the call itself.

    Cancellation: nothing is left open. If the driver is opening the port, the call waits until that is
    done and undone, for at most `SerialConfig.close_timeout` seconds. If the driver takes longer, a thread
    closes the port later.
    """
    from anyserial._opening import settled  # noqa: PLC0415  # opening alone needs it

    return open_port(SerialPort, "open_serial_port", path, settled(config, config_fields), backend)


def open_port[P: SerialPort](
    cls: type[P],
    name: str,
    path: "str | os.PathLike[str] | PortInfo",
    config: "SerialConfig",
    backend: "SerialBackend | AsyncSerialBackend | None" = None,
) -> "Opener[P]":
    """Open a port as an instance of *cls*; *name* is what the user has called. The rest as `open_serial_port`."""
    from anyserial._opener import Opener  # noqa: PLC0415  # opening alone needs these
    from anyserial._opening import Opening  # noqa: PLC0415

    opening = Opening(path, config, backend)
    return Opener(name, opening, opened(cls, opening))  # type: ignore[arg-type]  # mypy knows the base class only


@_readiness.uninterrupted
async def opened[P](cls: type[P], opening: "Opening") -> P:
    """Open a port and return it as an instance of *cls*, which is made as `Opening.make` says."""
    await _readiness.checkpoint()  # and not later, where something would have to be undone
    if opening.is_url:
        from anyserial._runner import run_on_worker  # noqa: PLC0415  # the operations of such a port need it as well

        await run_on_worker(partial(_find_backend, opening))
    if opening.waits_itself:
        return await _open_in_loop(cls, opening)
    with _workers.held():
        reply = _readiness.Reply()
        opening.begin(reply.notify, *_first_time)
        try:
            # The first opening imports what it needs, which takes far longer than it is worth standing still for.
            if _first_time or not reply.comes_at_once():
                await reply.expect().wait()
            if opening.failed:
                raise opening.failure()  # noqa: TRY301  # beside the call that may fail
            return opening.make(cls)
        except BaseException:
            if opening.may_be_open:
                undone = _readiness.signal()
                opening.give_up(undone.notify)
                with anyio.move_on_after(opening.patience, shield=True):
                    await undone.wait()
            raise


def _find_backend(opening: "Opening") -> None:
    """Load what a URL needs, on a worker: an import would hold up the event loop."""
    with loading(opening.device):
        from anyserial._readiness import own  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]
    opening.find_backend()


def _load_runner() -> None:
    """Load what operations need, on the worker: an import would hold up the event loop."""
    from anyserial import _runner  # noqa: F401, PLC0415  # pyright: ignore[reportUnusedImport]

    _first_time.clear()


_first_time = [_load_runner]


async def _open_in_loop[P](cls: type[P], opening: "Opening") -> P:
    backend = cast("AsyncSerialBackend", opening.backend)
    try:
        await backend.open(opening.device, opening.config)
    except SerialError as exc:
        from anyserial._errno import brief  # noqa: PLC0415  # it is loaded by now

        raise brief(exc)  # noqa: B904  # the same error
    try:
        return opening.make(cls)
    except BaseException:
        with anyio.move_on_after(opening.patience, shield=True):
            await backend.aclose()
        raise
