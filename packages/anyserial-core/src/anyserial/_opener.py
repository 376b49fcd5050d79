"""What the async openers return: a coroutine that can be entered as well.

`Opener` opens nothing itself. It is a shell around the coroutine that opens, and adds ``async with``, a
warning for a call that was forgotten, and errors that name the port.
"""

import warnings
from collections.abc import Coroutine
from types import CoroutineType
from typing import TYPE_CHECKING, Any, cast, override

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import TracebackType

    from anyserial._opening import Opening
    from anyserial.stream import SerialPort

__all__ = ("Opener",)


class Opener[P: "SerialPort"](Coroutine[Any, Any, P]):
    """An open that is under way once it is awaited, entered or started as a task; each of them once.

    - ``port = await opener`` gives the open port.
    - ``async with opener as port:`` also closes the port when the block ends, whatever the reason.
    - It is a coroutine wherever one is wanted: `asyncio.create_task`, a task group, a nursery.
    """

    __slots__ = ("__weakref__", "_call", "_coroutine", "_is_taken", "_opening")

    def __init__(self, name: str, opening: "Opening", coroutine: "CoroutineType[Any, Any, P]") -> None:
        """Take what is opened, and *coroutine*, which opens it.

        Args:
            name: The function that was called, for messages.
            opening: What is opened. It knows the port as soon as that is open.
            coroutine: Not begun yet; it returns the port.
        """
        self._call = f"{name}({opening.device!r})"
        self._opening: Opening | None = opening
        self._coroutine = coroutine
        self._is_taken = False

    # Awaited

    @override
    def __await__(self) -> "Generator[Any, Any, P]":
        self._take()
        self._opening = None  # which knows the port, and would keep a forgotten one from being collected
        return self._coroutine.__await__()

    # Entered

    # Python's own type of coroutines here and below: pyright expects what an `async def` returns.

    def __aenter__(self) -> "CoroutineType[Any, Any, P]":
        """Open the port and return it; leaving the block closes it."""
        self._take()
        return self._coroutine  # without a coroutine in between, which would be one more frame in a traceback

    def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: "TracebackType | None",
    ) -> "CoroutineType[Any, Any, None]":
        """Close the port."""
        opening, self._opening = self._opening, None
        if opening is None or opening.port is None:
            raise RuntimeError(f"{self._call} was not entered, so there is no port to close")
        port = cast("P", opening.port)
        return port.__aexit__(exc_type, exc_val, exc_tb)  # type: ignore[return-value]  # mypy knows the base class only

    # Started as a task

    @override
    def send(self, value: Any, /) -> Any:
        """Run until the next pause; as the method of a coroutine.

        Raises:
            TypeError: *value* is something to send to a port, and this is none yet.
        """
        if value is not None and self._is_new():
            raise TypeError(
                f"{self._call} is not a port until it is awaited: write 'async with {self._call} as port:', or await it"
            )
        return self._coroutine.send(value)

    @override
    def throw(self, *args: Any) -> Any:
        """Raise an exception where the coroutine pauses; as the method of a coroutine."""
        return self._coroutine.throw(*args)

    @override
    def close(self) -> None:
        """Give up; as the method of a coroutine. If nothing was begun, nothing was opened."""
        self._coroutine.close()

    if not TYPE_CHECKING:  # where these would hide the names that do not exist

        def __enter__(self) -> Any:
            self._is_taken = True  # nothing was forgotten
            self._coroutine.close()
            raise TypeError(
                f"{self._call} opens an async port: write 'async with', or use anyserial.sync, whose ports are blocking"
            )

        def __exit__(self, *_: object) -> None:
            """Exist: 'with' looks for this before it calls `__enter__`."""

        @property
        def __class__(self) -> type:
            # inspect.iscoroutine accepts only Python's own type, and AnyIO 4.11 calls it for `start_soon`.
            return CoroutineType

        def __getattr__(self, name: str) -> Any:
            if name in {"__name__", "__qualname__"}:
                return self._call
            if name.startswith("_"):
                raise AttributeError(name)
            if name.startswith("cr_"):  # event loops and inspect look at these of a task's coroutine
                return getattr(self._coroutine, name)
            raise AttributeError(
                f"{self._call} has no attribute {name!r}: it is not a port until it is awaited:"
                f" write 'async with {self._call} as port:', or await it",
                name=name,
                obj=self,
            )

    @override
    def __repr__(self) -> str:
        return f"<{self._call}: {'not awaited' if self._is_new() else 'awaited'}>"

    def _is_new(self) -> bool:
        coroutine: Any = self._coroutine
        return not (self._is_taken or coroutine.cr_running or coroutine.cr_suspended or coroutine.cr_frame is None)

    def _take(self) -> None:
        if not self._is_new():
            raise RuntimeError(f"{self._call} was awaited already: call it again to open the port again")
        self._is_taken = True

    # Bound here, because a finalizer may run after the interpreter has cleared its modules.
    def __del__(self, _warn: Any = warnings.warn) -> None:
        """Warn if nothing was opened because the call was forgotten."""
        if not getattr(self, "_is_taken", True) and self._is_new():  # the constructor may have been interrupted
            self._coroutine.close()  # or Python warns as well, without the path
            _warn(
                f"{self._call} was never awaited, so the port was not opened:"
                f" write 'async with {self._call} as port:', or await it",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )
