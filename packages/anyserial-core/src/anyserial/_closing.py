"""Holding a backend open for the calls under way, and closing it once.

A descriptor must not be closed under a call that uses it: its number may be another
port's at once. So each call in a thread takes a lease, and the close waits for the last
of them. It also must not hang: the close runs on a thread that nobody has to wait for
longer than he wants to. What closing does to the device is the backend's business, and
how one waits for it the port's.
"""

import time
from _thread import allocate_lock
from typing import TYPE_CHECKING

from anyserial import _offload
from anyserial.exceptions import SerialError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from anyserial.backend import SerialBackend

__all__ = ("ClosingJob", "Leases")

FIRST_PAUSE = 0.001  # seconds between looks at the output queue while closing; doubled each time
LONGEST_PAUSE = 0.02


class Leases:
    """Counts the calls that use a backend, and refuses new ones once it is being closed."""

    __slots__ = ("_count", "_lock", "_retire")

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._count = 0
        self._retire: Callable[[], None] | None = None

    def acquire(self) -> bool:
        """Take a lease; False if the backend is being closed."""
        with self._lock:
            if self._retire is not None:
                return False
            self._count += 1
            return True

    def extend(self) -> None:
        """Take another lease, while holding one."""
        with self._lock:
            self._count += 1

    def release(self) -> None:
        """Give a lease back; the last one lets a waiting close begin."""
        with self._lock:
            self._count -= 1
            retire = self._retire if self._count == 0 else None
        if retire is not None:
            retire()

    def retire(self, start: "Callable[[], None]") -> bool:
        """Give no more leases, and call *start* once, when the last has come back.

        Returns:
            False if it was retired before; *start* is then not called.
        """
        with self._lock:
            if self._retire is not None:
                return False
            self._retire = start
            idle = self._count == 0
        if idle:
            start()
        return True


class ClosingJob:
    """The end of one open port: waits for its output, closes its backend, tells who asks."""

    __slots__ = ("_backend", "_blockers", "_callbacks", "_hurry", "_linger", "_lock", "error", "finished")

    def __init__(self, backend: "SerialBackend", *, linger: float) -> None:
        self._backend = backend
        self._linger = linger
        self._hurry = _offload.new_event()
        self._lock = allocate_lock()
        self._blockers: Sequence[threading.Event] = ()
        self._callbacks: list[Callable[[], None]] = []
        self.finished = False
        self.error: BaseException | None = None

    def start(
        self,
        leases: Leases,
        *,
        after: "Sequence[threading.Event]" = (),
        submit: "Callable[[Callable[[], object]], None]" = _offload.submit,
    ) -> None:
        """Close on a thread, once every lease is back and every event of *after* is set."""
        self._blockers = after
        leases.retire(lambda: submit(self.run))

    def hurry(self) -> None:
        """Stop waiting for output to leave. Callable from any thread."""
        self._hurry.set()

    def on_finish(self, callback: "Callable[[], None]") -> None:
        """Call *callback* when the backend is closed, on whatever thread; at once if it is."""
        with self._lock:
            if not self.finished:
                self._callbacks.append(callback)
                return
        callback()

    def run(self) -> None:
        """Do it, on the calling thread."""
        for blocker in self._blockers:
            # An event loop that does not come round in this time never does: go on.
            blocker.wait(1.0)
        try:
            self._let_output_leave()
            self._backend.close()
        except Exception as exc:  # noqa: BLE001  # closing has nobody to raise to; aclose reports it
            self.error = exc
        finally:
            _offload.release()
            with self._lock:
                self.finished = True
                callbacks, self._callbacks = self._callbacks, []
            for callback in callbacks:
                callback()

    def _let_output_leave(self) -> None:
        deadline = time.monotonic() + self._linger
        pause = FIRST_PAUSE
        while not self._hurry.is_set():
            left = deadline - time.monotonic()
            try:
                if left <= 0 or not self._backend.output_waiting():
                    return
            except SerialError:
                return  # gone, or unable to tell: nothing to wait for
            self._hurry.wait(min(pause, left))
            pause = min(pause * 2, LONGEST_PAUSE)
