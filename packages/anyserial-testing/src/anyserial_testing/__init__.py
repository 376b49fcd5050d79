"""Mock ports and fault plans: the implementation behind ``anyserial.testing``.

Only names, no code, belong here.
"""

from anyserial_testing._faults import FaultPlan
from anyserial_testing._mock import MockBackend
from anyserial_testing._ports import faults_of, serial_port_pair

__all__ = ("FaultPlan", "MockBackend", "faults_of", "serial_port_pair")
