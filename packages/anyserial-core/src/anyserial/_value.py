"""Immutable records whose fields are a table: what every program loads, without dataclasses' import cost.

The dataclasses module and its decorator, which compiles each method of each class separately,
would take 7 M instructions for `SerialConfig` and its parts, a third of loading core. Here the
methods are written once and shared.

The body of a record has one row for each field: a name, a type, and a `setting` with the default,
the check and the line of documentation. Everything else is made from these rows: the constructor,
the slots, ``repr`` and the docstring when the class is made, and in `_value_views`, when they are
first looked at, the signature and what dataclasses.fields, replace and asdict need. Records that
are loaded on demand are plain dataclasses.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NoReturn, Self, dataclass_transform, override

from anyserial.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    type Row = tuple[Any, Callable[[str, object], Any], str, bool]  # what `setting` was given

__all__ = ("Value", "setting")


def setting[T, D](default: D, check: "Callable[[str, object], T]", doc: str, *, brief: bool = False) -> T | D:
    """Describe one field, in the body of a subclass of `Value`.

    Args:
        default: What the field holds when nothing is given.
        check: Called with the field's name and what was given. It returns what the field
            holds, or raises TypeError or ValueError with a message made by `_checks.refusal`.
        doc: What the field is: whole sentences on one line.
        brief: Whether ``str`` of the record shows the field where it differs from the default.
    """
    # The type checkers see a default value, as with dataclasses.field.
    row: Any = default, check, doc, brief
    return row  # type: ignore[no-any-return]


def _views() -> Any:
    from anyserial import _value_views  # noqa: PLC0415  # it loads dataclasses

    return _value_views


class _Table(type):
    """The class of records: it takes the rows out of the body, where a slot cannot share a name with a value."""

    __rows__: "Mapping[str, Row]"

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> Any:
        if not bases:
            body["__rows__"] = {}
        # A user's subclass of a record is left as it is.
        elif isinstance(bases[0], _Table) and not bases[0].__rows__:
            fields = [field for field, row in body.items() if row.__class__ is tuple and field[:2] != "__"]
            body["__rows__"] = {field: body.pop(field) for field in fields}
            body["__slots__"] = tuple(fields)
        return super().__new__(cls, name, bases, body)

    @property
    def __doc__(cls) -> Any:  # type: ignore[override]  # pyright: ignore[reportIncompatibleVariableOverride]
        return _views().doc(cls)

    @property
    def __signature__(cls) -> Any:
        return _views().signature(cls)

    @property
    def __dataclass_fields__(cls) -> Any:
        return _views().dataclass_fields(cls)


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Value(metaclass=_Table):
    """An immutable record: compared, hashed, printed and pickled by its fields."""

    __slots__ = ()

    @property
    def __dataclass_fields__(self) -> Any:
        return _views().dataclass_fields(type(self))

    def __init__(self, *args: object, **fields: Any) -> None:
        cls = type(self)
        if args:
            raise TypeError(_views().positional(cls, args[0]))
        cls._check_names(fields, TypeError)
        for name, (default, check, _, _) in cls.__rows__.items():
            value = default
            if name in fields:
                try:
                    value = check(name, fields[name])
                except (TypeError, ValueError) as exc:
                    raise ConfigurationError(str(exc)) from None
            object.__setattr__(self, name, value)

    @override
    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise _views().FrozenInstanceError(f"cannot assign to field {name!r}")

    @override
    def __delattr__(self, name: str) -> NoReturn:
        raise _views().FrozenInstanceError(f"cannot delete field {name!r}")

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
        """Return the call that builds an equal record: only what differs from the defaults."""
        cls = type(self)
        # A subclass with a constructor of its own may have other defaults.
        own = cls.__init__ is not Value.__init__
        shown = zip(cls.__rows__, self.__getstate__(), strict=True) if own else self._changed()
        return f"{cls.__qualname__}({', '.join(f'{name}={_spelled(value)}' for name, value in shown)})"

    @override
    def __getstate__(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in type(self).__rows__])

    def __setstate__(self, state: tuple[object, ...]) -> None:
        for name, value in zip(type(self).__rows__, state, strict=True):
            object.__setattr__(self, name, value)

    def __replace__(self, **changes: Any) -> Self:
        """Return a copy with some fields changed; for copy.replace."""
        return type(self)(**(dict(zip(type(self).__rows__, self.__getstate__(), strict=True)) | changes))

    @classmethod
    def _check_names(cls, fields: "Mapping[str, Any]", error: type[Exception]) -> None:
        """Raise *error* unless every name is that of a field."""
        if not fields.keys() <= cls.__rows__.keys():
            raise error(_views().no_such_field(cls, fields))

    def _changed(self) -> "Iterator[tuple[str, Any]]":
        """Yield the name and the value of each field that differs from its default."""
        for name, (default, _, _, _) in type(self).__rows__.items():
            value = getattr(self, name)
            if value != default:
                yield name, value

    def _words(self) -> "Iterator[str]":
        """Yield a word for each brief field that differs from its default, for ``__str__``."""
        for name, value in self._changed():
            _, _, _, brief = type(self).__rows__[name]
            if brief:
                yield name if value is True else str(value) if isinstance(value, Value) else f"{name}={value}"


def _spelled(value: object) -> str:
    """Return a field's value as a user writes it: a number or a word instead of an enum's member."""
    if not isinstance(value, StrEnum):
        return repr(value)
    word: str = value.value
    return word if word[0].isdigit() else repr(word)
