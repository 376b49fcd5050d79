"""What the parts may use of core beyond its public names: one layer, listed by name.

A part (`anyserial_posix`, `anyserial_discovery`, `anyserial_testing`, `anyserial_sync`) imports
core's public modules and this one, and nothing else of core; the layout tests keep it so. What a
backend of somebody else needs is public, in `anyserial.backend`. No code belongs here.
"""

from anyserial._checks import (
    as_bytes,
    as_writable,
    check_bytes,
    check_config,
    check_flag,
    check_integer,
    check_positive,
    check_seconds,
    check_timeout,
    limited,
    refusal,
)
from anyserial._errno import ErrorContext, closed_error, disconnected_error, translate

__all__ = (
    "ErrorContext",
    "as_bytes",
    "as_writable",
    "check_bytes",
    "check_config",
    "check_flag",
    "check_integer",
    "check_positive",
    "check_seconds",
    "check_timeout",
    "closed_error",
    "disconnected_error",
    "limited",
    "refusal",
    "translate",
)
