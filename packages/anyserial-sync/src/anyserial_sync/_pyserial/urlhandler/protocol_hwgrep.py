"""``hwgrep://``: the port whose name, description or hardware ID matches, ``hwgrep://0403:6001&n=2``.

The options follow ``&``, the first one too, because a regular expression may have a ``?``.
"""

import os
from typing import TYPE_CHECKING, override

from anyserial_sync._pyserial import serialposix
from anyserial_sync._pyserial.serialutil import SerialException
from anyserial_sync._pyserial.tools.list_ports import grep
from anyserial_sync._pyserial.urlhandler._urls import set_port

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("Serial",)

SCHEME = "hwgrep://"


class Serial(serialposix.Serial):
    """A device's port that is looked up when it is named."""

    @property
    @override
    def port(self) -> str | None:
        """The device that was found. What is assigned is a ``hwgrep://`` URL."""
        return self._port

    @port.setter
    def port(self, value: str | os.PathLike[str] | None) -> None:
        set_port(self, None if value is None else self.from_url(os.fspath(value)))

    def from_url(self, url: str) -> str:
        """Return the device that a URL means.

        Raises:
            ValueError: There is an option that hwgrep:// does not have, or ``n`` is not a number from 1 on.
            SerialException: No port matches, or not as many as ``n``.
        """
        text = url[len(SCHEME) :] if url.lower().startswith(SCHEME) else url
        pattern, *options = text.split("&")
        number, skips_busy = _read(options)
        found = 0
        for device in _usable(pattern, skips_busy=skips_busy):
            found += 1
            if found == number:
                return device
        wanted = "" if number == 1 else f" as n={number} asks for (found {found})"
        raise SerialException(f"no ports found matching regexp {pattern!r}{wanted}")


def _read(options: list[str]) -> tuple[int, bool]:
    number, skips_busy = 1, False
    for option in options:
        name, _, value = option.partition("=")
        if name == "n":
            if not value.isdecimal() or int(value) < 1:
                raise ValueError(f"n must be a whole number, 1 for the first match (got {value!r})")
            number = int(value)
        elif name == "skip_busy":
            skips_busy = True
        else:
            raise ValueError(f"unknown option {name!r}; hwgrep:// has n and skip_busy")
    return number, skips_busy


def _usable(pattern: str, *, skips_busy: bool) -> "Iterator[str]":
    for info in grep(pattern):
        if skips_busy:
            try:
                serialposix.Serial(info.device, exclusive=True).close()
            except SerialException:
                continue
        yield info.device
