"""Profiles: names for ports and their options, from ``~/.config/anyserial/config.toml``.

Each table of the file is a profile. Its keys are the long options of ``anyserial term``, and ``port`` and
``settings``::

    [board]
    port = "0403:6001"
    settings = "115200,8N1"
    dtr = "off"
"""

import difflib
import fnmatch
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyserial_cli._term._settings import parse_settings

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from anyserial import PortInfo

__all__ = ("Profile", "ProfileError", "config_path", "load", "profile_for")

_USB_IDS = re.compile(r"([0-9a-fA-F]{4}):([0-9a-fA-F]{4})")
# Keys that a profile cannot have: the port has a key of its own, and only a script has an order of steps.
_NOT_IN_A_PROFILE = frozenset({"help", "profile-settings", "expect", "send", "send-line", "send-file", "receive-file"})
# Options of `anyserial term` that `anyserial expect` does not have, and needs not: one profile serves both.
_FOR_A_KEYBOARD = frozenset({"mode", "echo", "menu-key", "no-status", "exit-after", "stay"})


class ProfileError(Exception):
    """The file or a profile is wrong; the message says where and how."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One profile.

    Attributes:
        name: Its name.
        port: A path, a pattern of by-id names, or ``vid:pid``; None if it is for any port.
        settings: Settings in the short form; empty for none.
        options: The options of ``anyserial term``, by their long names.
    """

    name: str
    port: str | None
    settings: str
    options: dict[str, Any]

    @property
    def path(self) -> str | None:
        """The port's path, if the profile names one port by its path."""
        port = self.port
        return os.path.expanduser(port) if port is not None and "/" in port and not _is_pattern(port) else None  # noqa: PTH111

    def matches(self, port: "PortInfo") -> bool:
        """Return whether *port* is the profile's."""
        wanted = self.port
        if wanted is None:
            return False
        if ids := _USB_IDS.fullmatch(wanted):
            return (port.vid, port.pid) == (int(ids[1], 16), int(ids[2], 16))
        by_id, by_path = port.by_id or "", port.by_path or ""
        if "/" in wanted:
            return any(fnmatch.fnmatchcase(name, wanted) for name in (port.device, by_id, by_path) if name)
        return bool(by_id) and fnmatch.fnmatchcase(by_id.rpartition("/")[2], wanted)

    def words(self, parser: "argparse.ArgumentParser", source: Path) -> list[str]:
        """Return the options as they would be typed.

        Raises:
            ProfileError: There is no such option, or its value has the wrong type.
        """
        known = {
            option[2:]: action
            for action in parser._actions  # noqa: SLF001  # argparse has no other way to ask
            for option in action.option_strings
            if option.startswith("--") and option[2:] not in _NOT_IN_A_PROFILE
        }
        try:
            parse_settings(self.settings)
        except ValueError as exc:
            raise ProfileError(f"{source}: profile {self.name}: settings: {exc}") from exc
        words = [f"--profile-settings={self.settings}"] if self.settings else []
        for name, value in self.options.items():
            where = f"{source}: profile {self.name}: {name}"
            if name not in known and name in _FOR_A_KEYBOARD:
                continue  # `anyserial expect` has none
            if name not in known:
                close = difflib.get_close_matches(name, [*known, "port", "settings"], n=1)
                raise ProfileError(f"{where} is not an option" + (f"; did you mean {close[0]}?" if close else ""))
            takes_value = known[name].nargs != 0
            if isinstance(value, bool) == takes_value or not isinstance(value, bool | int | float | str):
                raise ProfileError(f"{where} must be {'a text or a number' if takes_value else 'true or false'}")
            if takes_value:
                words.append(f"--{name}={value}")
            elif value:
                words.append(f"--{name}")
        return words


def _is_pattern(text: str) -> bool:
    return any(char in text for char in "*?[")


def config_path() -> Path:
    """Return where the file is, whether there is one or not."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(folder).expanduser() / "anyserial" / "config.toml"


def load(path: Path) -> dict[str, Profile]:
    """Return the profiles in the file at *path*, by name; none if there is no file.

    Raises:
        ProfileError: The file cannot be read, is not TOML, or holds something else than profiles.
    """
    import tomllib  # noqa: PLC0415  # only if there is a file

    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise ProfileError(f"{path}: {exc.strerror}") from exc
    except ValueError as exc:
        raise ProfileError(f"{path}: {exc}") from exc
    profiles: dict[str, Profile] = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ProfileError(f"{path}: {name} stands outside a profile; put it below a line such as [board]")
        options: dict[str, Any] = {**table}
        port, settings = options.pop("port", None), options.pop("settings", "")
        for key, value in (("port", port), ("settings", settings)):
            if value is not None and not isinstance(value, str):
                raise ProfileError(f"{path}: profile {name}: {key} must be a text")
        profiles[name] = Profile(name, port, settings, options)
    return profiles


def profile_for(profiles: "dict[str, Profile]", named: str, ports: "Sequence[PortInfo]") -> Profile | None:
    """Return the profile that is called *named*, or the first one whose port *named* is; None if there is none.

    Args:
        profiles: All of them.
        named: What the user typed, or the path that was chosen.
        ports: The ports of this host.
    """
    if named in profiles:
        return profiles[named]
    real = os.path.realpath(named)
    info = next((port for port in ports if os.path.realpath(port.device) == real), None)
    for profile in profiles.values():
        if profile.path is not None:
            if os.path.realpath(profile.path) == real:
                return profile
        elif info is not None and profile.matches(info):
            return profile
    return None
