"""Open ports over mock backends and simulated devices, and the way from a port to its fault plan.

What such a port does is in the modules of its backend.
"""

from typing import TYPE_CHECKING, Any

from anyserial._spi import check_config, refusal
from anyserial.config import SerialConfig

from anyserial_testing._faults import FaultPlan
from anyserial_testing._mock import MockBackend
from anyserial_testing._simulated import SimulatedBackend

if TYPE_CHECKING:
    from anyserial.stream import SerialPort

    from anyserial_testing._device import SimulatedDevice

__all__ = ("faults_of", "serial_port_pair", "simulated_port")


def serial_port_pair(
    *,
    config_a: SerialConfig | None = None,
    config_b: SerialConfig | None = None,
    path_a: str = "/dev/mockA",
    path_b: str = "/dev/mockB",
    faults_a: FaultPlan | None = None,
    faults_b: FaultPlan | None = None,
) -> "tuple[SerialPort, SerialPort]":
    """Return two open ports, joined by a null-modem cable that exists in memory only.

    A plain function: it may be called outside an event loop, in a fixture for
    instance, and the ports then be used in any. See `MockBackend` for what a mock
    cannot do. Close both ports, as any port.

    Args:
        config_a: The first port's settings; the defaults of `SerialConfig` if None.
        config_b: The second port's settings.
        path_a: What the first port reports as its path; nothing exists there.
        path_b: The same for the second port.
        faults_a: What goes wrong on the first port; a plan without faults if None. One plan serves one port.
        faults_b: The same for the second port.

    Raises:
        TypeError: A configuration is not a SerialConfig.
        ConfigurationError: A plan has a fault that a mock cannot make happen (a stall).
    """
    # A test that drives a backend by itself does not pay for the stream.
    from anyserial.stream import SerialPort  # noqa: PLC0415

    config_a = SerialConfig() if config_a is None else config_a
    config_b = SerialConfig() if config_b is None else config_b
    check_config(config_a)
    check_config(config_b)
    backend_a, backend_b = MockBackend.pair(path_a=path_a, path_b=path_b, faults_a=faults_a, faults_b=faults_b)
    backend_a.open(path_a, config_a)
    backend_b.open(path_b, config_b)
    return SerialPort(backend_a, config_a), SerialPort(backend_b, config_b)


def simulated_port(
    device: "SimulatedDevice",
    config: SerialConfig | None = None,
    *,
    path: str = "/dev/simulated",
    faults: FaultPlan | None = None,
) -> "SerialPort":
    """Return an open async port with *device* behind it, in memory.

    A plain function: it may be called outside an event loop, in a fixture for instance. Close the port, as
    any port. For code that opens its port itself, give `SimulatedBackend` to ``open_serial_port(path,
    backend=...)``, async or blocking.

    Args:
        device: What answers. It serves one port at a time.
        config: The port's settings; the defaults of `SerialConfig` if None.
        path: What the port reports as its path; nothing exists there.
        faults: What goes wrong; a plan without faults if None.

    Raises:
        PortBusyError: The device serves another port.
        PortNotFoundError: The device is unplugged.
        TypeError: An argument has another type.
    """
    from anyserial.stream import SerialPort  # noqa: PLC0415  # a test that drives a backend does not pay for the stream

    config = SerialConfig() if config is None else config
    check_config(config)
    backend = SimulatedBackend(device, faults=faults)
    backend.open_now(path, config)
    return SerialPort(backend, config)


def faults_of(port: Any) -> FaultPlan:
    """Return the live fault plan of a port that runs on a `MockBackend`.

    Args:
        port: The `SerialPort`, async or blocking, or the backend itself.

    Raises:
        TypeError: The port runs on something else, which no plan can disturb.
    """
    opened = getattr(port, "_port", None)
    backend = port if opened is None else opened.transport.backend
    faults = getattr(backend, "faults", None)
    if not isinstance(faults, FaultPlan):
        raise TypeError(refusal("port", "a port on a MockBackend, as serial_port_pair() gives", port))
    return faults
