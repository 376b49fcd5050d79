"""The URLs of network ports: ``tcp://host:port``, ``socket://host:port``, ``rfc2217://host:port?option=value``.

What is connected to, and how, is not known here.
"""

from typing import TYPE_CHECKING, NamedTuple, override
from urllib.parse import parse_qsl, urlsplit

from anyserial._checks import refusal
from anyserial.discovery import PortInfo
from anyserial.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.parse import SplitResult

__all__ = ("RFC2217_OPTIONS", "TCP_OPTIONS", "Address", "parse")

_LONGEST_WAIT = 3600.0  # seconds; more is a mistake
_HIGHEST_PORT = 65535
_LONGEST_PORT = 9  # digits, with leading zeros


class Address(NamedTuple):
    """What a URL says.

    Attributes:
        url: The URL as it was given; the port's path.
        host: A name, or an IPv4 or IPv6 address without brackets.
        port: The TCP port, 1 to 65535.
        options: The options, with their values converted.
    """

    url: str
    host: str
    port: int
    options: "Mapping[str, float | bool | str]"

    def describe(self, description: str) -> PortInfo:
        """Return what is known of the port there."""
        return PortInfo(device=self.url, name=str(self), description=description, transport="network")

    @override
    def __str__(self) -> str:
        """Return host and port, for messages: ``gateway:2217``, ``[::1]:2217``."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _seconds(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if 0 < value <= _LONGEST_WAIT:
        return value
    raise ConfigurationError(refusal(f"option {name}", f"a number of seconds above 0, at most {_LONGEST_WAIT:g}", text))


def _flag(name: str, text: str) -> bool:
    if text:
        raise ConfigurationError(refusal(f"option {name}", "written without a value", text))
    return True


def _anything(name: str, text: str) -> str:
    del name
    return text


TCP_OPTIONS: "Mapping[str, Callable[[str, str], float | bool | str]]" = {
    "connect_timeout": _seconds,
    "logging": _anything,  # pySerial's, without effect here
}
RFC2217_OPTIONS: "Mapping[str, Callable[[str, str], float | bool | str]]" = {
    **TCP_OPTIONS,
    "ign_set_control": _flag,
    "poll_modem": _flag,
    "timeout": _seconds,
}
"""The options that a URL may have, with what converts each one. The names are pySerial's where it has them."""


def parse(url: str, known: "Mapping[str, Callable[[str, str], float | bool | str]]") -> Address:
    """Return what *url* says.

    Args:
        url: The URL.
        known: The options that it may have.

    Raises:
        ConfigurationError: It lacks a host or a port, or says something that no network port has.
    """
    if any(character.isspace() or not character.isprintable() for character in url):
        raise _wrong(url, "it contains a space or a character that cannot be printed")
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise _wrong(url, str(exc)) from None
    _refuse_the_rest(url, parts)
    if not parts.hostname and parts.netloc.count(":") <= 1:
        raise _wrong(url, "it names no host")
    host, port = _host(url, parts), _port(url, parts)
    options: dict[str, float | bool | str] = {}
    for name, text in parse_qsl(parts.query, keep_blank_values=True):
        convert = known.get(name)
        if convert is None:
            raise _wrong(url, f"it has an unknown option {name!r}; known are {', '.join(known)}")
        if name in options:
            raise _wrong(url, f"it has the option {name} twice")
        options[name] = convert(name, text)
    return Address(url, host, port, options)


def _host(url: str, parts: "SplitResult") -> str:
    host = str(parts.hostname)
    if "[" in parts.netloc:
        if ":" not in host:
            raise _wrong(url, "brackets are for IPv6 addresses")
        address, percent, zone = host.partition("%")
        return address + percent + zone.removeprefix("25")  # RFC 6874 has the sign itself escaped
    if "%" in host:
        raise _wrong(url, "a host name is written without %; a zone belongs into brackets, as in [fe80::1%eth0]")
    return host


def _port(url: str, parts: "SplitResult") -> int:
    text = parts.netloc.rpartition("]")[2].partition(":")[2]
    if ":" in text:
        raise _wrong(url, "an IPv6 address is written in brackets, as in [::1]:2217")
    if not text:
        raise _wrong(url, "it names no TCP port, and there is no usual one")
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_PORT and 0 < int(text) <= _HIGHEST_PORT):
        raise _wrong(url, f"a TCP port is a number from 1 to {_HIGHEST_PORT}, and {text!r} is none")
    return int(text)


def _refuse_the_rest(url: str, parts: "SplitResult") -> None:
    if "@" in url:  # a password may contain what ends a host
        raise _wrong(url, "it has a user name or a password, and the protocol knows neither")
    if parts.path not in ("", "/") or parts.fragment:
        raise _wrong(url, "something follows the TCP port; options are written as ?name=value")


def _wrong(url: str, why: str) -> ConfigurationError:
    scheme = url.partition("://")[0]
    shown = url if "@" not in url else f"{scheme}://...@{url.rpartition('@')[2]}"  # a password is not for a log
    return ConfigurationError(f"path must be a URL such as {scheme}://host:2217 (got {shown!r}): {why}")
