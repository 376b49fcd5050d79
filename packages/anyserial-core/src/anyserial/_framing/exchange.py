"""What an exchange does, as steps that each face carries out with its own way of waiting.

An exchange sends a request and takes the first frame that is accepted as its answer. The hard part is the
answer that comes too late: nothing in a byte stream says which request it belongs to. What is done about it:

1. What was received before a request is sent is not its answer, and is handed to *unsolicited*.
2. After an exchange that ended without its answer (timeout, error, cancellation), the next one first waits until
   the line was quiet for a while. So an answer that is under way then is received and given up.
3. An answer that comes even later can only be recognized by its content: *accept* is asked about each frame.

Waiting does not belong here, nor which task's turn it is.
"""

import logging
from typing import TYPE_CHECKING, NamedTuple

from anyserial._framing.errors import FrameCutOff, FramingError
from anyserial.exceptions import LineError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ("Clear", "Receive", "Send", "Settle", "Step", "Steps", "exchange")

_MOST_SHOWN = 64  # bytes of a frame in a message

_log = logging.getLogger("anyserial.framing")


class Send(NamedTuple):
    """Send *data*. Resumes with whether that was done before *deadline*."""

    data: bytes
    deadline: float


class Receive(NamedTuple):
    """Receive a frame. Resumes with it; None if none came before *deadline*. A `FramingError` is thrown in."""

    deadline: float


class Clear(NamedTuple):
    """Take what has arrived and forget it, whole frames excepted. Resumes with those."""


class Settle(NamedTuple):
    """As `Clear`, until nothing comes for *quiet* seconds. Resumes with None if that is not before *deadline*."""

    quiet: float
    deadline: float


type Step = Send | Receive | Clear | Settle
type Steps = Generator[Step, bytes | list[bytes] | bool | None, bytes]


def exchange(
    data: bytes,
    *,
    timeout: float,
    attempts: int,
    accept: "Callable[[bytes], object] | None",
    unsolicited: "Callable[[bytes], object]",
    quiet: float,
    is_settled: bool,
    clock: "Callable[[], float]",
) -> Steps:
    """Return the steps of one exchange; its result is the answer.

    Args:
        data: The encoded request.
        timeout: Seconds for each attempt.
        attempts: How often to send the request.
        accept: Whether a frame is the answer; None accepts any.
        unsolicited: Takes frames that are not.
        quiet: Seconds of quiet to wait for after an attempt that had no answer.
        is_settled: Whether the exchange before this one had its answer.
        clock: Tells the time in seconds.

    Raises:
        TimeoutError: No attempt had an answer.
        FramingError: The last attempt had none, and what came was damaged; so LineError.
        FrameCutOff: The stream ended; no further attempt is made.
    """
    if accept is None:
        accept = _any
    for attempt in range(1, attempts + 1):
        failure: Exception = TimeoutError(f"no answer within {timeout} s (attempt {attempt} of {attempts})")
        stale = (yield Clear()) if is_settled else (yield Settle(quiet, clock() + timeout))
        is_settled = False
        for frame in stale if isinstance(stale, list) else ():
            _hand_over(frame, unsolicited)
        deadline = clock() + timeout
        if stale is not None and (yield Send(data, deadline)):
            try:
                while isinstance(answer := (yield Receive(deadline)), bytes):
                    if accept(answer):
                        return answer
                    _hand_over(answer, unsolicited)
            except FrameCutOff:
                raise
            except (FramingError, LineError) as exc:
                failure = exc
        if attempt == attempts:
            raise failure
    raise AssertionError


def _hand_over(frame: bytes, unsolicited: "Callable[[bytes], object]") -> None:
    """Hand over a frame that is not an answer. A queue that is full must not end the exchange."""
    try:
        unsolicited(frame)
    except Exception:  # noqa: BLE001  # reported, and the exchange goes on
        shown = repr(frame[:_MOST_SHOWN]) + ("..." if len(frame) > _MOST_SHOWN else "")
        _log.warning("the frame %s was given up, because unsolicited raised", shown, exc_info=True)


def _any(_frame: bytes) -> bool:
    return True
