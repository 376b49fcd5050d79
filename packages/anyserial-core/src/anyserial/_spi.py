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
    from anyserial._drivers import create_pty
    from anyserial._looking.contract import Pty
    from anyserial._looking.log import Log
    from anyserial._port.contract import LinesSeen, OnWorker, Waker

__all__ = (
    "CLOSED",
    "DISCONNECTED",
    "GRACE",
    "OPEN",
    "RECEIVER",
    "SENDER",
    "Call",
    "DirectCalls",
    "Engine",
    "ErrorContext",
    "Face",
    "Job",
    "Lifecycle",
    "LinesSeen",
    "Log",
    "OnWorker",
    "OpenPort",
    "Opening",
    "Pty",
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
    "create_pty",
    "disconnected_error",
    "held",
    "limited",
    "operations",
    "post",
    "printable",
    "refusal",
    "translate",
)


# What few programs need is loaded when it is first used.
_HOMES = {
    "LinesSeen": "anyserial._port.contract",
    "Log": "anyserial._looking.log",
    "OnWorker": "anyserial._port.contract",
    "Pty": "anyserial._looking.contract",
    "Waker": "anyserial._port.contract",
    "create_pty": "anyserial._drivers",
}


def __getattr__(name: str) -> Any:
    if (home := _HOMES.get(name)) is not None:
        from importlib import import_module  # noqa: PLC0415  # not part of this module's face

        return getattr(import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
