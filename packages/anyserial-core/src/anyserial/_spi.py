"""What the parts may use of core beyond its public names: one layer, listed by name.

A part (`anyserial_posix`, `anyserial_discovery`, `anyserial_testing`, `anyserial_sync`) imports
core's public modules and this one, and nothing else of core. What a third-party backend needs is public,
in `anyserial.backend`. No code belongs here.
"""

from typing import TYPE_CHECKING, Any

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
from anyserial._clock import now, virtual
from anyserial._errno import ErrorContext, brief, busy_error, closed_error, disconnected_error, translate
from anyserial._opening import Opening, settled
from anyserial._parts import loading
from anyserial._port import operations
from anyserial._port.closing import GRACE
from anyserial._port.engine import Call, Engine, Steps
from anyserial._port.face import Face
from anyserial._port.lifecycle import CLOSED, DISCONNECTED, OPEN, RECEIVER, SENDER, Lifecycle
from anyserial._port.open_port import OpenPort
from anyserial._port.transport import nothing_onto
from anyserial._printable import printable
from anyserial._readiness import awaited, native_token, signal
from anyserial._workers import Job, held, post

if TYPE_CHECKING:
    from anyserial._asyncio.errors import translate_errors_with
    from anyserial._attributes import attributes_of
    from anyserial._drivers import create_pty, inspect, path_to
    from anyserial._filters import checked_filters
    from anyserial._framing.decoder import Decoder
    from anyserial._framing.exchange import Clear, Receive, Send, Settle, Step, exchange
    from anyserial._framing.exchange import Steps as ExchangeSteps
    from anyserial._framing.limits import MOST_READS, QUIET, path_of
    from anyserial._looking.contract import Pty
    from anyserial._looking.log import Log
    from anyserial._looking.watching import Seat
    from anyserial._network import com_port, telnet
    from anyserial._network.thread_calls import ThreadCalls
    from anyserial._port.contract import Items, LinesSeen, OnWorker, Waker
    from anyserial._port.reading import DirectCalls
    from anyserial._port.self_waiting import SelfWaitingTransport
    from anyserial._readiness._contract import Signal
    from anyserial._reconnecting import FIRST_PAUSE, RECONNECT_HINT, Plan, Presence, port_matcher

__all__ = (
    "CLOSED",
    "DISCONNECTED",
    "FIRST_PAUSE",
    "GRACE",
    "MOST_READS",
    "OPEN",
    "QUIET",
    "RECEIVER",
    "RECONNECT_HINT",
    "SENDER",
    "Call",
    "Clear",
    "Decoder",
    "DirectCalls",
    "Engine",
    "ErrorContext",
    "ExchangeSteps",
    "Face",
    "Items",
    "Job",
    "Lifecycle",
    "LinesSeen",
    "Log",
    "OnWorker",
    "OpenPort",
    "Opening",
    "Plan",
    "Presence",
    "Pty",
    "Receive",
    "Seat",
    "SelfWaitingTransport",
    "Send",
    "Settle",
    "Signal",
    "Step",
    "Steps",
    "ThreadCalls",
    "Waker",
    "as_bytes",
    "as_writable",
    "attributes_of",
    "awaited",
    "brief",
    "busy_error",
    "check_bytes",
    "check_config",
    "check_flag",
    "check_integer",
    "check_positive",
    "check_seconds",
    "check_timeout",
    "checked_filters",
    "closed_error",
    "com_port",
    "create_pty",
    "disconnected_error",
    "exchange",
    "held",
    "inspect",
    "limited",
    "loading",
    "native_token",
    "nothing_onto",
    "now",
    "operations",
    "path_of",
    "path_to",
    "port_matcher",
    "post",
    "printable",
    "refusal",
    "settled",
    "signal",
    "telnet",
    "translate",
    "translate_errors_with",
    "virtual",
)

_LATE = {
    "_asyncio.errors": {"translate_errors_with": "translate_errors_with"},
    "_attributes": {"attributes_of": "attributes_of"},
    "_drivers": {name: name for name in ("create_pty", "inspect", "path_to")},
    "_filters": {"checked_filters": "checked_filters"},
    "_port.contract": {name: name for name in ("Items", "LinesSeen", "OnWorker", "Waker")},
    "_port.reading": {"DirectCalls": "DirectCalls"},
    "_port.self_waiting": {"SelfWaitingTransport": "SelfWaitingTransport"},
    "_readiness._contract": {"Signal": "Signal"},
    "_reconnecting": {name: name for name in ("FIRST_PAUSE", "RECONNECT_HINT", "Plan", "Presence", "port_matcher")},
    "_framing.decoder": {"Decoder": "Decoder"},
    "_framing.exchange": {
        "ExchangeSteps": "Steps",
        **{name: name for name in ("Clear", "Receive", "Send", "Settle", "Step", "exchange")},
    },
    "_framing.limits": {name: name for name in ("MOST_READS", "QUIET", "path_of")},
    "_looking.contract": {"Pty": "Pty"},
    "_looking.log": {"Log": "Log"},
    "_looking.watching": {"Seat": "Seat"},
    "_network.thread_calls": {"ThreadCalls": "ThreadCalls"},
}
_LATE_MODULES = {"com_port": "_network.com_port", "telnet": "_network.telnet"}


def __getattr__(name: str) -> Any:
    # Only type checkers need the contracts; few programs need the others, or only after the import.
    for module, names in _LATE.items():
        if name in names:
            from importlib import import_module  # noqa: PLC0415  # few need it

            return getattr(import_module(f"anyserial.{module}"), names[name])
    if name in _LATE_MODULES:
        from importlib import import_module  # noqa: PLC0415  # few need it

        return import_module(f"anyserial.{_LATE_MODULES[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
