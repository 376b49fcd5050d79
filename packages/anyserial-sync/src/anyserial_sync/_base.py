"""How the blocking port waits and ends, behind `SerialPort`'s public face.

`_wait` blocks in poll(2) until a lane's descriptor is ready; `_perform` carries out the
steps of an operation. All of it is woken at once when the port is closed.

Each lane counts as a lease of the backend until it is ended and empty: the descriptor
is closed under nobody, and receiving and sending pay nothing for that.

Not here: what the operations do (`anyserial._port`), and how one waits for a backend
without a descriptor (`_portal`).
"""

import errno
import threading
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, override

import anyio
from anyserial import _offload
from anyserial._carry import Carry
from anyserial._closing import ClosingJob
from anyserial._port import CLOSED, OPEN, PortBase, Steps
from anyserial.exceptions import SerialCancelledError, SerialClosedError, SerialDisconnectedError, SerialError

from anyserial_sync import _fork
from anyserial_sync._lane import Lane
from anyserial_sync._portal import Portal
from anyserial_sync._steps import Follower
from anyserial_sync._timeouts import LONGEST_WAIT, deadline_of, remaining, timed_out

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyserial.backend import AsyncSerialBackend, SerialBackend
    from anyserial.config import SerialConfig
    from anyserial.discovery import PortInfo

__all__ = ("BlockingPortBase",)


class BlockingPortBase(PortBase):
    """One open port for threads, without its public methods."""

    def __init__(
        self,
        backend: "SerialBackend | AsyncSerialBackend",
        config: "SerialConfig",
        *,
        port_info: "PortInfo | None" = None,
    ) -> None:
        """As `PortBase`."""
        super().__init__(backend, config, port_info=port_info)
        self._receiving = Lane(writing=False)
        self._sending = Lane(writing=True)
        self._leases.acquire()
        self._leases.acquire()  # one for each lane
        self._ending = threading.RLock()  # a signal handler may close what its own thread is closing
        self._followers: set[Follower] = set()
        self._attempt_first = False
        self._is_in_child = False
        self._portal = Portal() if self._waits_itself else None
        _fork.watch(self)

    # Lanes

    def _refuse_entry(self, lane: Lane) -> NoReturn:
        """Raise the error of a call that found *lane* busy."""
        if self._state != OPEN:
            raise self._refusal()
        raise anyio.BusyResourceError("receiving from" if lane is self._receiving else "sending to")

    def _interrupt(self, lane: Lane) -> NoReturn:
        """Raise the error of a call in *lane* that was interrupted."""
        if lane.ended:
            raise self._refusal()
        what = "receive" if lane is self._receiving else "send"
        raise SerialCancelledError(None, f"cancelled by cancel_{what}(); the serial port is still usable", self._path)

    def _wait(self, lane: Lane, me: object, deadline: float | None) -> None:
        """Wait until the descriptor may be ready for *lane*, which the call *me* is in.

        Raises:
            TimeoutError: It was not before *deadline*, or it is over now.
            SerialCancelledError: The call was cancelled.
            SerialClosedError: The port was closed.
            SerialDisconnectedError: Another call found that the device is gone.
        """
        if lane.interrupted and lane.is_for(me):
            self._interrupt(lane)
        wait = lane.wait
        if wait is None:
            wait = lane.arm(self._backend.fileno())
        if deadline is None:
            wait(None)
        else:
            ready = False
            # A descriptor may be ready again and again with nothing to be read.
            while not ready and (left := deadline - monotonic()) > 0:
                ready = bool(wait(min(left, LONGEST_WAIT) * 1000))
            if not ready:
                what = "nothing was received" if lane is self._receiving else "not everything was sent"
                raise timed_out(what, self._path)
        if lane.interrupted and lane.is_for(me):
            self._interrupt(lane)

    def _next(self, lane: Lane, me: object, size: int, deadline: float | None, *, poll: bool) -> bytes:
        """Give 1..*size* bytes: carried over, or in the kernel, or waited for."""
        if self._carried:
            with suppress(IndexError):  # another thread may have thrown it away meanwhile
                return self._carry.take(size)
        if self._worth_trying(lane, me, poll=poll):
            data = self._read(size)
            if data is not None:
                return data
            if poll and not self._waits_itself:
                raise timed_out("nothing was received", self._path)
        return self._read_later(lane, me, size, deadline)

    def _next_into(self, lane: Lane, me: object, view: memoryview, deadline: float | None, *, poll: bool) -> int:
        """The same into *view*; return how many."""
        if self._carried:
            with suppress(IndexError):  # another thread may have thrown it away meanwhile
                return self._carry.take_into(view)
        if self._waits_itself:
            data = self._read_later(lane, me, len(view), deadline)
            view[: len(data)] = data
            return len(data)
        if self._worth_trying(lane, me, poll=poll):
            count = self._read_into(view)
            if count is not None:
                return count
            if poll:
                raise timed_out("nothing was received", self._path)
        while True:
            self._wait(lane, me, deadline)
            count = self._read_into(view)
            if count is not None:
                return count

    def _worth_trying(self, lane: Lane, me: object, *, poll: bool) -> bool:
        if lane.interrupted and lane.is_for(me):
            self._interrupt(lane)
        attempt_first, self._attempt_first = self._attempt_first, False
        return attempt_first or poll

    def _read_later(self, lane: Lane, me: object, size: int, deadline: float | None) -> bytes:
        """Wait and read until something comes."""
        if self._portal is not None:
            data: bytes = self._through_portal(
                partial(self._backend.receive, size), lane, me, deadline, late=self._carry.give_back
            )
            return data
        while True:
            self._wait(lane, me, deadline)
            got = self._read(size)
            if got is not None:
                return got

    def _write_later(self, lane: Lane, me: object, rest: memoryview, timeout: float | None) -> None:
        """Wait and write until everything is taken."""
        deadline = deadline_of(timeout)
        while rest:
            if self._portal is not None:
                sent = self._through_portal(
                    partial(self._backend.send, rest), lane, me, deadline, late=self._count_sent
                )
            else:
                self._wait(lane, me, deadline)
                sent = self._write(rest)
            if sent:
                self._bytes_sent += sent
                rest = rest[sent:]

    def _count_sent(self, count: int) -> None:
        self._bytes_sent += count

    def _through_portal(
        self,
        function: "Callable[[], Awaitable[Any]]",
        lane: Lane,
        me: object,
        deadline: float | None,
        late: "Callable[[Any], object]",
    ) -> Any:
        """Await what *function* returns, for the call *me* in *lane*; as `Portal.run`."""
        assert self._portal is not None  # noqa: S101  # who calls has looked

        def check() -> None:
            if lane.interrupted and lane.is_for(me):
                self._interrupt(lane)

        lane.sleeper = sleeper = threading.Event()
        check()
        return self._portal.run(function, sleeper, timeout=remaining(deadline), path=self._path, check=check, late=late)

    def _failed(self, exc: BaseException, data: bytes | None) -> None:
        """Sort out why a receive or send ended; *data* was read and not returned."""
        if isinstance(exc, SerialDisconnectedError):
            self._disconnect(exc)
        if data is not None:
            self._carry.give_back(data)

    def _leave(self, lane: Lane, me: object) -> None:
        if lane.turn.get("taken") is me:
            lane.sleeper = None
            del lane.turn["taken"]
            if lane.interrupted and lane.retire():
                self._leases.release()

    # The end

    @override
    def _disconnect(self, cause: BaseException) -> None:
        with self._ending:
            super()._disconnect(cause)

    @override
    def _close_backend(
        self, *, linger: float, submit: "Callable[[Callable[[], object]], None]" = _offload.submit
    ) -> ClosingJob:
        with self._ending:
            if self._closing is None:
                if self._portal is not None:
                    self._closing = ClosingJob(self._portal.closing(self._backend), linger=0.0)
                else:
                    self._closing = ClosingJob(self._backend, linger=linger)
            if not self._closing.finished:
                # Both do nothing the second time, and go on where a KeyboardInterrupt ended the first.
                self._detach()
                self._closing.start(self._leases, submit=submit)
            return self._closing

    @override
    def _detach(self) -> tuple[threading.Event, ...]:
        for lane in (self._receiving, self._sending):
            if lane.end():
                self._leases.release()
        for follower in tuple(self._followers):
            follower.sleeper.set()
        return ()

    def _forked(self) -> None:
        """Be refused in this process, a child, from now on; let go of the device without touching it."""
        if self._state == CLOSED:
            return
        if self._state == OPEN and not self._waits_itself:
            _fork.replace_descriptor(self._backend.fileno())
        self._state = CLOSED
        self._is_in_child = True
        # The other threads do not exist here, but the locks that they held stay locked.
        for lane in (self._receiving, self._sending):
            lane.abandon()
        self._receiving, self._sending = Lane.dead(), Lane.dead()
        self._ending = threading.RLock()
        self._followers = set()
        self._carry = Carry()
        self._carried = self._carry.items
        self._closing = ClosingJob(self._backend, linger=0.0)
        self._closing.finished = True

    @override
    def _refusal(self) -> SerialError:
        if self._is_in_child:
            return SerialClosedError(
                errno.EBADF,
                "the serial port was opened by the parent process, before fork(); open it again in this one",
                self._path,
            )
        return super()._refusal()

    # Operations

    @override
    def _probe(self, query: "Callable[[], Any]") -> Any:
        if self._portal is None:
            return super()._probe(query)
        return super()._probe(partial(self._portal.query, query))

    @override
    def _check_alive(self) -> None:
        if self._portal is None:
            super()._check_alive()
        else:
            self._portal.query(super()._check_alive)

    def _perform_as_sender[T](self, steps: Steps[T], timeout: float | None) -> T:
        deadline = deadline_of(timeout)
        lane, me = self._sending, object()
        turn = lane.turn

        def check() -> None:
            if lane.interrupted and lane.is_for(me):
                self._interrupt(lane)

        follower = Follower(self._path, self._leases, deadline, polls=timeout == 0, check=check, portal=self._portal)
        try:
            if turn.setdefault("taken", me) is not me:
                self._refuse_entry(lane)
            lane.sleeper = follower.sleeper
            check()
            return self._follow(steps, follower)
        finally:
            self._leave(lane, me)

    def _perform[T](self, steps: Steps[T], timeout: float | None) -> T:
        deadline, check = deadline_of(timeout), self._check_open
        follower = Follower(self._path, self._leases, deadline, polls=timeout == 0, check=check, portal=self._portal)
        return self._follow(steps, follower)

    def _check_open(self) -> None:
        if self._state != OPEN:
            raise self._refusal()

    def _follow[T](self, steps: Steps[T], follower: Follower) -> T:
        """Carry out *steps*, holding the backend open meanwhile."""
        if self._state != OPEN or not self._leases.acquire():
            raise self._refusal()
        try:
            self._followers.add(follower)
            return follower.follow(steps)
        except SerialDisconnectedError as exc:
            self._disconnect(exc)
            raise
        finally:
            self._followers.discard(follower)
            steps.close()
            self._leases.release()
