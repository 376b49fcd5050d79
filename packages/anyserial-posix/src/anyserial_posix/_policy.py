"""What happens to an unsupported setting: `SerialConfig.unsupported_policy`.

Which settings those are is for the callers to find out.
"""

import errno
import warnings
from typing import TYPE_CHECKING

from anyserial._spi import printable
from anyserial.config import UnsupportedPolicy
from anyserial.exceptions import UnsupportedConfigurationError, UnsupportedFeatureError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyserial.config import SerialConfig

    from anyserial_posix._handle import Handle

__all__ = ("lacks_feature", "refuses_values")


def refuses_values(
    config: "SerialConfig", found: "Sequence[str]", port: "Handle", cause: OSError | None = None
) -> None:
    """Deal with values that the platform or the driver does not take.

    Args:
        config: Whose policy decides.
        found: What is wrong with each of them; nothing happens if empty.
        port: The port.
        cause: The driver's own error, if there was one.

    Raises:
        UnsupportedConfigurationError: The policy is RAISE.
    """
    if found and config.unsupported_policy is not UnsupportedPolicy.IGNORE:
        message = f"the serial driver does not accept {', '.join(found)}{port.remark}"
        if config.unsupported_policy is UnsupportedPolicy.WARN:
            _warn(message, port.path)
        else:
            raise UnsupportedConfigurationError(errno.EINVAL, _with_hint(message), port.path) from cause


def lacks_feature(config: "SerialConfig", feature: str, port: "Handle", cause: OSError | None = None) -> None:
    """Deal with a mechanism that the platform or the driver does not have.

    Raises:
        UnsupportedFeatureError: The policy is RAISE.
    """
    missing = f"the serial driver does not have {feature}{port.remark}"
    if config.unsupported_policy is UnsupportedPolicy.WARN:
        _warn(missing, port.path)
    elif config.unsupported_policy is UnsupportedPolicy.RAISE:
        number = errno.ENOTSUP if cause is None else cause.errno
        raise UnsupportedFeatureError(number, _with_hint(missing), port.path) from cause


def _with_hint(message: str) -> str:
    return f"{message}; to go on without it, set unsupported_policy to 'warn' or 'ignore'"


def _warn(message: str, path: str) -> None:
    # The caller's own frame is on another thread, so no stack level points to it.
    warnings.warn(f"{printable(path)}: {message}; going on without", RuntimeWarning, stacklevel=2)
