"""A simulated device: what it is sent, what it answers, and what it does by itself. No I/O.

The line and its time are in `_line`; how a device is attached is in `_simulated` (in memory) and
`_virtual_port` (a pty).
"""

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final, Literal, Self, overload

from anyserial._spi import check_bytes, check_config, check_positive, check_seconds
from anyserial.capabilities import ControlLines
from anyserial.config import SerialConfig
from anyserial.exceptions import ConfigurationError

from anyserial_testing._line import OUTPUT_LIMIT, Line
from anyserial_testing._rules import Pattern, Period, Reply, Request, Rule

__all__ = ("SimulatedDevice",)

_MOST_REQUEST: Final = 65536  # bytes without an end are one request
_EVENTS: Final = ("open", "close", "lines", "break", "configure")


class SimulatedDevice:
    r"""An instrument that exists in a test only. It answers by rules, and can do things by itself.

    Attach it with `simulated_port` (an open port in memory), with `backend` (for code that opens its port
    itself, async or blocking), or with `virtual_serial_port` (a path that any program can open). It serves
    one port at a time.

    Everything takes the time that it takes on a real line, by the clock of the event loop: characters at
    the port's baud rate, delays, periodic output. On a `VirtualClock` none of that takes real time.

    The device acts when a call on its port is made or waits, and when you ask for `requests`. A device
    behind `virtual_serial_port` acts all the time, in a thread of its own; so do functions that you give it.

    Args:
        until: A request ends with these bytes. The default is ``b"\n"``, if nothing else says how it ends.
        size: Every request has this many bytes.
        silence: A request ends when nothing has come for this many seconds.
        split: A function that takes what has arrived and returns how long the first request is, or None
            if its end has not arrived yet.
        settings: The device's own settings. If the port has another baud rate, size or parity, both sides
            hear what a real UART would: garbage, framing and parity errors. None if the device understands
            whatever the port is set to.
        paced: False if characters take no time.
        fifo: How many received characters the port's side holds while nothing reads, at least 1; what comes
            then is lost, which is an overrun.
        echo: Send back what is received, at once and whatever it is; no rule is asked.
        strict: Leaving the block of `virtual_serial_port` without an error calls `check`. In memory, call it yourself.

    Attributes:
        state: For your functions: a namespace without meaning here.

    Raises:
        ConfigurationError: An argument is not valid, or more than one says how a request ends.
    """

    def __init__(
        self,
        *,
        until: bytes | None = None,
        size: int | None = None,
        silence: float | None = None,
        split: Callable[[bytes], int | None] | None = None,
        settings: SerialConfig | None = None,
        paced: bool = True,
        fifo: int = 4096,
        echo: bool = False,
        strict: bool = False,
    ) -> None:
        ends = [
            name
            for name, value in (("until", until), ("size", size), ("silence", silence), ("split", split))
            if value is not None
        ]
        if len(ends) > 1:
            raise ConfigurationError(
                f"only one of until, size, silence and split says how a request ends (got {', '.join(ends)})"
            )
        try:
            if until is not None:
                check_bytes("until", until)
            if size is not None:
                check_positive("size", size)
            if silence is not None:
                check_seconds("silence", silence, zero=False)
            if settings is not None:
                check_config(settings)
            check_positive("fifo", fifo)
        except (TypeError, ValueError) as exc:
            raise ConfigurationError(str(exc)) from None
        self.state: Any = SimpleNamespace()
        self.strict = strict
        self._until = (until or b"\n") if not ends or until is not None else None
        self._size, self._silence, self._split, self._echo = size, silence, split, echo
        self._line = Line(settings, paced=paced, fifo=fifo, arrived=self._arrived, acts_on=self._acts_on)
        self._rules: list[Rule] = []
        self._events: dict[str, list[Callable[[SimulatedDevice], object]]] = {name: [] for name in _EVENTS}
        self._periods: list[Period] = []
        self._requests: list[Request] = []
        self._unexpected: list[Request] = []
        self._buffer = bytearray()
        self._heard = 0  # counts bytes, so that a silence knows whether another has come
        self._driven: dict[str, bool] = {}
        self._pace: Callable[[], None] = lambda: None
        self._is_attached = False

    def __repr__(self) -> str:
        """Return what it has been asked so far."""
        return f"<{type(self).__name__}: {len(self._requests)} requests, {len(self._unexpected)} unexpected>"

    # The script

    @overload
    def on[F: Callable[[Request], bytes | None]](
        self, pattern: Pattern, *, delay: float = 0.0, times: int | None = None
    ) -> Callable[[F], F]: ...
    @overload
    def on(self, pattern: Pattern, reply: Reply, *, delay: float = 0.0, times: int | None = None) -> Self: ...
    def on(self, pattern: Pattern, reply: Any = ..., *, delay: float = 0.0, times: int | None = None) -> Any:
        """Answer requests that match *pattern* with *reply*. Of several rules, the first that matches is used.

        Without *reply* it is a decorator for the function that answers.

        Args:
            pattern: The exact bytes, a compiled regular expression for all of the request, a function that
                takes the bytes and says whether they match, or None for every request.
            reply: Bytes; a sequence of bytes, of which every request gets the next and the last stays; a
                function that takes the `Request` and returns bytes, or None for no answer; or None, if the
                request is expected and not answered.
            delay: Seconds between the last byte of the request and the first of the reply.
            times: How often the rule applies; None for no limit.

        Returns:
            The device, so that rules can be chained.

        Raises:
            ConfigurationError: An argument is not valid.
        """
        rule = Rule(pattern, None if reply is ... else reply, delay, times)
        self._rules.append(rule)
        if reply is not ...:
            return self

        def decorate(function: Any) -> Any:
            rule.reply = function
            return function

        return decorate

    def when(
        self,
        event: Literal["open", "close", "lines", "break", "configure"],
        function: Callable[["SimulatedDevice"], object],
    ) -> Self:
        """Call *function* with the device at an event of the port.

        It is opened or closed, its RTS or DTR changes, it begins a break, or its settings change.

        On a pty only ``configure`` happens: a pty does not tell more.

        Returns:
            The device.

        Raises:
            ConfigurationError: There is no such event.
        """
        if event not in self._events:
            raise ConfigurationError(f"event must be one of {', '.join(_EVENTS)} (got {event!r})")
        self._events[event].append(function)
        return self

    def every(
        self, seconds: float, data: bytes | Callable[["SimulatedDevice"], bytes | None], *, times: int | None = None
    ) -> Callable[[], None]:
        """Send *data* every *seconds* while the port is open, the first time after *seconds*.

        Args:
            seconds: The period, above 0.
            data: The bytes, or a function that returns them.
            times: How often; None for no limit.

        Returns:
            A function that ends it.

        Raises:
            ConfigurationError: *seconds* or *times* is not valid.
        """
        try:
            check_seconds("seconds", seconds, zero=False)
            if times is not None:
                check_positive("times", times)
        except (TypeError, ValueError) as exc:
            raise ConfigurationError(str(exc)) from None
        period = Period(self._line, self._output_of(data), seconds, times)
        self._periods.append(period)
        if self._is_attached:
            period.begin()
        return period.stop

    # What the device does by itself

    def send(self, data: bytes, *, after: float = 0.0) -> None:
        """Send *data* in *after* seconds; from any thread. Nothing is sent while the port is closed."""
        check_bytes("data", data)
        self._pace()
        self._line.at(
            self._line.now + after, lambda: self._line.device_sends(bytes(data)) if self._is_attached else None
        )
        self._pace()

    def send_break(self, *, after: float = 0.0) -> None:
        """Send a break in *after* seconds."""
        self._pace()
        self._line.at(self._line.now + after, self._line.device_breaks)
        self._pace()

    def set_lines(
        self, *, cts: bool | None = None, dsr: bool | None = None, ri: bool | None = None, cd: bool | None = None
    ) -> None:
        """Drive the lines that are not None. Until then CTS follows the port's RTS, and DSR and CD its DTR."""
        for name, level in (("cts", cts), ("dsr", dsr), ("ri", ri), ("cd", cd)):
            if level is not None:
                self._driven[name] = level
        self._drive()

    def ring(self, seconds: float = 1.0) -> None:
        """Assert RI for *seconds*."""
        self._pace()
        self.set_lines(ri=True)
        self._line.at(self._line.now + seconds, lambda: self.set_lines(ri=False))

    def unplug(self) -> None:
        """Pull the plug: the port is disconnected, and cannot be opened until `replug`. From any thread."""
        self._line.departures += 1
        self._line.is_gone = True
        self._line.end()
        self._line.wake()

    def replug(self) -> None:
        """Plug it in again: the port can be opened. A port that was open does not come back."""
        self._line.is_gone = False

    # What was asked

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in their order."""
        self._pace()
        return list(self._requests)

    @property
    def unexpected(self) -> list[Request]:
        """The requests that no rule matched."""
        self._pace()
        return list(self._unexpected)

    @property
    def control_lines(self) -> ControlLines:
        """RTS and DTR, as the port drives them."""
        return self._line.control

    @property
    def port_settings(self) -> SerialConfig:
        """The settings that the port has now."""
        return self._line.config

    @property
    def overruns(self) -> int:
        """How many bytes the port has lost because nothing read them."""
        return self._line.overruns

    def check(self) -> None:
        """Fail if there was a request that no rule matched, or part of one is left.

        Raises:
            AssertionError: It names each of them.
        """
        lines = [f"at {item.seconds:.3f} s: {item.data!r}" for item in self.unexpected]
        if self._buffer:
            lines.append(f"without an end: {bytes(self._buffer)!r}")
        if lines:
            raise AssertionError("the simulated device was sent what no rule matches:\n  " + "\n  ".join(lines))

    # For what attaches it

    @property
    def line(self) -> Line:
        """Its line, for what attaches the device to a port."""
        return self._line

    @property
    def is_attached(self) -> bool:
        """Whether it serves a port now."""
        return self._is_attached

    def attach(self, pace: Callable[[], None]) -> None:
        """Begin a conversation: the port is opened. *pace* advances the line to the present, where that is possible."""
        self._pace, self._is_attached = pace, True
        self._buffer.clear()
        self._drive()
        for period in self._periods:
            period.begin()
        self.tell("open")

    def detach(self) -> None:
        """End the conversation: the port is closed."""
        self.tell("close")
        self._is_attached = False
        for period in self._periods:
            period.pause()
        self._line.end()
        self._pace = lambda: None

    def tell(self, event: str) -> None:
        """Call the functions that wait for *event*."""
        if event == "lines":
            self._drive()
        for function in self._events[event]:
            function(self)

    def _output_of(self, data: bytes | Callable[["SimulatedDevice"], bytes | None]) -> Callable[[], bytes | None]:
        return (lambda: data(self)) if callable(data) else (lambda: data)

    def _drive(self) -> None:
        control = self._line.control
        follow = {"cts": control.rts, "dsr": control.dtr, "cd": control.dtr, "ri": False}
        self._line.set_modem(replace(self._line.modem, **(follow | self._driven)))

    def _arrived(self, byte: int) -> None:
        if self._echo:
            self._line.device_sends(bytes((byte,)))
            return
        self._buffer.append(byte)
        self._heard += 1
        if self._silence is not None:
            mark = self._heard
            self._line.at(self._line.now + self._silence, lambda: self._fell_silent(mark))
            return
        while self._buffer and (length := self._length()):
            request = bytes(self._buffer[:length])
            del self._buffer[:length]
            self._handle(request)

    def _acts_on(self, byte: int) -> bool:
        """Return whether more may happen when *byte* arrives than that it is kept."""
        is_kept = self._until is not None and not self._echo and byte != self._until[-1]
        return not is_kept or len(self._buffer) >= _MOST_REQUEST - OUTPUT_LIMIT

    def _length(self) -> int | None:
        if self._until is not None:
            length: int | None = len(self._buffer) if self._buffer.endswith(self._until) else None
        elif self._size is not None:
            length = self._size if len(self._buffer) >= self._size else None
        else:
            assert self._split is not None  # noqa: S101  # one of the four is given
            length = self._split(bytes(self._buffer))
        return len(self._buffer) if length is None and len(self._buffer) >= _MOST_REQUEST else length

    def _fell_silent(self, mark: int) -> None:
        if mark == self._heard and self._buffer:
            request = bytes(self._buffer)
            self._buffer.clear()
            self._handle(request)

    def _handle(self, data: bytes) -> None:
        request = Request(data, self._line.now, self)
        for rule in self._rules:
            matches, match = rule.matches(data)
            if matches:
                request = replace(request, match=match)
                self._requests.append(request)
                reply = rule.answer(request)
                if reply:
                    self.send(reply, after=rule.delay)
                return
        self._requests.append(request)
        self._unexpected.append(request)
