"""How an open port ends: its states, what each event does in each, and who is using it.

Theory of operation. Four things can happen to an open port: it is closed, its device is
unplugged, its process forks (seen from the child), or it is forgotten. `TABLE` says for each
state what the next state is and how the backend ends. Every event is appended to a list, and the
state is what the table makes of that list, so that two threads which end a port at the same time
agree on the outcome without a lock.

Calls use the backend's descriptor, and a descriptor must not be closed under a call: its number
may be another file's at once. So each call is entered while it lasts, in `turns` (one that
receives, one that sends) or in `calls` (all others, and an event loop that watches the descriptor).
The `Closing` job waits until both are empty. Each entry and each removal is one atomic operation of
a dict.

**There is no lock here, on purpose.** A signal handler may close the port in the middle of any
statement of any call, its own thread's too; a finalizer may do so in the middle of any allocation;
Ctrl-C or a RecursionError may end any call anywhere. Therefore each step is atomic and may be
taken twice, and a call that leaves looks at `ending` *after* it has removed itself, while an end
sets `ending` *before* it looks at the calls: one of the two, if not both, lets the close begin.

What becomes of a call under way:

| event | a parked receive or send | the descriptor |
|---|---|---|
| closed | wakes at once: SerialClosedError | lets output leave, then a worker closes it |
| unplugged | wakes at once: SerialDisconnectedError | a worker closes it at once: the device may come back |
| forked, in the child | raises SerialClosedError if the child goes on with it | never touched; becomes /dev/null |
| forked, in the parent | goes on | nothing happens to it |
| forgotten | there is none: a call keeps its port alive | a worker closes it, its output left to the kernel |

Not here: event loops, descriptors (`transport`), what closing does (`closing`).
"""

import errno
from sys import is_finalizing
from typing import TYPE_CHECKING, Final, Literal

from anyserial import _workers
from anyserial._errno import closed_error, disconnected_error
from anyserial._port import forking
from anyserial._port.closing import ABRUPTLY, GENTLY, LEAVING_OUTPUT, Closing
from anyserial.exceptions import SerialClosedError, SerialError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._port.closing import Manner
    from anyserial._port.contract import Transport, Waker

__all__ = ("CLOSED", "DISCONNECTED", "FOREIGN", "OPEN", "RECEIVER", "SENDER", "TABLE", "Event", "Lifecycle")

type State = Literal[0, 1, 2, 3]
OPEN: Final = 0
DISCONNECTED: Final = 1
CLOSED: Final = 2
FOREIGN: Final = 3  # the parent process's: this is a forked child

type Event = Literal["close", "unplug", "fork", "forget"]

# (state, event): (next state, how the backend ends). None: it has ended, or has no business ending here.
TABLE: Final[dict[tuple[State, Event], tuple[State, "Manner | None"]]] = {
    (OPEN, "close"): (CLOSED, GENTLY),
    (OPEN, "unplug"): (DISCONNECTED, ABRUPTLY),
    (OPEN, "fork"): (FOREIGN, None),
    (OPEN, "forget"): (CLOSED, LEAVING_OUTPUT),
    (DISCONNECTED, "close"): (CLOSED, None),
    (DISCONNECTED, "unplug"): (DISCONNECTED, None),
    (DISCONNECTED, "fork"): (FOREIGN, None),
    (DISCONNECTED, "forget"): (CLOSED, None),
    (CLOSED, "close"): (CLOSED, None),
    (CLOSED, "unplug"): (CLOSED, None),
    (CLOSED, "fork"): (FOREIGN, None),
    (CLOSED, "forget"): (CLOSED, None),
    (FOREIGN, "close"): (FOREIGN, None),
    (FOREIGN, "unplug"): (FOREIGN, None),
    (FOREIGN, "fork"): (FOREIGN, None),
    (FOREIGN, "forget"): (FOREIGN, None),
}

RECEIVER: Final = "receiver"
SENDER: Final = "sender"


class Lifecycle:
    """The life of one open port. It knows neither face: a forgotten port must not be kept alive by it.

    Attributes:
        state: What the table makes of what has happened.
        cause: Why the device counts as unplugged.
        ending: How the backend ends; None while it does not.
        turns: The tickets of the calls that receive and send, under `RECEIVER` and `SENDER`.
        calls: Everything else that uses the backend, with what wakes it.
        wakers: What is woken beside `calls` and does not use the backend itself.
        closing: The one job that closes the backend.
        post: Has a call made on a worker, as one call of C.
        hold: What keeps a worker in hand for the close.
        fileno: Returns the descriptor, as the transport's.
    """

    __slots__ = (
        "__weakref__",
        "_happened",
        "calls",
        "cause",
        "closing",
        "ending",
        "fileno",
        "hold",
        "path",
        "post",
        "state",
        "turns",
        "wakers",
    )

    def __init__(self, transport: "Transport", path: str) -> None:
        self.path = path
        self.state: State = OPEN
        self.cause: BaseException | None = None
        self.ending: Manner | None = None
        self.turns: dict[str, object] = {}
        self.calls: dict[object, Waker | None] = {}
        self.wakers: list[Waker] = []
        self._happened: list[Event] = []
        self.closing = Closing(self, transport)
        self.fileno = transport.fileno
        self.hold = _workers.held()
        try:
            self.hold.take()
            self.post: Callable[[Callable[[], object]], None] = _workers.poster()
            forking.watch(self)
        except BaseException:
            self.hold.release()  # the finalizer has to wait for the collector, for this and `closing` are a cycle
            raise

    # What happens

    def close(self) -> None:
        """End the port in an orderly way, and wake everything that waits. A second call repeats what is not done."""
        self._happen("close")

    def unplug(self, cause: BaseException) -> None:
        """Note that the device is gone, wake everything that waits, and let go of the descriptor."""
        if self.cause is None:
            self.cause = cause
        self._happen("unplug")

    def forget(self) -> None:
        """End a port that nothing refers to any more; output that is queued is left to the kernel."""
        self._happen("forget")

    def fork(self) -> None:
        """Be refused in this process, a forked child, from now on."""
        self._note("fork")
        self.ending = None
        self.post = _do_nothing
        # The other threads do not exist here, and this one's own calls are refused when they go on.
        self.turns.clear()
        for waker in self.calls.values():
            if waker is not None:
                waker.disown()
        self.calls.clear()
        self.closing.finish()

    def _happen(self, event: Event) -> None:
        self._note(event)
        if self.ending is not None and not self.closing.finished:
            self.wake()
            if is_finalizing():  # the workers are gone: here, then, or it never happens
                self.closing.advance()
            else:
                self.post(self.closing.advance)

    def _note(self, event: Event) -> None:
        """Append *event*, and make of the list what the table says."""
        happened = self._happened
        if event not in happened:
            happened.append(event)
        count = -1
        while count != len(happened):  # another thread's event came in between
            count = len(happened)
            state: State = OPEN
            ending: Manner | None = None
            for each in happened[:count]:
                state, manner = TABLE[state, each]
                ending = ending or manner
            # First how it ends: who sees the state change finds the rest in place.
            self.ending = ending
            self.state = state

    # Who uses the backend

    def wake(self) -> None:
        """Have everything that waits look at the state."""
        for waker in (*self.calls.values(), *self.wakers):
            if waker is not None:
                waker.wake()

    @property
    def is_idle(self) -> bool:
        """Whether no call uses the backend."""
        return not self.turns and not self.calls

    @property
    def waits_for_loops_alone(self) -> bool:
        """Whether nothing uses the backend but event loops that have not come round yet."""
        return not self.turns and all(waker is not None and waker.is_event_loop for waker in list(self.calls.values()))

    def enter(self, ticket: object, waker: "Waker | None") -> None:
        """Hold the backend open until `leave` is called with the same *ticket*.

        Raises:
            SerialError: The port has ended; its refusal.
        """
        self.calls[ticket] = waker
        if self.state:
            self.leave(ticket)
            raise self.refusal()

    def leave(self, ticket: object) -> None:
        """Hold the backend open no longer; a second time it does nothing."""
        self.calls.pop(ticket, None)
        if self.ending is not None:
            self.post(self.closing.advance)

    def refusal(self) -> SerialError:
        """Return the error of a call that the state does not allow."""
        if self.state == DISCONNECTED:
            return disconnected_error(self.path, self.cause)
        if self.state == FOREIGN:
            return SerialClosedError(
                errno.EBADF,
                "the serial port was opened by the parent process, before fork(); open it again in this one",
                self.path,
            )
        return closed_error(self.path)


def _do_nothing(_job: object) -> None:
    """Stand in for the workers in a forked child, where there are none of the port's."""
