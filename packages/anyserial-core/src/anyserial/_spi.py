"""What the parts may use of core beyond its public names: one layer, listed by name.

A part (`anyserial_posix`, `anyserial_discovery`, `anyserial_testing`, `anyserial_sync`) imports
core's public modules and this one, and nothing else of core. What a third-party backend needs is public,
in `anyserial.backend`. No code belongs here.
"""

from typing import TYPE_CHECKING, Any

from anyserial._attributes import attributes_of
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
from anyserial._opening import Opening
from anyserial._port import operations
from anyserial._port.closing import GRACE
from anyserial._port.engine import Call, Engine, Steps
from anyserial._port.face import Face
from anyserial._port.lifecycle import CLOSED, DISCONNECTED, OPEN, RECEIVER, SENDER, Lifecycle
from anyserial._port.open_port import OpenPort
from anyserial._port.reading import DirectCalls
from anyserial._port.self_waiting import SelfWaitingTransport
from anyserial._printable import printable
from anyserial._workers import Job, held, post

if TYPE_CHECKING:
    from anyserial._port.contract import LinesSeen, OnWorker, Waker
    from anyserial._reconnecting import FIRST_PAUSE, RECONNECT_HINT, Plan, Presence, port_matcher

__all__ = (
    "CLOSED",
    "DISCONNECTED",
    "FIRST_PAUSE",
    "GRACE",
    "OPEN",
    "RECEIVER",
    "RECONNECT_HINT",
    "SENDER",
    "Call",
    "DirectCalls",
    "Engine",
    "ErrorContext",
    "Face",
    "Job",
    "Lifecycle",
    "LinesSeen",
    "OnWorker",
    "OpenPort",
    "Opening",
    "Plan",
    "Presence",
    "SelfWaitingTransport",
    "Steps",
    "Waker",
    "as_bytes",
    "as_writable",
    "attributes_of",
    "check_bytes",
    "check_config",
    "check_flag",
    "check_integer",
    "check_positive",
    "check_seconds",
    "check_timeout",
    "closed_error",
    "disconnected_error",
    "held",
    "limited",
    "operations",
    "port_matcher",
    "post",
    "printable",
    "refusal",
    "translate",
)


def __getattr__(name: str) -> Any:
    if name in {"LinesSeen", "OnWorker", "Waker"}:
        from anyserial._port import contract  # noqa: PLC0415  # only type checkers need it

        return getattr(contract, name)
    if name in {"FIRST_PAUSE", "RECONNECT_HINT", "Plan", "Presence", "port_matcher"}:
        from anyserial import _reconnecting  # noqa: PLC0415  # few programs need it

        return getattr(_reconnecting, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
