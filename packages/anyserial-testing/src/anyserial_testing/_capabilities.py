"""What the simulated ports report that they can do.

Only data belongs here.
"""

import sys

from anyserial.capabilities import Capability, SerialCapabilities

__all__ = ("CAPABILITIES",)

CAPABILITIES = SerialCapabilities(
    platform=sys.platform,
    backend="mock",
    custom_baudrate=Capability.SUPPORTED,
    mark_space_parity=Capability.SUPPORTED,
    one_point_five_stop_bits=Capability.SUPPORTED,
    xon_xoff=Capability.UNKNOWN,
    rts_cts=Capability.UNKNOWN,
    dtr_dsr=Capability.UNKNOWN,
    modem_lines=Capability.SUPPORTED,
    break_signal=Capability.SUPPORTED,
    exclusive_access=Capability.UNSUPPORTED,
    low_latency=Capability.UNSUPPORTED,
    rs485=Capability.UNSUPPORTED,
    input_waiting=Capability.SUPPORTED,
    output_waiting=Capability.SUPPORTED,
    port_discovery=Capability.UNSUPPORTED,
)
