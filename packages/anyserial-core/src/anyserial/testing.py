"""Mock ports for tests, under their public name; the code is the distribution anyserial-testing.

Importing this fails with an ImportError that names the distribution if it is not installed.
"""

from anyserial._parts import load_part

load_part("anyserial_testing")  # or an error that says what to install

from anyserial_testing import (  # noqa: E402
    BackendBench,
    BackendReport,
    CheckResult,
    ConformanceError,
    Fault,
    FaultPlan,
    Fired,
    MockBackend,
    RecordError,
    Recording,
    Replay,
    ReplayError,
    Request,
    SimulatedBackend,
    SimulatedDevice,
    Spying,
    VirtualClock,
    VirtualPort,
    check_backend,
    faults_of,
    record,
    replay,
    serial_port_pair,
    simulated_port,
    spy,
    virtual_serial_port,
)

__all__ = (
    "BackendBench",
    "BackendReport",
    "CheckResult",
    "ConformanceError",
    "Fault",
    "FaultPlan",
    "Fired",
    "MockBackend",
    "RecordError",
    "Recording",
    "Replay",
    "ReplayError",
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
