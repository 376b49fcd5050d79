"""Waiting with tasks, where no descriptor can be watched.

This serves a backend that waits by itself (the network), and an event loop that cannot watch descriptors. One
task receives, and a second one sends while there is output. They wait on a `Waiter` of `_readiness`, as the async
port does.
"""

import asyncio
import weakref
from typing import TYPE_CHECKING, cast

import anyio

from anyserial._asyncio.channel import Link
from anyserial.exceptions import SerialError

if TYPE_CHECKING:
    from anyserial._asyncio.channel import Owner
    from anyserial._port.open_port import OpenPort
    from anyserial._port.self_waiting import SelfWaitingTransport
    from anyserial._readiness._contract import Waiter

__all__ = ("TaskChannel",)

_MOST = 65536  # bytes that are handed to a backend at once


class TaskChannel:
    """See `Channel`. The tasks hold the transport while they wait, so it lives as long as the port is open."""

    def __init__(self, loop: asyncio.AbstractEventLoop, port: "OpenPort", owner: "Owner") -> None:
        self._loop = loop
        self._port = port
        self._owner = weakref.ref(owner)
        self._is_released = False
        self._may_read = asyncio.Event()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._waiter: Waiter | None = None
        self._link = Link(port, self)

    def start_reading(self) -> None:
        """See `Channel`."""
        self._may_read.set()
        self._start("receive")

    def stop_reading(self) -> None:
        """See `Channel`. What a receive under way returns is kept until `start_reading`."""
        self._may_read.clear()

    def start_writing(self) -> None:
        """See `Channel`."""
        self._start("send")

    def stop_writing(self) -> None:
        """See `Channel`."""
        if (task := self._tasks.pop("send", None)) is not None:
            task.cancel()

    def _start(self, name: str) -> None:
        owner = self._owner()
        if name in self._tasks or self._is_released or owner is None:
            return
        coroutine = self._receive(owner) if name == "receive" else self._send(owner)
        self._tasks[name] = self._loop.create_task(coroutine, name=f"anyserial {name}: {self._port.path}")

    def _here(self) -> "Waiter":
        """Return the waiter. The first call makes it, in a task: AnyIO does not know the event loop outside of one."""
        if self._waiter is not None:
            return self._waiter
        transport = self._port.transport
        if transport.has_descriptor:
            from anyserial._readiness.portable import PortableWaiter  # noqa: PLC0415  # only such loops need it

            fd = transport.watched()
            assert fd is not None  # noqa: S101  # `has_descriptor` says so
            waiter = cast("Waiter", PortableWaiter(fd, self._link))
        else:
            from anyserial._readiness.own import OwnWaiter  # noqa: PLC0415  # only such backends need it

            waiter = cast("Waiter", OwnWaiter(cast("SelfWaitingTransport", transport), self._link))
        self._waiter = waiter
        return waiter

    async def _receive(self, owner: "Owner") -> None:
        port, waiter = self._port, self._here()
        try:
            while not self._is_released:
                data = await waiter.read(port.read, port.chunk_size)
                while not self._may_read.is_set():
                    await self._may_read.wait()
                owner.received(data)
                await asyncio.sleep(0)  # a backend that has data at once need not let other callbacks run
        except anyio.ClosedResourceError as exc:
            if isinstance(exc, SerialError):  # of the backend; the waiter's own says that the port has ended
                self._fail(owner, exc)
        except Exception as exc:  # noqa: BLE001  # the protocol gets it
            self._fail(owner, exc)

    async def _send(self, owner: "Owner") -> None:
        waiter = self._here()
        try:
            while not self._is_released and (unwritten := owner.unwritten):
                # A copy, because the output may grow or be discarded while the backend has it.
                owner.written(await waiter.write(self._port.write, bytes(unwritten[:_MOST])))
            self._tasks.pop("send", None)
        except anyio.ClosedResourceError as exc:
            if isinstance(exc, SerialError):
                self._fail(owner, exc)
        except Exception as exc:  # noqa: BLE001  # the protocol gets it
            self._fail(owner, exc)

    def _fail(self, owner: "Owner", error: Exception) -> None:
        if not self._is_released:
            owner.failed(error)

    def release(self) -> None:
        """See `Channel`."""
        if self._is_released:
            return
        self._is_released = True
        tasks, self._tasks = self._tasks, {}
        if not self._loop.is_closed():
            for task in tasks.values():
                if task is not _current_task():  # it ends by itself
                    task.cancel()
        if self._waiter is not None:
            self._waiter.wake()
        else:
            self._link.leave()

    def wake(self) -> None:
        """See `Channel`."""
        if self._is_released:
            return
        if self._loop.is_closed():
            self._is_released = True
            self._link.leave()
        elif asyncio._get_running_loop() is self._loop:  # noqa: SLF001  # as in `_readiness.asyncio`
            self._let_go()
        else:
            self._loop.call_soon_threadsafe(self._let_go)

    def _let_go(self) -> None:
        if not self._is_released:
            self.release()
            if (owner := self._owner()) is not None:
                self._loop.call_soon(owner.port_ended)

    def move(self, fd: int) -> None:
        """See `Channel`."""
        if self._waiter is not None:
            self._waiter.move(fd)

    def disown(self) -> None:
        """See `Channel`."""
        self._is_released = True
        if self._waiter is not None:
            self._waiter.disown()


def _current_task() -> "asyncio.Task[object] | None":
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
