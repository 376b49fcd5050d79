"""What is made from a record's table for readers, for tools and for callers that misspell a field.

No program that works needs this module, which loads dataclasses and inspect.
"""

from collections.abc import Iterable
from dataclasses import Field, FrozenInstanceError, field, make_dataclass
from functools import cache
from inspect import Parameter, Signature, get_annotations
from typing import Any

from anyserial._config_hints import NAMES
from anyserial._value import Value

__all__ = ("FrozenInstanceError", "dataclass_fields", "doc", "no_such_field", "positional", "signature")


_RAISES = """
Raises:
    ConfigurationError: A value is not valid; the message names the field, what is accepted and
        the value.
    TypeError: There is no such field.
"""


def doc(cls: type[Value]) -> str | None:
    """Return ``__doc__``: what is written in the class; for a record also the lines of its table."""
    written: str | None = vars(cls)["__doc__"]
    if not vars(cls).get("__rows__"):
        return written
    lines = "".join(f"    {name}: {line}\n" for name, (_, _, line, _) in cls.__rows__.items())
    # Nothing is written under python -OO.
    return f"{(written or cls.__name__).rstrip()}\n\nAttributes:\n{lines}{_RAISES}"


@cache
def dataclass_fields(cls: type[Value]) -> dict[str, Field[Any]]:
    """Return ``__dataclass_fields__``, always the same dictionary for one class."""
    types = _types(cls)
    rows = [(name, types[name], field(default=default)) for name, (default, _, _, _) in cls.__rows__.items()]
    twin: Any = make_dataclass(cls.__name__, rows, kw_only=True)
    fields: dict[str, Field[Any]] = twin.__dataclass_fields__
    return fields


def signature(cls: type[Value]) -> Signature:
    """Return ``__signature__``: the fields as keywords.

    Raises:
        AttributeError: *cls* has a constructor of its own, which inspect reads by itself.
    """
    if cls.__init__ is not Value.__init__:
        raise AttributeError("__signature__")
    types = _types(cls)
    return Signature(
        [
            Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=types[name])
            for name, (default, _, _, _) in cls.__rows__.items()
        ]
    )


def positional(cls: type[Value], given: object) -> str:
    """Return the message about an argument without a name."""
    first = next(iter(cls.__rows__))
    return f"{cls.__name__} takes no positional arguments; name the field, as in {cls.__name__}({first}={given!r})"


def no_such_field(cls: type[Value], names: Iterable[str]) -> str:
    """Return the message about the first name that is not a field's, with what to write if that can be guessed."""
    rows = cls.__rows__
    name = next(name for name in names if name not in rows)
    bare = name.replace("_", "").lower()
    meant = next((known for known in rows if known.replace("_", "") == bare), None) or NAMES.get(bare)
    hint = f"write {meant}. Its" if meant else "its"
    return f"{cls.__name__} has no field {name!r}; {hint} fields are {', '.join(rows)}"


def _types(cls: type) -> dict[str, Any]:
    return {name: kind for base in reversed(cls.__mro__) for name, kind in get_annotations(base).items()}
