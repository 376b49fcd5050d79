"""What a remote port can do, as far as its server has shown it."""

import sys
from typing import TYPE_CHECKING

from anyserial.capabilities import Capability, SerialCapabilities

if TYPE_CHECKING:
    from anyserial._network.session import Session

__all__ = ("features", "stream_features")


def features(session: "Session | None") -> SerialCapabilities:
    """Return the capabilities of a port on *session*; None if it was not opened yet."""
    if session is None or session.is_com_port:
        lines = None if session is None else session.lines
        return _capabilities(
            "rfc2217",
            Capability.UNKNOWN,
            modem_lines=_seen(lines is not None and lines.are_known),
            break_signal=_seen(lines is not None and lines.has_break),
        )
    # A server that has refused says so. A silent server may have the settings, but there is no way to ask for them.
    return stream_features("rfc2217")


def stream_features(backend: str) -> SerialCapabilities:
    """Return the capabilities of a mere stream of bytes."""
    no = Capability.UNSUPPORTED
    return _capabilities(backend, no, modem_lines=no, break_signal=no)


def _seen(known: bool) -> Capability:
    return Capability.SUPPORTED if known else Capability.UNKNOWN


def _capabilities(
    backend: str, settings: Capability, *, modem_lines: Capability, break_signal: Capability
) -> SerialCapabilities:
    return SerialCapabilities(
        platform=sys.platform,
        backend=backend,
        custom_baudrate=settings,
        mark_space_parity=settings,
        one_point_five_stop_bits=settings,
        xon_xoff=settings,
        rts_cts=settings,
        dtr_dsr=settings,
        modem_lines=modem_lines,
        break_signal=break_signal,
        exclusive_access=Capability.UNSUPPORTED,
        low_latency=Capability.UNSUPPORTED,
        rs485=Capability.UNSUPPORTED,
        input_waiting=Capability.SUPPORTED,
        output_waiting=Capability.SUPPORTED,
        port_discovery=Capability.UNSUPPORTED,
    )
