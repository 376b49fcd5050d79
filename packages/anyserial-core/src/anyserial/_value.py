"""Immutable records for what every program loads: dataclasses without their import cost.

The dataclasses module and its decorator, which compiles each method of each class anew,
would take 7 M instructions for `SerialConfig` and its parts, a third of loading core.
Here the methods are written once and shared, and `__dataclass_fields__` is made when it
is first looked at, so that dataclasses.fields, replace and asdict work as ever. Records
that are loaded on demand are plain dataclasses. What a field may hold is not this
module's business.
"""

from typing import Any, NoReturn, dataclass_transform, override

__all__ = ("Value", "value_class")


class _Fields:
    """Makes ``__dataclass_fields__`` of a class when it is asked for."""

    def __get__(self, instance: object, owner: type["Value"]) -> dict[str, Any]:
        from dataclasses import make_dataclass  # noqa: PLC0415  # the point of this module

        names = owner.names()
        twin: Any = make_dataclass(
            owner.__name__, [(name, owner.__annotations__[name]) for name in names], kw_only=True
        )
        fields: dict[str, Any] = twin.__dataclass_fields__
        type.__setattr__(owner, "__dataclass_fields__", fields)
        return fields


class Value:
    """An immutable record: compared, hashed, printed and pickled by its fields.

    A subclass has its fields as annotations and, in the same order, as ``__slots__``, and
    an ``__init__`` that sets them with object.__setattr__.
    """

    __slots__ = ()
    __dataclass_fields__ = _Fields()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of the fields, in their order."""
        return tuple(cls.__slots__)

    @override
    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise _frozen(f"cannot assign to field {name!r}")

    @override
    def __delattr__(self, name: str) -> NoReturn:
        raise _frozen(f"cannot delete field {name!r}")

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Value) or other.__class__ is not self.__class__:
            return NotImplemented
        return self.__getstate__() == other.__getstate__()

    @override
    def __hash__(self) -> int:
        return hash((self.__class__, self.__getstate__()))

    @override
    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.names())
        return f"{self.__class__.__qualname__}({fields})"

    @override
    def __getstate__(self) -> tuple[object, ...]:
        return tuple(getattr(self, name) for name in self.names())

    def __setstate__(self, state: tuple[object, ...]) -> None:
        for name, value in zip(self.names(), state, strict=True):
            object.__setattr__(self, name, value)

    def __replace__(self, **changes: Any) -> "Value":
        """Return a copy with some fields changed; for copy.replace."""
        return type(self)(**(dict(zip(self.names(), self.__getstate__(), strict=True)) | changes))


def _frozen(message: str) -> AttributeError:
    from dataclasses import FrozenInstanceError  # noqa: PLC0415

    return FrozenInstanceError(message)


@dataclass_transform(kw_only_default=True, frozen_default=True)
def value_class[T: Value](cls: type[T]) -> type[T]:
    """Mark a subclass of `Value` as a frozen dataclass, for the type checkers."""
    return cls
