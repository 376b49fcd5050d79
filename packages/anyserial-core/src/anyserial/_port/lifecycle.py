"""How an open port ends: its states, what each event does in each, and which calls use it.

Theory of operation. Four things can happen to an open port: it is closed, its device is
unplugged, its process forks (as the child sees it), or it is forgotten. For each of these events and
each state, `TABLE` gives the next state and how the backend is closed. Every event is appended to a
list, and the state is computed from that list with the table. So two threads that end a port at the
same time agree on the outcome without a lock.

Calls use the backend's descriptor. It must not be closed while a call uses it, because the system
may give its number to another file at once. So each call is registered while it lasts: in `turns`
(one call that receives, one that sends) or in `calls` (all others, and every event loop that watches the
descriptor). The `Closing` job waits until both are empty. Each entry and each removal is one atomic
operation of a dict.

**There is no lock here, on purpose.** A signal handler may close the port in the middle of any
statement of any call, also one of the same thread. A finalizer may do so in the middle of any
allocation. Ctrl-C or a RecursionError may end any call anywhere. Therefore each step is atomic and may
be repeated. A call that leaves removes itself first and looks at `ending` second; an end sets `ending`
first and looks at the calls second. So at least one of the two sees the other and lets the close begin.

What happens to a call under way:

| event | a parked receive or send | the descriptor |
|---|---|---|
| closed | wakes at once: SerialClosedError | lets output leave, then a worker closes it |
| unplugged | wakes at once: SerialDisconnectedError | a worker closes it at once: the device may come back |
| forked, in the child | raises SerialClosedError if the child continues it | replaced by /dev/null |
| forked, in the parent | continues | unchanged |
| forgotten | cannot exist: a call keeps its port alive | a worker closes it, its output left to the kernel |

Event loops do not belong here, nor descriptors (see `transport`), nor what closing does (see `closing`).
"""

from sys import is_finalizing
from typing import TYPE_CHECKING, Final, Literal

from anyserial import _workers
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
FOREIGN: Final = 3  # this is a forked child, and the port belongs to the parent process

type Event = Literal["close", "unplug", "fork", "forget"]

# (state, event): (next state, how the backend is closed). None: it is closed already, or not by this process.
TABLE: "dict[tuple[State, Event], tuple[State, Manner | None]]" = {
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
    """The life of one open port. It refers to neither face, because it must not keep a forgotten port alive.

    Attributes:
        state: The state, computed from the events so far.
        cause: Why the device counts as unplugged.
        ending: How the backend is closed; None while it is not to be closed.
        turns: The tickets of the calls that receive and send, under `RECEIVER` and `SENDER`.
        calls: Everything else that uses the backend, with what wakes it.
        wakers: What must be woken as well, but does not use the backend.
        closing: The one job that closes the backend.
        post: Hands a call to a worker; a single call of C.
        hold: What keeps a worker in hand for the close.
    """

    __slots__ = (
        "__weakref__",
        "_fileno",
        "_happened",
        "calls",
        "cause",
        "closing",
        "ending",
        "hold",
        "path",
        "post",
        "state",
        "turns",
        "wakers",
    )

    def __init__(self, transport: "Transport", path: str) -> None:
        self.path: str = path
        self.state: State = OPEN
        self.cause: BaseException | None = None
        self.ending: Manner | None = None
        self.turns: dict[str, object] = {}
        self.calls: dict[object, Waker | None] = {}
        self.wakers: list[Waker] = []
        self._happened: list[Event] = []
        self.closing: Closing = Closing(self, transport)
        self._fileno = transport.fileno
        self.hold: _workers.held = _workers.held()
        try:
            self.hold.take()
            self.post: Callable[[Callable[[], object]], None] = _workers.poster()
            forking.watch(self)
        except BaseException:
            self.hold.release()  # the finalizer has to wait for the collector, for this and `closing` are a cycle
            raise

    # What happens

    def fileno(self) -> int | None:
        """Return the descriptor, or None while there is none."""
        return self._fileno()

    def close(self) -> None:
        """End the port in an orderly way, and wake everything that waits. A second call completes an unfinished one."""
        self._happen("close")
        self.cause = None  # its traceback leads to the frames of a call, and so to the port

    def unplug(self, cause: BaseException | None) -> None:
        """Note that the device is gone, wake everything that waits, and have the descriptor closed."""
        if self.cause is None:
            self.cause = cause
        self._happen("unplug")

    def forget(self) -> None:
        """End a port that nothing refers to any more; queued output is left to the kernel."""
        self._happen("forget")

    def fork(self) -> None:
        """Refuse every use from now on, because this process is a forked child."""
        self._note("fork")
        self.ending = None
        self.post = _do_nothing
        # The other threads do not exist here, and the calls of this one are refused when they continue.
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
            if is_finalizing():  # the workers are gone, so it happens here or never
                self.closing.advance()
            else:
                self.post(self.closing.advance)

    def _note(self, event: Event) -> None:
        """Append *event*, and compute the state from all events so far."""
        happened = self._happened
        if event not in happened:
            happened.append(event)
        count = -1
        while count != len(happened):  # another thread has appended an event meanwhile
            count = len(happened)
            state: State = OPEN
            ending: Manner | None = None
            for each in happened[:count]:
                state, manner = TABLE[state, each]
                ending = ending or manner
            # `ending` first, so that a thread that sees the new state finds it in place.
            self.ending = ending
            self.state = state

    # Who uses the backend

    def wake(self) -> None:
        """Make everything that waits look at the state."""
        for waker in (*self.calls.values(), *self.wakers):
            if waker is not None:
                waker.wake()

    @property
    def is_idle(self) -> bool:
        """Whether no call uses the backend."""
        return not self.turns and not self.calls

    @property
    def waits_for_loops_alone(self) -> bool:
        """Whether only event loops, which have not run since, still use the backend."""
        return not self.turns and all(waker is not None and waker.is_event_loop for waker in list(self.calls.values()))

    def enter(self, ticket: object, waker: "Waker | None") -> None:
        """Hold the backend open until `leave` is called with the same *ticket*.

        Raises:
            SerialError: The port has ended; see `refusal`.
        """
        self.calls[ticket] = waker
        if self.state:
            self.leave(ticket)
            raise self.refusal()

    def leave(self, ticket: object) -> None:
        """Stop holding the backend open; a second call does nothing."""
        self.calls.pop(ticket, None)
        if self.ending is not None:
            self.post(self.closing.advance)

    def refusal(self) -> SerialError:
        """Return the error of a call that the state does not allow."""
        from anyserial._errno import closed_error, disconnected_error  # noqa: PLC0415  # the backend has loaded it

        if self.state == DISCONNECTED:
            return disconnected_error(self.path, self.cause)
        if self.state == FOREIGN:
            from errno import EBADF  # noqa: PLC0415  # likewise

            return SerialClosedError(
                EBADF,
                "the serial port was opened by the parent process, before fork(); open it again in this one",
                self.path,
            )
        return closed_error(self.path)


def _do_nothing(_job: object) -> None:
    """Stand in for the workers, which do not exist in a forked child."""
