"""Backends that report what passes through them, one for each backend contract.

An observed backend is put in front of the port's own. It forwards everything, and tells an audience what was read,
written, set or refused. A port that nobody looks at uses its own backend directly, so looking on costs nothing when
nobody does.

Who listens is in `watching`.
"""

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from contextlib import AbstractContextManager

    from anyserial.exceptions import LineError

    type Describe = Callable[..., object]

__all__ = ("COUNTERS", "LEVELS", "WAITING", "Audience", "ObservedAsyncBackend", "ObservedBackend")

WAITING = "waiting"
"""The kind of calls that ask how much is queued, or wait for it. Only their failures are reported."""

LEVELS = "control_levels"
"""The kind of a call that reads RTS and DTR back."""

COUNTERS = "line_counters"
"""The kind of a call that reads the driver's counters."""


def _same(value: object) -> object:
    return value


def _set_lines(**lines: bool | None) -> object:
    return {name: value for name, value in lines.items() if value is not None}


# Calls that change something: their kind, and how the value is made of their arguments.
_CHANGES: "dict[str, tuple[str, Describe]]" = {
    "configure": ("configured", _same),
    "set_control_lines": ("control_lines", _set_lines),
    "set_break": ("break", _same),
    "reset_input_buffer": ("discarded", lambda: "input"),
    "reset_output_buffer": ("discarded", lambda: "output"),
    "close": ("closed", lambda: None),
    "aclose": ("closed", lambda: None),
}
# Calls that ask the driver: their kind. The value is their result.
_QUESTIONS = {"modem_lines": "modem_lines", "control_lines": LEVELS, "line_counters": COUNTERS}
_WAITS = {"drain", "drain_exact", "transmitter_empty"}


class Audience(Protocol):
    """Receives what happens on a port. No method may raise, and any thread may call them."""

    @property
    def lock(self) -> "AbstractContextManager[object]":
        """Held while something is read or written and reported, so an answer is reported after its request.

        The thread that holds it may take it again.
        """
        ...

    def begun(self, kind: str, value: object) -> None:
        """Note that a change is about to be made."""
        ...

    def done(self, kind: str, data: bytes = b"", value: object = None) -> None:
        """Note what happened. The kinds are those of `TapEvent`, `LEVELS` and `COUNTERS`."""
        ...

    def failed(self, kind: str, error: Exception) -> None:
        """Note that a call failed, which would have been of this kind, or of the kind `WAITING`."""
        ...


class _Observed:
    """What both kinds share: everything that is not a read or a write.

    Attributes:
        inner: The port's own backend.
        audience: Receives what happens.
    """

    def __init__(self, backend: Any, audience: Audience) -> None:
        self.inner = backend
        self.audience = audience

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if (change := _CHANGES.get(name)) is not None:
            return self._observe(value, *change)
        if (kind := _QUESTIONS.get(name)) is not None:
            return self._observe(value, kind, None)
        return self._observe(value, WAITING, None) if name in _WAITS else value

    def _observe(self, call: "Callable[..., Any]", kind: str, describe: "Describe | None") -> "Callable[..., Any]":
        raise NotImplementedError  # pragma: no cover  # each kind has its own

    def input_waiting(self) -> int:
        """See `SerialBackend`."""
        return self._ask(self.inner.input_waiting)

    def output_waiting(self) -> int:
        """See `SerialBackend`."""
        return self._ask(self.inner.output_waiting)

    def _ask(self, call: "Callable[[], int]") -> int:
        with self._failures(WAITING):
            return call()

    @contextmanager
    def _failures(self, kind: str) -> "Generator[None]":
        """Report an error that the block raises."""
        try:
            yield
        except Exception as exc:
            self.audience.failed(kind, exc)
            raise


class ObservedBackend(_Observed):
    """A `SerialBackend`, observed."""

    # The blocking port would otherwise make these system calls past this object.
    direct_calls = None

    @property
    def line_decoder(self) -> "Callable[[bytes], Sequence[bytes | LineError]] | None":
        """See `SerialBackend`. With one, what is read is reported when it is decoded: the audience sees no marks."""
        decode: Callable[[bytes], Sequence[bytes | LineError]] | None = self.inner.line_decoder
        if decode is None:
            return None

        def decode_and_tell(data: bytes) -> "Sequence[bytes | LineError]":
            items = decode(data)
            for item in items:
                if isinstance(item, bytes):
                    self.audience.done("received", item)
                else:
                    self.audience.failed("received", item)
            return items

        return decode_and_tell

    def read(self, max_bytes: int) -> bytes | None:
        """See `SerialBackend`."""
        with self.audience.lock:
            with self._failures("received"):
                data: bytes | None = self.inner.read(max_bytes)
            if data is not None and self.inner.line_decoder is None:
                self.audience.done("received", data)
            return data

    def read_into(self, buffer: memoryview) -> int | None:
        """See `SerialBackend`."""
        with self.audience.lock:
            with self._failures("received"):
                count: int | None = self.inner.read_into(buffer)
            if count is not None:
                self.audience.done("received", bytes(buffer[:count]))
            return count

    def read_onto(self, items: "list[Any]", max_bytes: int) -> bool:
        """See `SerialBackend`: the bytes are on the list before they are reported, so none is lost."""
        with self.audience.lock:
            with self._failures("received"):
                if (read_onto := getattr(self.inner, "read_onto", None)) is not None:
                    if not read_onto(items, max_bytes):
                        return False
                elif (data := self.inner.read(max_bytes)) is None:
                    return False
                else:
                    items.append(data)
            self.audience.done("received", items[-1])
            return True

    def write(self, data: bytes | memoryview) -> int | None:
        """See `SerialBackend`."""
        with self.audience.lock:
            with self._failures("sent"):
                count: int | None = self.inner.write(data)
            if count:
                self.audience.done("sent", bytes(data[:count]))
            return count

    def write_onto(self, counts: list[int], data: bytes | memoryview) -> bool:
        """See `SerialBackend`: the count is on the list before the observers are called."""
        with self.audience.lock:
            with self._failures("sent"):
                if (write_onto := getattr(self.inner, "write_onto", None)) is not None:
                    if not write_onto(counts, data):
                        return False
                elif not (count := self.inner.write(data)):
                    return False
                else:
                    counts.append(count)
            self.audience.done("sent", bytes(data[: counts[-1]]))
            return True

    def _observe(self, call: "Callable[..., Any]", kind: str, describe: "Describe | None") -> "Callable[..., Any]":
        audience = self.audience

        def make_call(*arguments: Any, **named: Any) -> Any:
            value = None
            if describe is not None:
                value = describe(*arguments, **named)
                audience.begun(kind, value)
            with self._failures(kind):
                result = call(*arguments, **named)
            if kind is not WAITING:
                audience.done(kind, b"", result if describe is None else value)
            return result

        return make_call


class ObservedAsyncBackend(_Observed):
    """An `AsyncSerialBackend`, observed."""

    # The blocking port would otherwise receive and send past this object.
    _thread_calls = None

    def __getattr__(self, name: str) -> Any:
        # What a backend may leave out must be missing here, too, and must not go past the audience.
        if name == "send_now":
            return self._observed_attempt(self.inner.send_now)
        if name == "receive_now":
            return self._observed_receive(self.inner.receive_now)
        return super().__getattr__(name)

    def _observed_receive(self, receive_now: "Callable[[int], bytes | None]") -> "Callable[[int], bytes | None]":
        def receive(max_bytes: int) -> bytes | None:
            with self._failures("received"):
                data = receive_now(max_bytes)
            if data:
                self.audience.done("received", data)
            return data

        return receive

    async def receive(self, max_bytes: int) -> bytes:
        """See `AsyncSerialBackend`."""
        with self._failures("received"):
            data: bytes = await self.inner.receive(max_bytes)
        self.audience.done("received", data)
        return data

    async def send(self, data: bytes | memoryview) -> int:
        """See `AsyncSerialBackend`."""
        with self._failures("sent"):
            count: int = await self.inner.send(data)
        self.audience.done("sent", bytes(data[:count]))
        return count

    def _observed_attempt(
        self, send_now: "Callable[[bytes | memoryview], int | None]"
    ) -> "Callable[[bytes | memoryview], int | None]":
        def attempt(data: bytes | memoryview) -> int | None:
            with self._failures("sent"):
                count = send_now(data)
            if count:
                self.audience.done("sent", bytes(data[:count]))
            return count

        return attempt

    def _observe(self, call: "Callable[..., Any]", kind: str, describe: "Describe | None") -> "Callable[..., Any]":
        audience = self.audience

        async def make_call(*arguments: Any, **named: Any) -> Any:
            value = None
            if describe is not None:
                value = describe(*arguments, **named)
                audience.begun(kind, value)
            with self._failures(kind):
                result = await call(*arguments, **named)
            if kind is not WAITING:
                audience.done(kind, b"", result if describe is None else value)
            return result

        return make_call
