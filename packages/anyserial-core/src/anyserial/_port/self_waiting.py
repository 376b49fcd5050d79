"""The transport of an `AsyncSerialBackend`, which waits by itself: its calls return awaitables.

Waiting for them is each face's; see `transport` for how a port chooses.
"""

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from anyserial._port.engine import Call
from anyserial._port.transport import line_counts, nothing, nothing_onto
from anyserial.exceptions import UnsupportedFeatureError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import anyio

    from anyserial._port.contract import Items, LinesSeen, OnWorker
    from anyserial._port.engine import Steps
    from anyserial.backend import AsyncSerialBackend
    from anyserial.capabilities import SerialCapabilities
    from anyserial.config import SerialConfig

__all__ = ("SelfWaitingTransport",)


class SelfWaitingTransport:
    """An `AsyncSerialBackend`: the backend waits by itself, so an attempt never finds anything.

    The exceptions are what a backend may have beside the contract: `send_now`, and `receive_now`.
    """

    has_descriptor = False

    def __init__(self, backend: "AsyncSerialBackend") -> None:
        self.backend: AsyncSerialBackend = backend
        self.read: Callable[[int], bytes | None] = nothing
        self.read_into: Callable[[memoryview], int | None] = nothing
        self.read_onto: Callable[[Items, int], bool] = nothing_onto
        self.write: Callable[[bytes | memoryview], int | None] = getattr(backend, "send_now", nothing)
        self.write_onto: Callable[[list[int], bytes | memoryview], bool] = nothing_onto
        self.readers: dict[int, Iterator[bytes]] | None = None
        self.writer: Iterator[int] | None = None
        self.outbox: list[bytes | memoryview] = []
        self._settings: tuple[object, anyio.Lock] | None = None

    def replace_backend(self, backend: "AsyncSerialBackend") -> None:
        """See `Transport`."""
        self.backend = backend
        self.write = getattr(backend, "send_now", nothing)

    def read_failed(self, error: OSError) -> None:
        """See `Transport`; there is no step that could fail."""

    write_failed = read_failed

    @property
    def capabilities(self) -> "SerialCapabilities":
        """See `Transport`."""
        return self.backend.capabilities

    @property
    def actual_baudrate(self) -> int | None:
        """See `Transport`."""
        return self.backend.actual_baudrate

    def fileno(self) -> None:
        """See `Transport`."""

    watched = share = fileno

    def hung_up(self) -> bool:
        """See `Transport`."""
        return False

    def read_the_rest(self, items: "Items", size: int) -> None:
        """See `Transport`."""
        receive_now: Callable[[int], bytes | None] | None = getattr(self.backend, "receive_now", None)
        while receive_now is not None and (data := receive_now(size)):
            items.append(data)

    def input_waiting(self) -> int:
        """See `Transport`."""
        return self.backend.input_waiting()

    def output_waiting(self) -> int:
        """See `Transport`."""
        return self.backend.output_waiting()

    def check_alive(self, path: str) -> None:  # noqa: ARG002  # see `Transport`
        """See `Transport`."""
        try:
            self.backend.output_waiting()
        except UnsupportedFeatureError:
            return

    def configure(self, config: "SerialConfig", adopt: "Callable[[], None]") -> Call:
        """See `Transport`."""
        from anyio import Lock  # noqa: PLC0415  # few backends wait by themselves, and this is slow to import

        from anyserial._readiness import native_token  # noqa: PLC0415

        async def apply() -> None:
            # A lock belongs to one event loop, and a port changes its event loop only while it is not in use.
            loop = native_token()
            if self._settings is None or self._settings[0] is not loop:
                self._settings = loop, Lock()
            async with self._settings[1]:
                await self.backend.configure(config)
                adopt()

        return Call(apply)

    def drain(self, baudrate: int) -> "Steps[None]":  # noqa: ARG002  # see `Transport`
        """See `Transport`."""
        yield Call(self.backend.drain)

    def drain_exact(self, baudrate: int) -> "Steps[None]":  # noqa: ARG002  # see `Transport`
        """See `Transport`."""
        yield Call(self.backend.drain_exact)

    def look_at_lines(self, *, counting: bool) -> Call:
        """See `Transport`."""

        async def look() -> "LinesSeen":
            lines = await self.backend.modem_lines()
            if counting:
                with suppress(UnsupportedFeatureError):
                    return lines, line_counts(await self.backend.line_counters())
            return lines, None

        return Call(look)

    def modem_change(self, since: "LinesSeen") -> Call | None:
        """See `Transport`."""
        wait: Callable[..., Awaitable[None]] | None = getattr(self.backend, "wait_modem_change", None)
        if wait is None or (counts := since[1]) is None:
            return None

        async def change() -> "LinesSeen":
            await wait(since[0], counts)
            return await self.backend.modem_lines(), line_counts(await self.backend.line_counters())

        return Call(change)

    def discard_output(self) -> None:
        """See `Transport`; the backend's `aclose` does that."""

    def on_worker(self, function: "Callable[[], Any]") -> "OnWorker":
        """See `Transport`; the blocking face has a transport of its own for this."""
        raise NotImplementedError

    def close(self) -> None:
        """See `Transport`: the backend's close is awaited by the face, in its event loop."""
