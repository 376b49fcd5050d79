"""Iterators that go on after an error."""

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ("Endless",)


class Endless[T]:
    """An iterator that an error does not end, as it would end a generator: the next ``next()`` tries again."""

    __slots__ = ("_next",)

    def __init__(self, following: "Callable[[], T]") -> None:
        """Take what returns the next item, and waits for it."""
        self._next = following

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> T:
        """Wait for the next item."""
        return self._next()
