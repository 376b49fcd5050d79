"""A clock that jumps: an event loop on it sleeps in no time.

When every task waits and no descriptor is ready, nothing can happen before the next timer. So instead of
sleeping until then, the loop's clock is set to it. asyncio gets an event loop whose `time` and selector do
that; trio has such a clock, and gets it with one addition: both wait in real time while a task waits for a worker
thread of anyserial, because its result is something that can still happen.

Simulated devices are not known here.
"""

import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from weakref import WeakSet

from anyserial._spi import awaited, check_seconds, virtual
from anyserial.exceptions import ConfigurationError

if TYPE_CHECKING:
    import asyncio

__all__ = ("VirtualClock",)

_BACKENDS: Final = ("asyncio", "trio")
_ours: Final = WeakSet[object]()  # event loops and trio's clocks that belong to a VirtualClock


class VirtualClock:
    """A clock for an event loop that jumps to the next timer whenever nothing else can happen.

    Everything in the loop runs on it: `anyio.sleep`, `anyio.fail_after`, `asyncio.sleep`, trio's own, and
    the delays and the pacing of simulated devices. A test of a ten-second exchange then takes milliseconds,
    and takes ten seconds to the microsecond by the loop's clock.

        clock = VirtualClock()
        clock.run(main)
        print(clock.now)

    With AnyIO's pytest plugin, an ``anyio_backend`` fixture returns ``("asyncio", VirtualClock().backend_options())``
    or ``("trio", VirtualClock().backend_options("trio"))``. uvloop's clock cannot be replaced.

    So do the timestamps and deadlines of anyserial itself in that loop: `SerialPort.receive_with_time`, frames
    that end with a silence, exchanges, taps and records.

    What does not run on it: `time.sleep`, `time.monotonic`, other processes, and therefore
    `virtual_serial_port`; and the blocking ports of `anyserial.sync`, whose callers wait in their own threads.
    While a task waits for a thread of anyserial, or for ``loop.run_in_executor`` (`asyncio.to_thread`), the clock
    does not jump. It cannot see other threads: give it *patience* if the code under test waits for those.

    Args:
        patience: Seconds of real time for which descriptors and threads may still bring news before each jump.

    Raises:
        ConfigurationError: *patience* is not valid.
    """

    def __init__(self, *, patience: float = 0.0) -> None:
        try:
            self._patience = check_seconds("patience", patience)
        except (TypeError, ValueError) as exc:
            raise ConfigurationError(str(exc)) from None
        if _clock_here not in virtual:
            virtual.append(_clock_here)
        self._now = 0.0
        self._jumps = 0
        self._calls = 0

    def __repr__(self) -> str:
        """Return the time."""
        return f"<{type(self).__name__} at {self._now:.6f} s>"

    @property
    def now(self) -> float:
        """The time of the loop that ran last, in seconds; a clock begins at 0."""
        return self._now

    @property
    def jumps(self) -> int:
        """How often the clock has jumped."""
        return self._jumps

    def run[*Args, T](
        self, main: Callable[[*Args], Awaitable[T]], *args: *Args, backend: Literal["asyncio", "trio"] = "asyncio"
    ) -> T:
        """Run an async function with these arguments, as `anyio.run` does, on this clock.

        Args:
            main: The async function.
            args: Its positional arguments.
            backend: ``"asyncio"`` or ``"trio"``.

        Raises:
            ConfigurationError: There is no such backend.
        """
        options = dict(self.backend_options(backend))
        if backend == "trio":
            # Not by `anyio.run`: before AnyIO 4.14 it does not pass the options on to trio.
            import trio  # noqa: PLC0415  # slow to import

            return trio.run(_called, main, args, **options)
        import anyio  # noqa: PLC0415  # slow to import

        return anyio.run(main, *args, backend=backend, backend_options=options)

    def backend_options(self, backend: Literal["asyncio", "trio"] = "asyncio") -> Mapping[str, Any]:
        """Return ``backend_options`` for `anyio.run`, and for AnyIO's pytest plugin.

        Before AnyIO 4.14, `anyio.run` ignores the options of trio: use `run` there.

        Args:
            backend: ``"asyncio"`` or ``"trio"``.

        Raises:
            ConfigurationError: There is no such backend.
        """
        if backend not in _BACKENDS:
            raise ConfigurationError(
                f"backend must be one of {', '.join(map(repr, _BACKENDS))}: no other has a clock that can be replaced"
                f" (got {backend!r})"
            )
        if backend == "asyncio":
            return {"loop_factory": self.new_event_loop}
        from anyserial_testing._virtual_trio import trio_options  # noqa: PLC0415  # only where trio runs

        options = trio_options(self)
        _ours.add(options["clock"])
        return options

    def new_event_loop(self) -> "asyncio.AbstractEventLoop":
        """Return an asyncio event loop on this clock, for `asyncio.run` and others that take a ``loop_factory``."""
        from anyserial_testing._virtual_loop import VirtualEventLoop  # noqa: PLC0415  # asyncio is slow to import

        loop = VirtualEventLoop(self)
        _ours.add(loop)
        return loop

    # For the event loops

    def jump(self, seconds: float) -> None:
        """Move on by *seconds*."""
        self.jump_to(self._now + seconds)

    def jump_to(self, now: float) -> None:
        """Move on to a time."""
        self._now = now
        self._jumps += 1

    def count_call(self, change: int) -> None:
        """Note that a call in a thread has begun (1) or ended (-1)."""
        self._calls += change

    @property
    def must_wait(self) -> bool:
        """Whether a call waits for a thread that is still running."""
        return self._calls > 0 or bool(awaited)

    @property
    def patience(self) -> float:
        """Seconds of real time before each jump."""
        return self._patience


async def _called[*Args, T](main: Callable[[*Args], Awaitable[T]], args: tuple[*Args]) -> T:
    return await main(*args)


def _clock_here() -> Callable[[], float] | None:
    """Return the virtual clock that drives this thread's event loop, or None if none does."""
    # Neither module is imported here: the one whose event loop runs is there.
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    with suppress(RuntimeError):
        if asyncio is not None and (loop := asyncio.get_running_loop()) in _ours:
            return cast("Callable[[], float]", loop.time)
    with suppress(RuntimeError):
        if trio is not None and (clock := trio.lowlevel.current_clock()) in _ours:
            return cast("Callable[[], float]", clock.current_time)
    return None
