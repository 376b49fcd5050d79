"""Mock ports and fault plans: the implementation behind ``anyserial.testing``.

Only names, no code, belong here.
"""

from anyserial_testing._device import SimulatedDevice
from anyserial_testing._fault import Fault
from anyserial_testing._faults import FaultPlan
from anyserial_testing._mock import MockBackend
from anyserial_testing._ports import faults_of, serial_port_pair
from anyserial_testing._rules import Request
from anyserial_testing._schedule import Fired
from anyserial_testing._simulated import SimulatedBackend, simulated_port
from anyserial_testing._virtual_clock import VirtualClock
from anyserial_testing._virtual_port import VirtualPort, virtual_serial_port

__all__ = (
    "Fault",
    "FaultPlan",
    "Fired",
    "MockBackend",
    "Request",
    "SimulatedBackend",
    "SimulatedDevice",
    "VirtualClock",
    "VirtualPort",
    "faults_of",
    "serial_port_pair",
    "simulated_port",
    "virtual_serial_port",
)
