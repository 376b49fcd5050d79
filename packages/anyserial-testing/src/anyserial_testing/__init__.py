"""Mock ports, fault plans, simulated devices, records: the implementation behind ``anyserial.testing``.

Only names, no code, belong here.
"""

from anyserial_testing._conformance import (
    BackendBench,
    BackendReport,
    CheckResult,
    ConformanceError,
    Maybe,
    check_backend,
)
from anyserial_testing._conversation import ReplayError
from anyserial_testing._device import SimulatedDevice
from anyserial_testing._fault import Direction, Fault, FaultKind
from anyserial_testing._faults import FaultPlan
from anyserial_testing._mock import MockBackend
from anyserial_testing._ports import faults_of, serial_port_pair, simulated_port
from anyserial_testing._record import Recording, record
from anyserial_testing._record_format import RecordError
from anyserial_testing._replay import Replay, replay
from anyserial_testing._rules import Pattern, Reply, Request
from anyserial_testing._schedule import Fired
from anyserial_testing._simulated import SimulatedBackend
from anyserial_testing._spy import Spying, spy
from anyserial_testing._virtual_clock import VirtualClock
from anyserial_testing._virtual_port import VirtualPort, virtual_serial_port

__all__ = (
    "BackendBench",
    "BackendReport",
    "CheckResult",
    "ConformanceError",
    "Direction",
    "Fault",
    "FaultKind",
    "FaultPlan",
    "Fired",
    "Maybe",
    "MockBackend",
    "Pattern",
    "RecordError",
    "Recording",
    "Replay",
    "ReplayError",
    "Reply",
    "Request",
    "SimulatedBackend",
    "SimulatedDevice",
    "Spying",
    "VirtualClock",
    "VirtualPort",
    "check_backend",
    "faults_of",
    "record",
    "replay",
    "serial_port_pair",
    "simulated_port",
    "spy",
    "virtual_serial_port",
)
