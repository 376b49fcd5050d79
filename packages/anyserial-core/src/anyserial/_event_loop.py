"""How the async face waits: the base class of `SerialPort` and its public operations.

`EventLoopPort` has an `OpenPort` and adds three things. `_attach` makes the waiter for the event loop
that a call runs in. `_perform` hands an operation to the runner. The rest finds out why a wait ended.

What the operations do is in `_port.operations`, how they are carried out in `_runner`, how a port ends in
`_port.lifecycle`, and how a task waits in one kind of event loop in `_readiness`.
"""

import weakref
from typing import TYPE_CHECKING, Never, cast, override

import anyio

from anyserial import _readiness
from anyserial._port.face import Face
from anyserial._port.lifecycle import OPEN
from anyserial._port.open_port import OpenPort
from anyserial._port.transport import DescriptorTransport
from anyserial._readiness import NOWHERE
from anyserial.exceptions import LineError, SerialDisconnectedError

if TYPE_CHECKING:
    from anyserial._port.engine import Steps
    from anyserial._port.lifecycle import Lifecycle
    from anyserial._port.self_waiting import SelfWaitingTransport
    from anyserial._readiness._contract import Waiter
    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("CALLS_IN_A_ROW", "CANCELLED", "EventLoopPort")

CANCELLED = float("-inf")
"""The deadline of a cancelled task."""

CALLS_IN_A_ROW = 32
"""Receives and sends that succeed at once before other tasks get their turn."""


class _Link:
    """Connects a waiter and its port, so that neither keeps the other alive.

    The lifecycle outlives a forgotten port until that is closed, and has this object in its `calls`. A
    waiter refers to the task that waits there, and therefore to the port. So both references are weak.
    """

    __slots__ = ("_lifecycle", "_port", "_waiter")

    is_event_loop = True

    def __init__(self, port: "EventLoopPort", lifecycle: "Lifecycle") -> None:
        self._port = weakref.ref(port)
        self._lifecycle = lifecycle
        self._waiter: weakref.ref[Waiter] | None = None

    def enter(self, waiter: "Waiter") -> None:
        """Hold the backend open until *waiter* has released the descriptor."""
        self._waiter = weakref.ref(waiter)
        self._lifecycle.enter(self, self)

    def on_idle(self) -> None:
        """See `Watch`."""
        if (port := self._port()) is not None:
            port._notice()  # noqa: SLF001  # the class below

    def on_release(self) -> None:
        """See `Watch`."""
        self._lifecycle.leave(self)

    def wake(self) -> None:
        """See `Waker`."""
        if self._waiter is not None and (waiter := self._waiter()) is not None:
            waiter.wake()

    def disown(self) -> None:
        """See `Waker`."""
        if self._waiter is not None and (waiter := self._waiter()) is not None:
            waiter.disown()

    def move(self, fd: int) -> None:
        """See `Waker`."""
        if self._waiter is not None and (waiter := self._waiter()) is not None:
            waiter.move(fd)


class EventLoopPort(Face):
    """One open port in an event loop, without its public methods."""

    _is_awaited = True

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: "SerialConfig",
        port_info: "PortInfo | None",
    ) -> None:
        self._port = port = OpenPort(backend, config, port_info)
        self._lifecycle = port.lifecycle
        self._pushback = port.pushback
        self._waiter: Waiter = NOWHERE
        self._is_receiving = False
        self._is_sending = False
        self._in_a_row = 0
        self._read_early: tuple[bytes, float] | None = None

    @override
    def _forget(self) -> None:
        # The lifecycle's weak reference to the waiter may be cleared already.
        if self._waiter is not NOWHERE:
            self._waiter.wake()
        super()._forget()

    def _attach(self, *, receiving: bool = False) -> "Waiter":
        """Return a new waiter, for the running event loop.

        Raises:
            SerialClosedError: The port is closed.
            SerialDisconnectedError: The device is gone, and nothing is left of its bytes.
            anyio.BusyResourceError: The port is in use in another event loop.
        """
        port, lifecycle, old = self._port, self._lifecycle, self._waiter
        if lifecycle.state:
            # Only a receive still succeeds, and only with bytes that were pushed back.
            if not (receiving and port.is_readable):
                raise lifecycle.refusal()
            return self._self_waiter(_Link(self, lifecycle))
        if old.is_dead:
            self._is_receiving = self._is_sending = False  # of tasks that will never run again
        elif self._is_receiving or self._is_sending or old.scopes:
            raise _busy("using", port.path, " (from another event loop)")
        if old is not NOWHERE:
            old.wake()
        link = _Link(self, lifecycle)
        if isinstance(port.transport, DescriptorTransport):
            waiter = _readiness.waiter(port.transport.watched(), link)
        else:
            waiter = self._self_waiter(link)
        link.enter(waiter)
        self._waiter = waiter
        return waiter

    def _share(self) -> int:
        """Return the descriptor, which the caller may register from now on."""
        number = self._port.share()
        assert number is not None  # noqa: S101  # a port without a descriptor does not have the attribute
        return number

    def _self_waiter(self, link: _Link) -> "Waiter":
        from anyserial._readiness.own import OwnWaiter  # noqa: PLC0415  # few ports need it, and it takes 5 ms

        transport = cast("SelfWaitingTransport", self._port.transport)
        return cast("Waiter", OwnWaiter(transport, link))

    @property
    def _own_backend(self) -> "AsyncSerialBackend":
        """The backend of a port without a descriptor."""
        return cast("AsyncSerialBackend", self._port.transport.backend)

    async def _close_own(self, patience: float) -> None:
        """Have a backend that waits by itself close the device."""
        with anyio.move_on_after(patience):
            await self._own_backend.aclose()

    def _notice(self) -> None:
        """Check whether the device is gone: the descriptor became ready while no task waited."""
        port = self._port
        if self._lifecycle.state == OPEN and port.transport.hung_up() and not port.has_input():
            port.unplug(None)

    async def _give_way(self, waiter: "Waiter") -> None:
        """Let other tasks run; raise if this task is cancelled, or if the port has ended meanwhile."""
        self._in_a_row = 0
        await waiter.checkpoint()
        if self._lifecycle.state and not self._port.is_readable:
            raise self._lifecycle.refusal()

    def _refuse(self, doing: str) -> Never:
        """Raise the error of a call when another call already has its direction."""
        raise _busy(doing, self._port.path)

    def _wait_ended(self, exc: BaseException, waiter: "Waiter", view: memoryview | None = None) -> None:
        """Find out why the wait of a receive ended; if it was cancelled, keep what was read for it.

        Raises:
            SerialClosedError: The port was closed meanwhile.
            SerialDisconnectedError: The device was unplugged meanwhile.
        """
        if isinstance(exc, Exception):
            self._wait_failed(exc, waiter)
            return
        got = waiter.reclaim()
        if got is None:  # first, as nearly every cancellation ends here
            return
        if isinstance(got, (bytes, LineError)):
            self._pushback.give_back(got)
        elif isinstance(got, tuple):  # of `receive_with_time`
            self._read_early = got
            self._pushback.give_back(cast("tuple[bytes, float]", got)[0])
        elif isinstance(got, int) and view is not None:
            self._pushback.give_back(bytes(view[:got]))
        elif isinstance(got, SerialDisconnectedError):
            self._port.unplug(got)

    def _write_wait_ended(self, exc: BaseException, waiter: "Waiter") -> None:
        """Find out why the wait of a send ended; if it was cancelled, count what was written for it."""
        if isinstance(exc, Exception):
            self._wait_failed(exc, waiter)
            return
        got = waiter.reclaim_write()
        if isinstance(got, int):
            self._port.bytes_sent += got
        elif isinstance(got, SerialDisconnectedError):
            self._port.unplug(got)

    def _wait_failed(self, exc: Exception, waiter: "Waiter") -> None:
        """Raise what a port that has ended answers to a wait, and what a port in use elsewhere does."""
        if isinstance(exc, anyio.ClosedResourceError):
            raise self._lifecycle.refusal() from None
        if isinstance(exc, TypeError):
            self._check_loop(waiter)

    def _check_loop(self, waiter: "Waiter") -> None:
        """Refuse a wait in the other event loop of this thread: the host's, or that of a trio guest run in it.

        That loop answers TypeError to what it is given to wait for.
        """
        waiter.reclaim()
        waiter.reclaim_write()
        if _readiness.native_token() is not waiter.home:
            raise _busy("using", self._port.path, " (from another event loop)") from None

    # Operations

    async def _perform_as_sender[T](self, steps: "Steps[T]") -> T:
        self._port.check_open()
        waiter = self._here()
        if self._is_sending:
            self._refuse("sending to")
        self._is_sending = True
        try:
            return await self._perform(steps)
        finally:
            if self._waiter is waiter:
                self._is_sending = False

    def _here(self) -> "Waiter":
        """Return the waiter of the running event loop."""
        waiter = self._waiter
        try:
            if waiter.running() is waiter.home:
                return waiter
        except RuntimeError:
            pass
        return self._attach()

    async def _perform[T](self, steps: "Steps[T]") -> T:
        # First: in a forked child there is no event loop to be asked.
        self._port.check_open()
        from anyserial._runner import perform  # noqa: PLC0415  # the worker that opened the port has loaded it

        return await perform(self._port, steps, self._here)


def _busy(doing: str, path: str, where: str = "") -> anyio.BusyResourceError:
    from anyserial._errno import busy_error  # noqa: PLC0415  # for errors only

    return busy_error(doing, path, where)
