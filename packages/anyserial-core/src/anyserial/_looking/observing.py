"""Backends that report what passes through them, one for each backend contract.

An observed backend stands in front of the port's own. It forwards everything, and tells an audience what
was read, written, set or refused. What nobody asks for is not wrapped: a port without a tap uses its own
backend directly, so a tap that is absent costs nothing.

Who listens is in `tapping`.
"""

from typing import TYPE_CHECKING, Any, Protocol

from anyserial.exceptions import LineError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    type Describe = Callable[..., tuple[str, object]]

__all__ = ("Audience", "ObservedAsyncBackend", "ObservedBackend")


def _configured(config: object) -> tuple[str, object]:
    return "configured", config


def _set_lines(**lines: bool | None) -> tuple[str, object]:
    return "control_lines", {name: value for name, value in lines.items() if value is not None}


def _set_break(on: bool) -> tuple[str, object]:
    return "break", on


# What each call means once it has succeeded: its kind, and its value made of the arguments.
_CONTROLS: "dict[str, Describe]" = {
    "configure": _configured,
    "set_control_lines": _set_lines,
    "set_break": _set_break,
    "reset_input_buffer": lambda: ("discarded", "input"),
    "reset_output_buffer": lambda: ("discarded", "output"),
    "close": lambda: ("closed", None),
    "aclose": lambda: ("closed", None),
}
_LINES = "modem_lines"


class Audience(Protocol):
    """Who is told."""

    def tell(self, kind: str, data: bytes = b"", value: object = None) -> None:
        """Note what happened; see `TapEvent`. Must not raise. From any thread."""
        ...


class _Observed:
    """What both kinds share: everything that is not a read or a write.

    Attributes:
        inner: The port's own backend.
        audience: Who is told.
    """

    def __init__(self, backend: Any, audience: Audience) -> None:
        self.inner = backend
        self.audience = audience
        self._lines: object = None

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.inner, name)
        if (describe := _CONTROLS.get(name)) is not None:
            return self._observe(value, describe)
        if name == _LINES:
            return self._observe(value, None)
        return value

    def _observe(self, call: "Callable[..., Any]", describe: "Describe | None") -> "Callable[..., Any]":
        raise NotImplementedError  # pragma: no cover  # each kind has its own

    def _done(self, describe: "Describe | None", arguments: Any, named: Any, result: object) -> None:
        if describe is not None:
            kind, value = describe(*arguments, **named)
            self.audience.tell(kind, b"", value)
        elif result != self._lines:
            self._lines = result
            self.audience.tell(_LINES, b"", result)

    def _failed(self, error: Exception) -> None:
        self.audience.tell("line_error" if isinstance(error, LineError) else "failed", b"", error)


class ObservedBackend(_Observed):
    """A `SerialBackend`, observed."""

    # The blocking port would otherwise make these system calls past this object.
    direct_calls = None

    @property
    def line_decoder(self) -> "Callable[[bytes], Sequence[bytes | LineError]] | None":
        """See `SerialBackend`. With one, what is read is told when it is decoded: the audience sees no marks."""
        decode: Callable[[bytes], Sequence[bytes | LineError]] | None = self.inner.line_decoder
        if decode is None:
            return None

        def decode_and_tell(data: bytes) -> "Sequence[bytes | LineError]":
            items = decode(data)
            for item in items:
                if isinstance(item, bytes):
                    self.audience.tell("received", item)
                else:
                    self._failed(item)
            return items

        return decode_and_tell

    def read(self, max_bytes: int) -> bytes | None:
        """See `SerialBackend`."""
        try:
            data: bytes | None = self.inner.read(max_bytes)
        except Exception as exc:
            self._failed(exc)
            raise
        if data is not None and self.inner.line_decoder is None:
            self.audience.tell("received", data)
        return data

    def read_into(self, buffer: memoryview) -> int | None:
        """See `SerialBackend`."""
        try:
            count: int | None = self.inner.read_into(buffer)
        except Exception as exc:
            self._failed(exc)
            raise
        if count is not None:
            self.audience.tell("received", bytes(buffer[:count]))
        return count

    def read_onto(self, items: "list[Any]", max_bytes: int) -> bool:
        """See `SerialBackend`: the bytes are on the list before anyone is told, so an interruption loses none."""
        try:
            if (read_onto := getattr(self.inner, "read_onto", None)) is not None:
                if not read_onto(items, max_bytes):
                    return False
            elif (data := self.inner.read(max_bytes)) is None:
                return False
            else:
                items.append(data)
        except Exception as exc:
            self._failed(exc)
            raise
        self.audience.tell("received", items[-1])
        return True

    def write(self, data: bytes | memoryview) -> int | None:
        """See `SerialBackend`."""
        try:
            count: int | None = self.inner.write(data)
        except Exception as exc:
            self._failed(exc)
            raise
        if count:
            self.audience.tell("sent", bytes(data[:count]))
        return count

    def write_onto(self, counts: list[int], data: bytes | memoryview) -> bool:
        """See `SerialBackend`: the count is on the list before anyone is told."""
        try:
            if (write_onto := getattr(self.inner, "write_onto", None)) is not None:
                if not write_onto(counts, data):
                    return False
            elif not (count := self.inner.write(data)):
                return False
            else:
                counts.append(count)
        except Exception as exc:
            self._failed(exc)
            raise
        self.audience.tell("sent", bytes(data[: counts[-1]]))
        return True

    def _observe(self, call: "Callable[..., Any]", describe: "Describe | None") -> "Callable[..., Any]":
        def make_call(*arguments: Any, **named: Any) -> Any:
            try:
                result = call(*arguments, **named)
            except Exception as exc:
                self._failed(exc)
                raise
            self._done(describe, arguments, named, result)
            return result

        return make_call


class ObservedAsyncBackend(_Observed):
    """An `AsyncSerialBackend`, observed."""

    async def receive(self, max_bytes: int) -> bytes:
        """See `AsyncSerialBackend`."""
        try:
            data: bytes = await self.inner.receive(max_bytes)
        except Exception as exc:
            self._failed(exc)
            raise
        self.audience.tell("received", data)
        return data

    async def send(self, data: bytes | memoryview) -> int:
        """See `AsyncSerialBackend`."""
        try:
            count: int = await self.inner.send(data)
        except Exception as exc:
            self._failed(exc)
            raise
        self.audience.tell("sent", bytes(data[:count]))
        return count

    def _observe(self, call: "Callable[..., Any]", describe: "Describe | None") -> "Callable[..., Any]":
        async def make_call(*arguments: Any, **named: Any) -> Any:
            try:
                result = await call(*arguments, **named)
            except Exception as exc:
                self._failed(exc)
                raise
            self._done(describe, arguments, named, result)
            return result

        return make_call
