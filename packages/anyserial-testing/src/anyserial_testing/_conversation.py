"""Where a replay is in its record: what the program may do next, and what the device has said. No I/O, no waiting.

The events of a record are of two sorts. The program's (sends, settings, lines, breaks, discarding) must come in
their order. The device's (bytes, errors, lines) take effect as soon as everything of the program's before them
has happened, so that it makes no difference when the program reads. With a pace they also take their time.
"""

import time
from collections import deque
from collections.abc import Callable

from anyserial._spi import disconnected_error
from anyserial.exceptions import SerialError, UnsupportedFeatureError

from anyserial_testing._record_format import Event, Record, quoted

__all__ = ("Conversation", "ReplayError")

_QUERIES = ("modem", "control", "counters")
_MOST_SHOWN = 48  # bytes of each side in a message


class ReplayError(AssertionError):
    """The program did something else than in the record. The message says at which line and byte of the record."""


class Conversation:
    """One run through a record."""

    def __init__(self, record: Record, *, pace: bool, now: Callable[[], float] = time.monotonic) -> None:
        self._record = record
        self._events = record.events
        self._next = 0  # index of the first event that has not happened
        self._offset = 0  # bytes of it that were sent, if it is a send
        self._pace = pace
        self._now = now
        self._since = now()  # when the program last did something
        self._recorded = 0.0  # when it did that in the record
        self._input: deque[tuple[bytes | SerialError, int]] = deque()
        self._answers: dict[str, deque[Event]] = {query: deque() for query in _QUERIES}
        self._gone = False
        self._failure: ReplayError | None = None

    @property
    def place(self) -> str:
        """The line of the record that comes next."""
        return f"line {self._event.line}" if self._event else f"its end, line {self._record.last_line}"

    @property
    def has_input(self) -> bool:
        """Whether `take` returns something."""
        return bool(self._input)

    @property
    def waiting(self) -> int:
        """How many bytes can be taken."""
        return sum(len(item) for item, _ in self._input if isinstance(item, bytes))

    @property
    def is_over(self) -> bool:
        """Whether everything has happened and was read."""
        return self._event is None and not self._input and not self._gone

    @property
    def is_gone(self) -> bool:
        """Whether the device is gone, and all its bytes were read."""
        return self._gone and not self.waiting

    @property
    def has_failed(self) -> bool:
        """Whether the program has left the record."""
        return self._failure is not None

    @property
    def _event(self) -> Event | None:
        return self._events[self._next] if self._next < len(self._events) else None

    def check(self) -> None:
        """Raise the error again with which the program left the record."""
        if self._failure is not None:
            raise ReplayError(*self._failure.args)

    def advance(self) -> float | None:
        """Let the device do what is due.

        Returns:
            Seconds until it does more by itself; None if the program is next, or the record is over.
        """
        while (event := self._event) is not None and not event.of_program and not _fails_a_call(event):
            if self._pace:
                left = self._since + (event.time - self._recorded) - self._now()
                if left > 0:
                    return left
            self._happen(event)
        return None

    def take(self, max_bytes: int) -> bytes | SerialError | None:
        """Return the next bytes, or the next error; None if there is nothing."""
        if not self._input:
            return disconnected_error(self._record.path) if self._gone else None
        item, line = self._input.popleft()
        if isinstance(item, bytes):
            if len(item) > max_bytes:
                self._input.appendleft((item[max_bytes:], line))
                return item[:max_bytes]
            while self._input and len(item) < max_bytes and isinstance(more := self._input[0][0], bytes):
                room = max_bytes - len(item)
                _, line = self._input.popleft()
                if len(more) > room:
                    self._input.appendleft((more[room:], line))
                item += more[:room]
        return item

    def send(self, data: bytes) -> int | SerialError:
        """Compare bytes with the record; return how many of them belong to it, at least 1."""
        done = 0
        while done < len(data):
            event = self._program_event()
            if event is not None and event.kind != "send" and done:
                break
            if event is not None and event.kind == "fail":
                return self._failed_call(event, "send", f"send {_shown(data)}")
            if event is None or event.kind != "send":
                raise self._leave(event, f"send {_shown(data)}")
            wanted = event.data[self._offset :]
            part = data[done : done + len(wanted)]
            if part != wanted[: len(part)]:
                raise self._leave_inside(event, data[done:])
            done += len(part)
            self._offset += len(part)
            if self._offset == len(event.data):
                self._pass(event)
            if done < len(data):
                self._skip_device()
        return done

    def do(self, kind: str, words: tuple[tuple[str, str], ...]) -> SerialError | None:
        """Compare something else that the program does; return the error that it had in the record."""
        event = self._program_event()
        done = Event(kind, words=words)
        # Output is discarded only where the line holds it back, and here nothing does.
        while event is not None and event.text == "discard output" != done.text:
            self._pass(event)
            event = self._program_event()
        if event is None or event.kind != kind or dict(event.words) != dict(words) or self._offset:
            raise self._leave(event, done.text)
        if done.text == "discard input":
            self._input.clear()
        self._pass(event)
        following = self._event
        if following is not None and _fails_a_call(following) and following.words[0][1] == kind:
            return self._failed_call(following, kind, done.text)
        return None

    def ask(self, query: str) -> dict[str, str] | SerialError:
        """Return what the driver answered; each answer once, and the last one from then on."""
        self.advance()
        answers = self._answers[query]
        if not answers:
            what = {"modem": "modem lines", "control": "control lines", "counters": "line counters"}[query]
            return UnsupportedFeatureError(None, f"the record has no {what} before {self.place}", self._record.path)
        event = answers.popleft() if len(answers) > 1 else answers[0]
        return dict(event.words) if event.error is None else event.error

    def refuse_receive(self) -> ReplayError:
        """Return the error of a receive after the end."""
        return self._failed(
            f"{self._record.name} is over (line {self._record.last_line}), and the program waits for more bytes."
            " Pass silent_end=True if it may"
        )

    def check_finished(self) -> None:
        """Raise unless the program did everything, or if it left the record.

        Raises:
            ReplayError: The program stopped early, or had left the record before.
        """
        self.check()
        event = self._program_event()
        while event is not None and event.text == "discard output":
            self._pass(event)
            event = self._program_event()
        if event is not None:
            rest = f", after byte {self._offset} of the send" if self._offset else ""
            raise ReplayError(
                f"the program stopped early, at {self._record.name}, line {event.line}{rest}:\n"
                f"  expected {_shown_event(event, self._offset)}\n  got      close"
            )
        for item, line in self._input:
            if isinstance(item, bytes):
                raise ReplayError(
                    f"the program closed the port before it had received everything:"
                    f" {self._record.name}, line {line}, receive {_shown(item)}"
                )

    def _program_event(self) -> Event | None:
        """Return what the program must do next; the device does at once what comes before that."""
        self._skip_device()
        return self._event

    def _skip_device(self) -> None:
        while (event := self._event) is not None and not event.of_program and not _fails_a_call(event):
            self._happen(event)

    def _happen(self, event: Event) -> None:
        if event.kind == "receive":
            self._input.append((event.data, event.line))
        elif event.kind == "gone":
            self._gone = True
            self._input.append((disconnected_error(self._record.path), event.line))
        elif event.kind in _QUERIES:
            self._answers[event.kind].append(event)
        elif event.error is not None:
            query = event.words[0][1]
            if event.kind == "fail" and query in _QUERIES:
                self._answers[query].append(event)
            else:
                self._input.append((event.error, event.line))
        self._next += 1

    def _pass(self, event: Event) -> None:
        self._next += 1
        self._offset = 0
        self._since, self._recorded = self._now(), event.time

    def _failed_call(self, event: Event, kind: str, got: str) -> SerialError:
        if event.words[0][1] != kind or event.error is None:
            raise self._leave(event, got)
        self._pass(event)
        return event.error

    def _leave_inside(self, event: Event, data: bytes) -> ReplayError:
        wanted = event.data[self._offset :]
        same = next(
            (at for at, (a, b) in enumerate(zip(wanted, data, strict=False)) if a != b), min(len(wanted), len(data))
        )
        at = self._offset + same
        return self._failed(
            f"the program left {self._record.name} at line {event.line}, byte {at + 1} of {len(event.data)}"
            f" of the send:\n"
            f"  expected {_shown(event.data[at:])}\n  got      {_shown(data[same:])}"
        )

    def _leave(self, event: Event | None, got: str) -> ReplayError:
        if event is None:
            return self._failed(
                f"{self._record.name} is over (line {self._record.last_line}), and the program goes on:\n"
                f"  got      {got}"
            )
        rest = f", after byte {self._offset} of {len(event.data)} of the send" if self._offset else ""
        return self._failed(
            f"the program left {self._record.name} at line {event.line}{rest}:\n"
            f"  expected {_shown_event(event, self._offset)}\n  got      {got}"
        )

    def _failed(self, message: str) -> ReplayError:
        self._failure = ReplayError(message)
        return self._failure


def _fails_a_call(event: Event) -> bool:
    return event.kind == "fail" and event.words[0][1] not in {"receive", *_QUERIES}


def _shown(data: bytes) -> str:
    more = len(data) - _MOST_SHOWN
    return quoted(data[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _shown_event(event: Event, offset: int) -> str:
    return f"send {_shown(event.data[offset:])}" if event.kind == "send" else event.text
