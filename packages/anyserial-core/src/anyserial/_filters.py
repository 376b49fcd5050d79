"""The filters by which a port is found: their names, and what each accepts.

They are checked where the caller gives them, so that a mistake is an error before any port is looked for. What
matches is the discovery part's business.
"""

import os
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ("checked_filters",)

_NUMBERS = {"vid": 0xFFFF, "pid": 0xFFFF, "interface_number": 0xFF}
_TEXTS = frozenset({"serial_number", "location", "manufacturer", "product"})


def checked_filters(filters: "Mapping[str, object]") -> dict[str, object]:
    """Return those of *filters* that are not None, a path as a string.

    Raises:
        TypeError: A value has the wrong type, or there is no such filter.
        ValueError: A number is out of its range.
    """
    checked: dict[str, object] = {}
    for name, value in filters.items():
        if value is None:
            continue
        if name == "device":
            checked[name] = _path(value)
            continue
        if name in _NUMBERS:
            _check_number(name, value)
        elif name not in _TEXTS:
            raise TypeError(f"there is no filter {name!r}")
        elif not isinstance(value, str):
            raise TypeError(f"{name} must be a str, not {type(value).__name__} {value!r}")
        checked[name] = value
    return checked


def _path(device: object) -> str:
    path: object = os.fspath(cast("os.PathLike[str]", device)) if isinstance(device, os.PathLike) else device
    if not isinstance(path, str):
        raise TypeError(f"device must be a str or a path, not {type(path).__name__} {path!r}")
    return path


def _check_number(name: str, value: object) -> None:
    highest = _NUMBERS[name]
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int from 0 to {highest:#x}, not {type(value).__name__} {value!r}")
    if not 0 <= value <= highest:
        raise ValueError(f"{name} must be from 0 to {highest:#x}, not {value:#x}")
