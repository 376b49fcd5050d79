"""Which port a session uses, and with which profile's options."""

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyserial_discovery
from anyserial import watch_serial_ports
from anyserial._spi import printable

from anyserial_cli._term._picker import pick
from anyserial_cli._term._profiles import Profile, ProfileError, config_path, load, profile_for
from anyserial_cli._term._program import run as run_session

if TYPE_CHECKING:
    import argparse

    from anyserial import SerialConfig

    from anyserial_cli._main import Parser

__all__ = ("choose", "run")

NO_PORT = 3


def run(arguments: "argparse.Namespace", device: str | None, config: "SerialConfig") -> int:
    """Run the session on *device* and return the exit status; that for no port if *device* is None."""
    if device is None:
        return NO_PORT
    arguments.port = device
    return anyio.run(run_session, arguments, config)


def choose(arguments: "argparse.Namespace") -> "tuple[argparse.Namespace, str | None]":
    """Return the arguments with those of the profile, and the path of the port; None if there is none.

    The arguments that were typed override the profile's.
    """
    source = config_path()
    parser: Parser = arguments.parser
    try:
        profiles = load(source)
    except ProfileError as exc:
        parser.error(str(exc))
    device: str | None = arguments.port
    if device is None:
        is_interactive = arguments.interactive and os.isatty(0) and os.isatty(1)
        device = anyio.run(pick, is_interactive, arguments.wait)
        if device is None:
            print("anyserial: no serial port was found or chosen; name one", file=sys.stderr)
            return arguments, None
    profile = profile_for(profiles, device, anyserial_discovery.list_ports()) if profiles else None
    if profile is None:
        _suggest(device, profiles)
        return arguments, device
    try:
        words = profile.words(parser, source)
    except ProfileError as exc:
        parser.error(str(exc))
    parser.parse_words(words, f"{source}: profile {profile.name}: ")  # an error is the profile's
    arguments = parser.parse_words([*words, *arguments.words])
    print(f"anyserial: profile {printable(profile.name)}", file=sys.stderr)
    if device == profile.name and profile.port is not None:
        device = _port_of(profile, wait=arguments.wait)
    elif device == profile.name:
        parser.error(f"{source}: profile {profile.name} names no port")
    return arguments, device


def _suggest(device: str, profiles: dict[str, Profile]) -> None:
    """Point at the profile that was meant by a name that is not a port."""
    import difflib  # noqa: PLC0415  # only a mistake needs it

    close = difflib.get_close_matches(device, profiles, n=1)
    if close and "/" not in device and not os.path.lexists(device):
        print(
            f"anyserial: there is no profile {printable(device)}; did you mean {printable(close[0])}?", file=sys.stderr
        )


def _port_of(profile: Profile, *, wait: bool) -> str | None:
    if profile.path is not None:
        return profile.path
    found = [port.device for port in anyserial_discovery.list_ports() if port.present and profile.matches(port)]
    wanted = f"{printable(profile.port or '')}, the port of profile {printable(profile.name)}"
    if not found and wait:
        print(f"anyserial: waiting for {wanted}", file=sys.stderr)
        return anyio.run(partial(_arrival, profile))
    if len(found) != 1:
        which = f"several are: {', '.join(map(printable, found))}" if found else "none is here"
        print(f"anyserial: {wanted}: {which}", file=sys.stderr)
        return None
    return found[0]


async def _arrival(profile: Profile) -> str:
    async with watch_serial_ports() as events:
        while True:
            event = await anext(events)
            if event.kind == "added" and profile.matches(event.port):
                return event.port.device
