"""The job that closes a backend: lets output leave, waits for the calls under way, closes.

It runs on a worker and may be posted any number of times; each time it goes as far as it can.
It stops where a call still uses the descriptor, and the last of them to leave posts it again.
Only one worker is in it at a time. A second one sets a flag and returns, so that a driver's stuck close
costs one thread, however often the port is closed, dropped or left.
Output that does not move for `linger` seconds is discarded *before* the calls are waited for,
since a driver call may itself be waiting for that output (TIOCSBRK, tcdrain).

How closing begins, and which calls use the descriptor, is `lifecycle`'s; what closing does to the device
is the backend's.
"""

import time
from _thread import allocate_lock
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

from anyserial._port import forking
from anyserial.exceptions import SerialError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._port.contract import Transport
    from anyserial._port.lifecycle import Lifecycle

__all__ = ("ABRUPTLY", "GENTLY", "GRACE", "LEAVING_OUTPUT", "Closing", "Manner", "given_up_message")

type Manner = Literal["gently", "abruptly", "leaving output"]
GENTLY: Final = "gently"  # output may leave, and is discarded when it is stuck
ABRUPTLY: Final = "abruptly"  # the device is gone, and its output with it
LEAVING_OUTPUT: Final = "leaving output"  # to the kernel, whose own close waits for it

GRACE: Final = 0.04  # seconds beyond the linger that a caller waits for the driver's own close
FIRST_PAUSE = 0.001  # seconds between looks at the output queue; doubled each time
LONGEST_PAUSE = 0.02
LOOP_PATIENCE = 1.0  # seconds that an event loop in another thread may take until it runs its callbacks


def given_up_message(path: str, count: int, linger: float) -> str:
    """Say what closing has given up."""
    from anyserial._printable import printable  # noqa: PLC0415  # for messages only

    return (
        f"{printable(path)}: {count} byte{'' if count == 1 else 's'} of output not sent:"
        f" nothing left the port for {linger:g} s"
        " while it was being closed (close_timeout); call drain() before closing to wait longer"
    )


class Closing:
    """The end of one open port.

    Attributes:
        finished: Whether the backend is closed.
        error: What its close raised.
        given_up: Bytes of output that did not leave in time; reported once, by the call that closes.
        until: When callers stop waiting, by `time.monotonic`; later with every byte that leaves.
    """

    __slots__ = (
        "_advancing",
        "_asked",
        "_callbacks",
        "_hurried",
        "_lifecycle",
        "_output_is_settled",
        "_transport",
        "error",
        "finished",
        "given_up",
        "linger",
        "until",
    )

    def __init__(self, lifecycle: "Lifecycle", transport: "Transport") -> None:
        self._lifecycle = lifecycle
        self._transport = transport
        self._advancing = allocate_lock()
        self._asked = False
        self._callbacks: list[Callable[[], object]] = []
        self._hurried = False
        self._output_is_settled = False
        self.linger: float = 0.0  # seconds without progress after which output is given up
        self.finished: bool = False
        self.error: BaseException | None = None
        self.given_up: int = 0
        self.until: float = 0.0

    def begin(self, linger: float) -> None:
        """Say how long output may stand still before it is given up; the first one to say so counts.

        Args:
            linger: Seconds, >= 0; without limit if it is infinite.
        """
        if not self.until:
            self.linger = linger
            self.until = time.monotonic() + linger + GRACE

    @property
    def patience(self) -> float:
        """Seconds that a caller still waits; 0 when it need not wait any more."""
        return 0.0 if self.finished else max(self.until - time.monotonic(), 0.0)

    def hurry(self) -> None:
        """Stop waiting for output to leave. From any thread."""
        self._hurried = True

    def on_finish(self, callback: "Callable[[], object]") -> None:
        """Have *callback* called when the backend is closed, on whatever thread; at once if it is."""
        self._callbacks.append(callback)
        if self.finished:
            self._tell()

    def off_finish(self, callback: "Callable[[], object]") -> None:
        """Take an `on_finish` back."""
        with suppress(ValueError):
            self._callbacks.remove(callback)

    def advance(self) -> None:
        """Go on, on a worker; if another one is at it, have that one look again."""
        self._asked = True
        # A worker that fails to acquire has set `_asked` before, and the one that holds it looks after its release.
        while self._asked and not self.finished and self._advancing.acquire(blocking=False):
            self._asked = False
            try:
                if not self.finished:
                    self._go_on()
            finally:
                self._advancing.release()

    def _go_on(self) -> None:
        if not self._output_is_settled:
            self._settle_output()
            self._output_is_settled = True
        # After the output, and after `ending` was set: a call that leaves now posts this again.
        if not self._lifecycle.is_idle and not self._loops_never_come_round():
            return
        try:
            self._transport.close()
        except MemoryError:
            if self._transport.backend.is_open:
                raise  # the worker tries again
        except Exception as exc:  # noqa: BLE001  # closing has nobody to raise to; aclose reports it
            self.error = exc
        self.finish()

    def _loops_never_come_round(self) -> bool:
        """Wait a while for event loops in other threads; one that is stuck for longer must not hold the device."""
        give_up = time.monotonic() + LOOP_PATIENCE
        while self._lifecycle.waits_for_loops_alone:
            if self._lifecycle.is_idle or time.monotonic() >= give_up:
                return True
            time.sleep(FIRST_PAUSE)
        return False

    def finish(self) -> None:
        """Note that the backend is closed, or is the parent process's, and tell everyone who waits for it."""
        forking.forget(self._lifecycle)
        for waker in self._lifecycle.wakers:
            waker.disown()  # no call waits there any more
        self._lifecycle.hold.release()
        self.finished = True
        self._tell()

    def _tell(self) -> None:
        while self._callbacks:
            try:
                callback = self._callbacks.pop()
            except IndexError:  # another thread took it
                return
            callback()

    def _settle_output(self) -> None:
        if self._lifecycle.ending != GENTLY or not self._transport.has_descriptor:
            return
        try:
            if left := self._let_output_leave():
                self._give_up(left)
        except SerialError:  # gone, or unable to tell: nothing to wait for
            pass

    def _give_up(self, left: int) -> None:
        if self.linger and not self._hurried:  # otherwise, discarding is what the caller asked for
            self.given_up = left
        self.until = max(self.until, time.monotonic() + GRACE)
        if self.linger:
            self._report(left)
        self._transport.discard_output()

    def _report(self, count: int) -> None:
        from logging import NullHandler, getLogger  # noqa: PLC0415  # rarely needed, slow to import

        logger = getLogger("anyserial")
        if not logger.handlers:
            logger.addHandler(NullHandler())  # a program without logging has the RuntimeWarning
        logger.warning("%s", given_up_message(self._lifecycle.path, count, self.linger))

    def warn(self, stacklevel: int) -> None:
        """Warn the caller that closes of output that was given up; once."""
        count, self.given_up = self.given_up, 0
        if count:
            from warnings import warn  # noqa: PLC0415  # with the port's path

            message = given_up_message(self._lifecycle.path, count, self.linger)
            warn(message, RuntimeWarning, stacklevel=stacklevel + 1)

    def _let_output_leave(self) -> int:
        """Wait while output moves; return how many bytes are stuck."""
        before = left = self._transport.output_waiting()
        if not left:
            return 0
        pause = FIRST_PAUSE
        stuck_at = time.monotonic() + self.linger
        while left and not self._hurried:
            if left < before:
                before = left
                stuck_at = time.monotonic() + self.linger
                self.until = stuck_at + GRACE
            elif (time_left := stuck_at - time.monotonic()) <= 0:
                break
            else:
                time.sleep(min(pause, time_left))
                pause = min(pause * 2, LONGEST_PAUSE)
            left = self._transport.output_waiting()
        return left
