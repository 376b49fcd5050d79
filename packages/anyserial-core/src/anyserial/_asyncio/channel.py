"""How a transport waits for its device: the interface, and the way for event loops that watch descriptors.

`Channel` is what the transport knows. `WatchedChannel` keeps the descriptor registered with the event loop as
long as the transport reads or has something to write. The other kind, with tasks, is in `tasks`.

A channel holds the backend open, as a call of `_port.lifecycle`, until it has let go of the descriptor.
"""

import asyncio
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from anyserial._readiness.asyncio import Release

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._port.open_port import OpenPort

__all__ = ("Channel", "Link", "Owner", "WatchedChannel")


class Owner(Protocol):
    """The transport, as its channel sees it. All of this is called in the event loop."""

    def readable(self) -> None:
        """Attempt to read: the descriptor is readable, or broken."""
        ...

    def writable(self) -> None:
        """Attempt to write: the descriptor is writable, or broken."""
        ...

    def received(self, data: bytes) -> None:
        """Take what was read."""
        ...

    def written(self, count: int) -> None:
        """Take note that so many bytes from the front of the output were written."""
        ...

    def failed(self, error: BaseException) -> None:
        """End: reading or writing has failed."""
        ...

    def port_ended(self) -> None:
        """End: the port was closed or unplugged by something else."""
        ...

    @property
    def unwritten(self) -> bytearray:
        """The output that is held."""
        ...


class Channel(Protocol):
    """Waiting for the device, in both directions. Every call may be made twice."""

    def start_reading(self) -> None:
        """Have the transport told when there is something to read."""
        ...

    def stop_reading(self) -> None:
        """Stop that."""
        ...

    def start_writing(self) -> None:
        """Have the transport told when it can write."""
        ...

    def stop_writing(self) -> None:
        """Stop that."""
        ...

    def release(self) -> None:
        """Let go of the descriptor for good; in the event loop, or while it does not run."""
        ...

    def wake(self) -> None:
        """Let go, and tell the transport that the port has ended. From any thread, any number of times."""
        ...

    def disown(self) -> None:
        """Forget the descriptor without touching it or the event loop, because this is a forked child."""
        ...

    def move(self, fd: int) -> None:
        """Watch *fd* from now on, a duplicate of the descriptor, which the program may register. From any thread."""
        ...


class Link:
    """A channel's entry in the lifecycle. It keeps neither the channel nor the transport alive.

    Args:
        port: The port; the entry is made at once.
        channel: What `wake` and `disown` are passed to.

    Raises:
        SerialError: The port has ended.
    """

    __slots__ = ("_channel", "_leave")

    is_event_loop = True

    def __init__(self, port: "OpenPort", channel: Channel) -> None:
        self._channel = weakref.ref(channel)
        self._leave: Callable[[object], None] = port.lifecycle.leave
        port.lifecycle.enter(self, self)

    def leave(self) -> None:
        """Note that the channel will never use the descriptor again."""
        self._leave(self)

    def wake(self) -> None:
        """See `Waker`."""
        channel = self._channel()
        if channel is None:
            self.leave()
        else:
            channel.wake()

    def disown(self) -> None:
        """See `Waker`."""
        if (channel := self._channel()) is not None:
            channel.disown()

    def move(self, fd: int) -> None:
        """See `Waker`."""
        if (channel := self._channel()) is not None:
            channel.move(fd)

    # A `Watch` as well, for the waiters that `tasks` uses.

    def on_idle(self) -> None:
        """See `Watch`: a channel always waits, so there is nothing to look at."""

    on_release = leave


class WatchedChannel:
    """Keeps the descriptor registered with the event loop.

    The loop's callbacks hold the transport, as they do for asyncio's own transports: a program need not keep a
    transport whose protocol does all the work.
    """

    __slots__ = ("__weakref__", "_fd", "_is_released", "_link", "_loop", "_owner", "_reads", "_writes")

    def __init__(self, loop: asyncio.AbstractEventLoop, port: "OpenPort", fd: int, owner: Owner) -> None:
        self._loop = loop
        self._fd = fd
        self._owner = weakref.ref(owner)
        self._reads = False
        self._writes = False
        self._is_released = False
        self._link = Link(port, self)

    def start_reading(self) -> None:
        """See `Channel`."""
        owner = self._owner()
        if not (self._reads or self._is_released or owner is None):
            self._loop.add_reader(self._fd, owner.readable)
            self._reads = True

    def stop_reading(self) -> None:
        """See `Channel`."""
        if self._reads:
            self._reads = False
            self._loop.remove_reader(self._fd)

    def start_writing(self) -> None:
        """See `Channel`."""
        owner = self._owner()
        if not (self._writes or self._is_released or owner is None):
            self._loop.add_writer(self._fd, owner.writable)
            self._writes = True

    def stop_writing(self) -> None:
        """See `Channel`."""
        if self._writes:
            self._writes = False
            self._loop.remove_writer(self._fd)

    def release(self) -> None:
        """See `Channel`."""
        if not self._is_released:
            self._is_released = True
            if not self._loop.is_closed():
                self.stop_reading()
                self.stop_writing()
            self._link.leave()

    def wake(self) -> None:
        """See `Channel`."""
        loop = self._loop
        if self._is_released:
            return
        if loop.is_closed():
            self.released()
        elif asyncio._get_running_loop() is loop or not loop.is_running():  # noqa: SLF001  # as in `_readiness.asyncio`
            self.let_go()
        else:
            with suppress(RuntimeError):  # closed since
                loop.call_soon_threadsafe(Release(self))

    def let_go(self) -> None:
        """Carry out `wake`."""
        if not self._is_released:
            self.release()
            if (owner := self._owner()) is not None:
                self._loop.call_soon(owner.port_ended)

    def released(self) -> None:
        """Carry out `wake` when the event loop is over."""
        self._is_released = True
        self._link.leave()

    def disown(self) -> None:
        """See `Channel`."""
        self._is_released = True
        self._reads = self._writes = False

    def move(self, fd: int) -> None:
        """See `Channel`."""
        loop = self._loop
        if self._is_released or fd == self._fd or loop.is_closed():
            return
        if asyncio._get_running_loop() is not loop and loop.is_running():  # noqa: SLF001  # as in `wake`
            with suppress(RuntimeError):  # closed since
                loop.call_soon_threadsafe(self.move, fd)
            return
        reads, writes = self._reads, self._writes
        self.stop_reading()
        self.stop_writing()
        self._fd = fd
        if reads:
            self.start_reading()
        if writes:
            self.start_writing()
