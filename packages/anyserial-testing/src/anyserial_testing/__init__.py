"""Mock ports, fault plans, records: the implementation behind ``anyserial.testing``.

Only names, no code, belong here.
"""

from anyserial_testing._conversation import ReplayError
from anyserial_testing._faults import FaultPlan
from anyserial_testing._mock import MockBackend
from anyserial_testing._ports import faults_of, serial_port_pair
from anyserial_testing._record import Recording, record
from anyserial_testing._record_format import RecordError
from anyserial_testing._replay import Replay, replay
from anyserial_testing._spy import Spying, spy

__all__ = (
    "FaultPlan",
    "MockBackend",
    "RecordError",
    "Recording",
    "Replay",
    "ReplayError",
    "Spying",
    "faults_of",
    "record",
    "replay",
    "serial_port_pair",
    "spy",
)
