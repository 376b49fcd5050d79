"""A configuration as requests of RFC 2217, and their answers as settings; without I/O.

`Settings` knows what the server has confirmed, so that only what changes is sent. How a request is sent and
awaited is not known here.
"""

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from anyserial._network.com_port import (
    DATA_SIZES,
    DATA_SIZES_BY_CODE,
    PARITIES,
    PARITIES_BY_CODE,
    STOP_BITS,
    STOP_BITS_BY_CODE,
    Command,
    Control,
)
from anyserial._network.lines import ERRORS
from anyserial.config import FlowControl, LineErrors, SerialConfig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ("Request", "Settings", "plan")

_TOLERANCE: Final = 0.02  # what a rate may be off, as on a local port
_DEFAULTS: Final = SerialConfig()

_FLOWS: "Mapping[FlowControl, Sequence[Control]]" = {
    FlowControl(): (Control.FLOW_NONE,),
    FlowControl(xon_xoff=True): (Control.FLOW_XON_XOFF,),
    FlowControl(rts_cts=True): (Control.FLOW_HARDWARE,),
    FlowControl(dtr_dsr=True): (Control.FLOW_DSR, Control.INBOUND_FLOW_DTR),
}


class Request(NamedTuple):
    """One setting and the commands that set it.

    Attributes:
        field: The field of `SerialConfig`.
        value: Its value.
        commands: What to send: command and value.
    """

    field: str
    value: Any
    commands: "tuple[tuple[Command, int], ...]"


_NO_LINE_ERRORS: Final = Request("line_errors", LineErrors.IGNORE, ((Command.LINE_STATE_MASK, 0),))


def plan(config: SerialConfig, *, opening: bool) -> "tuple[list[Request], list[str]]":
    """Return the requests that set *config*, and what no request can set.

    Args:
        config: The settings.
        opening: Whether the port is being opened, so that the levels of its lines are set too.
    """
    impossible: list[str] = []
    requests = [
        Request("baudrate", config.baudrate, ((Command.BAUDRATE, config.baudrate),)),
        Request("byte_size", config.byte_size, ((Command.DATA_SIZE, DATA_SIZES[config.byte_size]),)),
        Request("parity", config.parity, ((Command.PARITY, PARITIES[config.parity]),)),
        Request("stop_bits", config.stop_bits, ((Command.STOP_SIZE, STOP_BITS[config.stop_bits]),)),
    ]
    flow = _FLOWS.get(config.flow_control)
    if flow is None:
        impossible.append(f"flow_control={config.flow_control} (RFC 2217 has one kind at a time)")
    else:
        requests.append(Request("flow_control", config.flow_control, _controls(*flow)))
    match config.line_errors:
        case LineErrors.DISCARD:
            impossible.append("line_errors=discard (RFC 2217 does not tell which byte was damaged)")
        case LineErrors.RAISE:
            requests.append(Request("line_errors", config.line_errors, ((Command.LINE_STATE_MASK, int(ERRORS)),)))
        case LineErrors.IGNORE:
            requests.append(_NO_LINE_ERRORS)
    if opening and config.dtr_on_open is not None:
        control = Control.DTR_ON if config.dtr_on_open else Control.DTR_OFF
        requests.append(Request("dtr_on_open", config.dtr_on_open, _controls(control)))
    if opening and config.rts_on_open is not None:
        control = Control.RTS_ON if config.rts_on_open else Control.RTS_OFF
        requests.append(Request("rts_on_open", config.rts_on_open, _controls(control)))
    return requests, impossible


def _controls(*values: Control) -> tuple[tuple[Command, int], ...]:
    return tuple((Command.CONTROL, int(value)) for value in values)


_MEANINGS: "Mapping[str, Mapping[int, object]]" = {
    "byte_size": DATA_SIZES_BY_CODE,
    "parity": PARITIES_BY_CODE,
    "stop_bits": STOP_BITS_BY_CODE,
}


class Settings:
    """What the server has confirmed.

    Attributes:
        actual_baudrate: The rate that the server says is in force; None if it has not said.
    """

    __slots__ = ("_confirmed", "actual_baudrate")

    def __init__(self) -> None:
        # A server reports no line errors unless it is asked to.
        self._confirmed: dict[str, Request] = {_NO_LINE_ERRORS.field: _NO_LINE_ERRORS}
        self.actual_baudrate: int | None = None

    def changes(self, requests: "Sequence[Request]") -> list[Request]:
        """Return those of *requests* that are not in force."""
        return [request for request in requests if self._confirmed.get(request.field) != request]

    def before(self, requests: "Sequence[Request]") -> list[Request]:
        """Return what is in force in the place of *requests*, as far as it is known, and stop relying on it."""
        found = (self._confirmed.pop(request.field, None) for request in requests)
        return [request for request in found if request is not None]

    def answered(self, request: Request, answers: "Sequence[int | None]") -> str | None:
        """Take the answers to the commands of *request*.

        Returns:
            None if the setting is in force; otherwise what is wrong with it, for a message.
        """
        self._confirmed.pop(request.field, None)
        asked = [value for _, value in request.commands]
        if request.field == "baudrate":
            self.actual_baudrate = answers[0] or None
        if None in answers:
            return self._unconfirmed(request)
        if request.field == "baudrate":
            rate = answers[0] or 0
            if abs(rate - request.value) > request.value * _TOLERANCE:
                return f"baudrate={request.value} (it set {rate})"
        elif list(answers) != asked:
            meanings = _MEANINGS.get(request.field)
            meaning = None if meanings is None else meanings.get(answers[0] or 0)
            return f"{request.field}={request.value}" + ("" if meaning is None else f" (it set {meaning})")
        self._confirmed[request.field] = request
        return None

    @staticmethod
    def _unconfirmed(request: Request) -> str | None:
        """Return what is wrong with a setting without an answer: nothing, if a peer without settings has it too."""
        if request.value == getattr(_DEFAULTS, request.field):
            return None
        return f"{request.field}={request.value} (it did not confirm that)"
