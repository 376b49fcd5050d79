"""What happens to a setting that a network port does not have: `SerialConfig.unsupported_policy`.

Which settings those are is for the callers to find out.
"""

import errno
import warnings
from typing import TYPE_CHECKING

from anyserial._printable import printable
from anyserial.config import SerialConfig, UnsupportedPolicy
from anyserial.exceptions import UnsupportedConfigurationError, UnsupportedFeatureError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ("beyond_the_line", "lacks", "refuse_values", "unconfirmed", "unusual")

_HINT = "to go on without it, set unsupported_policy to 'warn' or 'ignore'"
_DEFAULTS = SerialConfig()
_LINE_SETTINGS = ("baudrate", "byte_size", "parity", "stop_bits", "flow_control")
_HOST_SETTINGS = ("exclusive", "rs485")  # of the system that has the hardware
_LINES = ("dtr_on_open", "rts_on_open", "line_errors")


def _named(config: SerialConfig, names: "Sequence[str]") -> list[str]:
    found: list[str] = []
    for name in names:
        value = getattr(config, name)
        if value != getattr(_DEFAULTS, name):
            found.append(f"{name}={value}")
    return found


def unusual(config: SerialConfig) -> list[str]:
    """Return the settings of *config* that a mere stream of bytes cannot have, unless they are the defaults."""
    return _named(config, (*_LINE_SETTINGS, *_HOST_SETTINGS, *_LINES))


def beyond_the_line(config: SerialConfig) -> list[str]:
    """Return the settings of *config* that RFC 2217 has no command for, unless they are the defaults."""
    return _named(config, _HOST_SETTINGS)


def lacks(config: SerialConfig, what: str, features: "Sequence[str]", path: str) -> None:
    """Deal with mechanisms that do not exist on this port.

    Args:
        config: Whose policy decides.
        what: What lacks them: "a raw TCP connection".
        features: What is lacking; nothing happens if empty.
        path: The port's path.

    Raises:
        UnsupportedFeatureError: The policy is RAISE.
    """
    if features and (message := _message(config, f"{what} has no {', '.join(features)}", path)):
        raise UnsupportedFeatureError(errno.ENOTSUP, message, path)


def refuse_values(config: SerialConfig, found: "Sequence[str]", path: str) -> None:
    """Deal with values that the server did not set.

    Args:
        config: Whose policy decides.
        found: What is wrong with each of them; nothing happens if empty.
        path: The port's path.

    Raises:
        UnsupportedConfigurationError: The policy is RAISE.
    """
    if found and (message := _message(config, f"the server does not accept {', '.join(found)}", path)):
        raise UnsupportedConfigurationError(errno.EINVAL, message, path)


def unconfirmed(config: SerialConfig, found: "Sequence[str]", path: str) -> None:
    """Deal with the settings that the server was asked for and has not confirmed.

    Args:
        config: Whose policy decides.
        found: These settings; nothing happens if empty.
        path: The port's path.

    Raises:
        UnsupportedFeatureError: The policy is RAISE.
    """
    text = f"the server does not confirm {', '.join(found)}; it may have obeyed all the same"
    if found and (message := _message(config, text, path)):
        raise UnsupportedFeatureError(errno.ENOTSUP, message, path)


def _message(config: SerialConfig, text: str, path: str) -> str | None:
    """Return the message of the error to raise; None if the policy lets it pass."""
    match config.unsupported_policy:
        case UnsupportedPolicy.RAISE:
            return f"{text}; {_HINT}"
        case UnsupportedPolicy.WARN:
            # The caller's own frame may be in another thread, so no stack level points to it.
            warnings.warn(f"{printable(path)}: {text}; going on without", RuntimeWarning, stacklevel=2)
        case UnsupportedPolicy.IGNORE:
            pass
    return None
