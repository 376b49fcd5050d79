"""Real programs, unmodified, from the package index; without them there is nothing to collect here.

``uv run --group clients pytest tests-integration/clients`` installs them; the gate's step does so.
"""

from collections.abc import Callable
from importlib.util import find_spec

import pytest
from client_programs import PROBES, run_to_its_end

CLIENTS = (
    *("aioserial", "ampy", "can", "digi", "dynamixel_sdk", "esp_idf_monitor", "esptool", "labgrid", "meshtastic"),
    *("minimalmodbus", "modbus_tk", "mpremote", "pexpect_serial", "platformio", "pymavlink", "pymodbus", "pynmea2"),
    *("pyvisa_py",),
)

collect_ignore_glob = [] if all(find_spec(name) for name in CLIENTS) else ["test_*.py"]


@pytest.fixture
def run() -> Callable[..., str]:
    """Run a program with ``anyserial run`` to its good end; return what it prints."""
    return run_to_its_end


@pytest.fixture
def probe() -> Callable[..., str]:
    """Run a program of the folder ``probes``."""

    def run_one(name: str, *arguments: str) -> str:
        return run_to_its_end(str(PROBES / f"{name}.py"), *arguments)

    return run_one
