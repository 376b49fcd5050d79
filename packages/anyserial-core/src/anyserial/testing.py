"""Mock ports for tests, under their public name; the code is the distribution anyserial-testing.

Importing this fails with an ImportError that names the distribution if it is not installed.
"""

from anyserial._parts import load_part

load_part("anyserial_testing")  # or an error that says what to install

from anyserial_testing import (  # noqa: E402
    Fault,
    FaultPlan,
    Fired,
    MockBackend,
    Request,
    SimulatedBackend,
    SimulatedDevice,
    VirtualClock,
    VirtualPort,
    faults_of,
    serial_port_pair,
    simulated_port,
    virtual_serial_port,
)

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
