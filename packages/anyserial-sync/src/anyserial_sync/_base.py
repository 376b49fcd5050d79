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
from typing import TYPE_CHECKING, override

import anyio
from anyserial import _offload
from anyserial._carry import Carry
from anyserial._closing import ClosingJob
from anyserial._port import CLOSED, OPEN, PortBase, Steps
from anyserial.exceptions import SerialCancelledError, SerialClosedError, SerialDisconnectedError, SerialError

from anyserial_sync import _fork
from anyserial_sync._lane import Lane
from anyserial_sync._steps import Follower
from anyserial_sync._timeouts import deadline_of, timed_out
from anyserial_sync._wakeup import LONGEST_WAIT

if TYPE_CHECKING:
    from collections.abc import Callable

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
        self._carried = self._carry.items
        self._is_in_child = False
        _fork.watch(self)

    # Lanes

    def _not_entered(self, lane: Lane) -> Exception:
        """Return the error of a call that found *lane* busy."""
        if self._state != OPEN:
            return self._refusal()
        return anyio.BusyResourceError("receiving from" if lane is self._receiving else "sending to")

    def _interruption(self, lane: Lane) -> SerialError:
        """Return the error of a call in *lane* that was interrupted."""
        if lane.ended:
            return self._refusal()
        what = "receive" if lane is self._receiving else "send"
        return SerialCancelledError(None, f"cancelled by cancel_{what}(); the serial port is still usable", self._path)

    def _wait(self, lane: Lane, me: object, seconds: float | None) -> None:
        """Wait until the descriptor may be ready for *lane*, which the call *me* is in.

        Raises:
            TimeoutError: It was not within *seconds*.
            SerialCancelledError: The call was cancelled.
            SerialClosedError: The port was closed.
            SerialDisconnectedError: Another call found that the device is gone.
        """
        if lane.interrupted and lane.is_for(me):
            raise self._interruption(lane)
        wait = lane.wait
        if wait is None:
            wait = lane.arm(self._backend.fileno())
        if seconds is None:
            wait(None)
        elif not wait(seconds * 1000 if seconds < LONGEST_WAIT else LONGEST_WAIT * 1000) and seconds <= LONGEST_WAIT:
            raise timed_out(
                "nothing was received" if lane is self._receiving else "not everything was sent", self._path
            )
        if lane.interrupted and lane.is_for(me):
            raise self._interruption(lane)

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

    def _perform_as_sender[T](self, steps: Steps[T], timeout: float | None) -> T:
        deadline = None if timeout is None else deadline_of(timeout)
        lane, me = self._sending, object()
        turn = lane.turn

        def check() -> None:
            if lane.interrupted and lane.is_for(me):
                raise self._interruption(lane)

        follower = Follower(self._path, self._leases, deadline, polls=timeout == 0, check=check)
        try:
            if turn.setdefault("taken", me) is not me:
                raise self._not_entered(lane)
            lane.sleeper = follower.sleeper
            check()
            return self._follow(steps, follower)
        finally:
            if turn.get("taken") is me:
                lane.sleeper = None
                del turn["taken"]
                if lane.interrupted and lane.retire():
                    self._leases.release()

    def _perform[T](self, steps: Steps[T], timeout: float | None) -> T:
        deadline = None if timeout is None else deadline_of(timeout)
        return self._follow(
            steps, Follower(self._path, self._leases, deadline, polls=timeout == 0, check=self._check_open)
        )

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
