"""What a check works on: a backend, its other end, and ways to use both kinds alike. The checks do not belong here."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
from anyserial.backend import AsyncSerialBackend, SerialBackend
from anyserial.config import SerialConfig

__all__ = (
    "BackendBench",
    "BackendReport",
    "CheckResult",
    "ConformanceError",
    "Maybe",
    "Skipped",
    "Subject",
    "expect",
    "settled",
)

type Maybe[T] = T | Awaitable[T]
"""A T, or an awaitable of one."""


def _nothing() -> None: ...


@dataclass(slots=True, kw_only=True)
class BackendBench:
    """One backend to be checked, and the other end of its line. Every function may be a coroutine function.

    Attributes:
        backend: The backend, unopened.
        path: What to open.
        send: Sends bytes from the other end.
        receive: Returns up to that many bytes that have arrived at the other end, ``b""`` if there are none yet.
        hang_up: Unplugs the device; None if that cannot be done.
        close: Releases the other end; called last, also after `hang_up`.
        config: The settings to open with.
        missing: A path that `open` must refuse; None if every path can be opened.
        refused: Settings that `configure` must refuse; None if it takes all.
    """

    backend: SerialBackend | AsyncSerialBackend
    path: str
    send: Callable[[bytes], Maybe[object]]
    receive: Callable[[int], Maybe[bytes]]
    hang_up: Callable[[], Maybe[object]] | None = None
    close: Callable[[], Maybe[object]] = _nothing
    config: SerialConfig = field(default_factory=SerialConfig)
    missing: str | None = None
    refused: SerialConfig | None = None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found.

    Attributes:
        check: The check's name.
        clause: The clause of the contract that it is for, as numbered in docs/backends.md.
        outcome: Whether it passed.
        message: What was wrong, or why it was skipped.
    """

    check: str
    clause: str
    outcome: Literal["passed", "failed", "skipped"]
    message: str = ""


@dataclass(frozen=True, slots=True)
class BackendReport:
    """What all checks found; ``str`` gives a line for each."""

    results: tuple[CheckResult, ...]

    @property
    def failures(self) -> tuple[CheckResult, ...]:
        """The checks that failed."""
        return tuple(result for result in self.results if result.outcome == "failed")

    def __str__(self) -> str:
        """Return a line for each check."""
        return "\n".join(
            f"{entry.clause:<4}{entry.outcome:<8} {entry.check}{entry.message and ': '}{entry.message}"
            for entry in self.results
        )


class ConformanceError(AssertionError):
    """The backend does not keep the contract; the message lists each clause that it breaks.

    Attributes:
        report: What all checks found.
    """

    report: BackendReport

    def __init__(self, message: str, report: BackendReport) -> None:
        super().__init__(message)
        self.report = report


class Skipped(Exception):  # noqa: N818  # no error
    """The bench lacks what the check needs."""


def expect(condition: object, message: str) -> None:
    """Fail the check unless *condition* holds."""
    if not condition:
        raise AssertionError(message)


async def settled[T](value: Maybe[T]) -> T:
    """Return *value*, awaited if it has to be."""
    if inspect.isawaitable(value):
        return await value
    return value


class Subject:
    """A bench during one check."""

    def __init__(self, bench: BackendBench) -> None:
        self.bench = bench
        self.backend: Any = bench.backend

    @property
    def waits_itself(self) -> bool:
        """Whether it is an `AsyncSerialBackend`."""
        return bool(self.backend.kind == "self-waiting")

    async def call(self, name: str, *args: Any, **named: Any) -> Any:
        """Call a method of the backend, and await it if it is a coroutine."""
        return await settled(getattr(self.backend, name)(*args, **named))

    async def open(self, config: SerialConfig | None = None) -> None:
        """Open the backend."""
        await self.call("open", self.bench.path, self.bench.config if config is None else config)

    async def close(self) -> None:
        """Close the backend."""
        await self.call("aclose" if self.waits_itself else "close")

    async def hang_up(self) -> None:
        """Unplug the device."""
        if self.bench.hang_up is None:
            raise Skipped("the bench cannot hang up")
        await settled(self.bench.hang_up())

    async def far_send(self, data: bytes) -> None:
        """Send from the other end."""
        await settled(self.bench.send(data))

    async def far_receive(self, count: int) -> bytes:
        """Return exactly *count* bytes that arrive at the other end."""
        found = b""
        while len(found) < count:
            if part := await settled(self.bench.receive(count - len(found))):
                found += part
            else:
                await anyio.sleep(0.001)
        return found

    async def read(self, max_bytes: int = 4096) -> bytes:
        """Return what arrives next, as soon as there is anything."""
        if self.waits_itself:
            data: bytes = await self.backend.receive(max_bytes)
            return data
        while (found := self.backend.read(max_bytes)) is None:
            await anyio.sleep(0.001)
        return bytes(found)

    async def read_exactly(self, count: int) -> bytes:
        """Return the next *count* bytes that arrive."""
        found = b""
        while len(found) < count:
            found += await self.read(count - len(found))
        return found

    async def write_some(self, data: bytes) -> int:
        """Write some of *data*, and return how much."""
        if self.waits_itself:
            count: int = await self.backend.send(data)
            return count
        while (taken := self.backend.write(data)) is None:
            await anyio.sleep(0.001)
        return int(taken)

    async def write(self, data: bytes) -> None:
        """Write all of *data*."""
        while data:
            count = await self.write_some(data)
            expect(1 <= count <= len(data), f"a write of {len(data)} bytes reported {count}")
            data = data[count:]

    async def arrived(self, count: int) -> None:
        """Wait until the port has *count* bytes of input, where that can be told."""
        if self.waits_itself:
            return
        import select  # noqa: PLC0415  # not on every platform

        poll = select.poll()
        poll.register(self.backend.fileno(), select.POLLIN)
        while not poll.poll(0):
            await anyio.sleep(0.001)
        while (waiting := self._waiting()) is not None and waiting < count:
            await anyio.sleep(0.001)

    def _waiting(self) -> int | None:
        from anyserial.exceptions import UnsupportedFeatureError  # noqa: PLC0415

        try:
            return int(self.backend.input_waiting())
        except UnsupportedFeatureError:
            return None
