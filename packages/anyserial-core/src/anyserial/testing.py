"""Mock ports for tests, under their public name; the code is the distribution anyserial-testing.

Importing this fails with an ImportError that names the distribution if it is not installed.
"""

from typing import TYPE_CHECKING

from anyserial._parts import load_part

if TYPE_CHECKING:
    from anyserial_testing import FaultPlan, MockBackend, faults_of, serial_port_pair
else:
    _part = load_part("anyserial_testing")
    FaultPlan = _part.FaultPlan
    MockBackend = _part.MockBackend
    faults_of = _part.faults_of
    serial_port_pair = _part.serial_port_pair

__all__ = ("FaultPlan", "MockBackend", "faults_of", "serial_port_pair")
