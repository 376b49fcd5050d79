"""One driver, several kernels: what reaches each of them, and what each of them refuses."""

import errno
import struct
import sys
import termios
from typing import Any

import anyserial_posix
import pytest
from anyserial.capabilities import Capability
from anyserial.config import FlowControl, Parity, RS485Config, SerialConfig, UnsupportedPolicy
from anyserial.exceptions import (
    PortBusyError,
    SerialError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
    UnsupportedPlatformError,
)
from anyserial_posix._platform import platform_for

# The headers' numbers for 2400 7E2, XON/XOFF and RTS/CTS: iflag, cflag without speed, VMIN, VTIME.
EXPECTED = {
    "linux": (0x1400, 0xC0000DE0 & ~0x40000000, 6, 5),
    "linux-mips": (0x1400, 0x80000DE0, 4, 5),
    "linux-sparc": (0x1400, 0x80000DE0, 4, 5),
    "linux-powerpc": (0x600, 0x8000DE00, 5, 7),
    "darwin": (0x600, 0x3DE00, 16, 17),
    "freebsd": (0x600, 0x3DE00, 16, 17),
    "netbsd": (0x600, 0x1DE00, 16, 17),
    "openbsd": (0x600, 0x1DE00, 16, 17),
}
CODES = {"linux": 11, "linux-mips": 11, "linux-sparc": 11, "linux-powerpc": 11}
NAMES = [*EXPECTED, "generic"]
CONFIG = SerialConfig(
    baudrate=2400, byte_size=7, parity="E", stop_bits=2, flow_control=FlowControl(xon_xoff=True, rts_cts=True)
)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_attributes_are_the_platforms_own(simulated: Any, name: str) -> None:
    kernel = simulated(name)
    port = kernel.open_backend(CONFIG)
    iflag, cflag, vmin, vtime = EXPECTED[name]
    kept = kernel.attributes
    assert (kept.iflag, kept.oflag, kept.lflag) == (iflag, 0, 0)
    assert kept.cflag == cflag | CODES.get(name, 0)
    assert (kept.cc[vmin], kept.cc[vtime]) == (1, 0)
    assert (kept.ispeed, kept.ospeed) == (2400, 2400)
    assert port.actual_baudrate == 2400


@pytest.mark.parametrize("name", NAMES)
def test_bytes_lines_breaks_and_queues(simulated: Any, name: str) -> None:
    kernel = simulated(name)
    port = kernel.open_backend()
    assert port.write(b"ping") == 4
    assert kernel.far.recv(16) == b"ping"
    kernel.far.send(b"pong")
    assert port.input_waiting() == 4
    assert port.read(16) == b"pong"
    assert port.read(16) is None
    kernel.queued = 7
    assert port.output_waiting() == 7
    modem = kernel.platform.modem
    kernel.lines = modem.cts | modem.ri
    lines = port.modem_lines()
    assert (lines.cts, lines.dsr, lines.ri, lines.cd) == (True, False, True, False)
    port.set_control_lines(rts=True, dtr=False)
    assert (port.control_lines().rts, port.control_lines().dtr) == (True, False)
    port.set_control_lines(dtr=True)
    assert (port.control_lines().rts, port.control_lines().dtr) == (True, True)
    assert kernel.lines == modem.cts | modem.ri | modem.rts | modem.dtr
    if name == "generic":  # Python's termios module does not name TIOCSBRK
        assert port.capabilities.break_signal is Capability.UNSUPPORTED
        with pytest.raises(UnsupportedFeatureError):
            port.set_break(on=True)
    else:
        port.set_break(on=True)
        port.set_break(on=False)
        assert kernel.names()[-2:] == ["tiocsbrk", "tioccbrk"]
    port.drain()
    port.reset_input_buffer()
    port.reset_output_buffer()
    kernel.queued = 0


@pytest.mark.parametrize("name", NAMES)
def test_a_config_is_put_back_when_the_driver_drops_it(simulated: Any, name: str) -> None:
    kernel = simulated(name)
    port = kernel.open_backend(SerialConfig(baudrate=4800))
    before = kernel.attributes
    kernel.drop(kernel.platform.flags.parenb, at=2400)
    with pytest.raises(UnsupportedConfigurationError, match="parity='even'"):
        port.configure(CONFIG)
    assert kernel.attributes == before
    assert port.actual_baudrate == 4800


@pytest.mark.parametrize("name", NAMES)
def test_exclusive_takes_and_gives_back_both_locks(simulated: Any, name: str) -> None:
    kernel = simulated(name)
    port = kernel.open_backend(exclusive=True)
    assert kernel.exclusive == 1
    port.close()
    assert kernel.exclusive == 0
    assert [entry for entry in kernel.log if entry[0] == "flock"] == [("flock", 6), ("flock", 8)]
    names = kernel.names()
    assert names.index("tiocnxcl") < names.index("close")


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("linux")])
@pytest.mark.parametrize(
    ("config", "expected", "named"),
    [
        (SerialConfig(parity=Parity.MARK), UnsupportedConfigurationError, "parity='mark'"),
        (SerialConfig(parity=Parity.SPACE), UnsupportedConfigurationError, "parity='space'"),
        (SerialConfig(low_latency=True), UnsupportedFeatureError, "low latency"),
        (SerialConfig(rs485=RS485Config()), UnsupportedFeatureError, "RS-485"),
    ],
)
def test_what_only_linux_has_goes_by_the_policy(
    simulated: Any, name: str, config: SerialConfig, expected: type[Exception], named: str
) -> None:
    kernel = simulated(name)
    with pytest.raises(expected, match=named) as caught:
        kernel.open_backend(config)
    assert "unsupported_policy" in str(caught.value)
    with pytest.warns(RuntimeWarning, match=named):
        kernel.open_backend(config.with_changes(unsupported_policy=UnsupportedPolicy.WARN)).close()
    port = kernel.open_backend(config.with_changes(unsupported_policy=UnsupportedPolicy.IGNORE))
    found = port.capabilities
    assert found.mark_space_parity is found.low_latency is found.rs485 is Capability.UNSUPPORTED
    with pytest.raises(UnsupportedFeatureError):
        port.line_counters()
    assert port.transmitter_empty() is None


@pytest.mark.parametrize(
    ("name", "bits"), [("darwin", 0xC0000), ("freebsd", 0xC0000), ("netbsd", 0), ("openbsd", 0), ("linux", 0)]
)
def test_dtr_dsr_where_there_is_any(simulated: Any, name: str, bits: int) -> None:
    kernel = simulated(name)
    config = SerialConfig(flow_control=FlowControl(dtr_dsr=True))
    if bits:
        port = kernel.open_backend(config)
        assert kernel.attributes.cflag & bits == bits
        port.configure(SerialConfig())
        assert kernel.attributes.cflag & bits == 0
        kernel.drop(bits)
        with pytest.raises(UnsupportedConfigurationError, match="dtr_dsr=True"):
            port.configure(config)
    else:
        with pytest.raises(UnsupportedConfigurationError, match="dtr_dsr=True"):
            kernel.open_backend(config)


@pytest.mark.parametrize("name", ["freebsd", "netbsd", "openbsd"])
def test_a_bsd_takes_a_rate_as_a_number(simulated: Any, name: str) -> None:
    kernel = simulated(name)
    assert kernel.open_backend(baudrate=250000).actual_baudrate == 250000
    assert kernel.attributes.ospeed == 250000
    assert kernel.attributes.cflag & 0xF == 0


@pytest.mark.parametrize("name", ["linux", "linux-mips", "linux-sparc", "linux-powerpc"])
@pytest.mark.parametrize(("rate", "coded"), [(250000, False), (9600, True), (31250, False)])
def test_linux_codes_a_rate_where_it_can(simulated: Any, name: str, rate: int, coded: bool) -> None:
    kernel = simulated(name)
    kernel.open_backend(baudrate=rate)
    flags = kernel.platform.flags
    code = kernel.attributes.cflag & flags.cbaud
    assert code == (13 if coded else flags.bother)
    assert kernel.attributes.cflag & flags.cibaud == 0
    assert (kernel.attributes.ispeed, kernel.attributes.ospeed) == (rate, rate)


def test_macos_sets_an_odd_rate_after_the_attributes(simulated: Any) -> None:
    kernel = simulated("darwin")
    port = kernel.open_backend(baudrate=250000)
    names = kernel.names()
    assert names.index("tcsets") < names.index("iossiospeed")
    assert kernel.attributes.ospeed == 250000
    assert port.actual_baudrate == 250000
    kernel.log.clear()
    port.configure(SerialConfig(baudrate=115200))
    assert "iossiospeed" not in kernel.names()
    assert port.actual_baudrate == 115200


def test_macos_puts_an_odd_rate_back(simulated: Any) -> None:
    kernel = simulated("darwin")
    port = kernel.open_backend(baudrate=250000)
    kernel.drop(kernel.platform.flags.parenb)
    with pytest.raises(UnsupportedConfigurationError):
        port.configure(SerialConfig(baudrate=500000, parity="E"))
    assert kernel.attributes.ospeed == 250000
    assert port.actual_baudrate == 250000


@pytest.mark.parametrize("number", [errno.EINVAL, 83])  # bad argument; EDEVERR, the driver's own refusal
def test_macos_refuses_an_odd_rate_by_name(simulated: Any, number: int) -> None:
    kernel = simulated("darwin")
    port = kernel.open_backend()
    before = kernel.attributes
    kernel.refused["iossiospeed"] = number
    with pytest.raises(UnsupportedConfigurationError, match="baudrate=123456") as caught:
        port.configure(SerialConfig(baudrate=123456))
    assert isinstance(caught.value.__cause__, OSError)
    assert kernel.attributes == before


def test_macos_says_itself_that_a_port_is_taken(simulated: Any) -> None:
    """Even to root, whom the open lets in."""
    kernel = simulated("darwin")
    kernel.exclusive = 1
    with pytest.raises(PortBusyError):
        kernel.open_backend(exclusive=True)
    assert kernel.exclusive == 1


def test_macos_tries_an_odd_rate_directly_where_iokit_has_no_hand_in(simulated: Any) -> None:
    kernel = simulated("darwin")
    kernel.refused["iossiospeed"] = errno.ENOTTY
    assert kernel.open_backend(baudrate=250000).actual_baudrate == 250000
    assert kernel.attributes.ospeed == 250000


def test_a_kernel_without_tcgets2_is_set_through_the_c_library(simulated: Any) -> None:
    """As under qemu's user mode and gVisor."""
    kernel = simulated()
    kernel.refused["tcgets"] = errno.ENOTTY
    port = kernel.open_backend(baudrate=57600, stop_bits=2)
    assert port.actual_baudrate == 57600
    assert kernel.attributes.cflag & 0x40
    assert "tcsets" not in kernel.names()
    assert port.capabilities.custom_baudrate is Capability.UNSUPPORTED
    assert port.line_counters().rx == 4
    with pytest.raises(UnsupportedConfigurationError, match="baudrate=250000"):
        port.configure(SerialConfig(baudrate=250000))
    kernel.refused["tcgetattr"] = errno.ENOTTY
    with pytest.raises(SerialError, match="not a tty"):
        kernel.open_backend()


def test_the_generic_platform_has_coded_rates_only(simulated: Any) -> None:
    kernel = simulated("generic")
    with pytest.raises(UnsupportedConfigurationError, match="baudrate=250001"):
        kernel.open_backend(baudrate=250001)
    with pytest.warns(RuntimeWarning, match="baudrate=250001"):
        port = kernel.open_backend(baudrate=250001, unsupported_policy="warn")
    assert port.actual_baudrate == 9600


def test_a_request_that_the_c_library_does_not_name_is_a_missing_feature(
    simulated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(termios, "TIOCMGET")
    port = simulated("generic").open_backend()
    assert port.capabilities.modem_lines is Capability.UNSUPPORTED
    with pytest.raises(UnsupportedFeatureError):
        port.modem_lines()


@pytest.mark.parametrize(
    ("system", "machine", "name", "size"),
    [
        ("linux", "x86_64", "linux", 44),
        ("linux", "i686", "linux", 44),
        ("linux", "armv7l", "linux", 44),
        ("linux", "aarch64", "linux", 44),
        ("linux", "riscv64", "linux", 44),
        ("linux", "s390x", "linux", 44),
        ("linux", "mips", "linux", 48),
        ("linux", "ppc64le", "linux", 44),
        ("darwin", "arm64", "darwin", 72),
        ("freebsd14", "amd64", "freebsd", 44),
        ("netbsd10", "amd64", "netbsd", 44),
        ("openbsd7", "amd64", "openbsd", 44),
    ],
)
def test_which_table_is_whose(system: str, machine: str, name: str, size: int) -> None:
    tables = platform_for(system, machine)
    assert (tables.name, tables.layout.struct.size) == (name, size)
    assert tables.capabilities.platform == name
    assert tables.capabilities.backend == "posix"


@pytest.mark.parametrize(("system", "machine"), [("sunos5", "i86pc"), ("linux", "alpha"), ("dragonfly6", "x86_64")])
def test_what_has_no_table_gets_the_c_librarys_numbers(system: str, machine: str) -> None:
    tables = platform_for(system, machine)
    assert (tables.name, tables.capabilities.backend) == (system, "posix-generic")


def test_a_platform_without_termios_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(anyserial_posix, "_generic", raising=False)
    monkeypatch.delitem(sys.modules, "anyserial_posix._generic", raising=False)
    monkeypatch.setitem(sys.modules, "termios", None)
    with pytest.raises(UnsupportedPlatformError, match="'win32'"):
        platform_for("win32", "AMD64")


def test_a_broken_module_is_not_taken_for_a_missing_termios(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(anyserial_posix, "_generic", raising=False)
    monkeypatch.setitem(sys.modules, "anyserial_posix._generic", None)
    with pytest.raises(ModuleNotFoundError, match="_generic"):
        platform_for("sunos5", "i86pc")


def test_powerpc_has_the_speeds_in_struct_termios(simulated: Any) -> None:
    kernel = simulated("linux-powerpc")
    kernel.make_raw()
    kernel.open_backend(baudrate=31250)
    (raw,) = [entry[1] for entry in kernel.log if entry[0] == "tcsets"]
    assert struct.unpack("=4I19sB2I", raw)[-2:] == (31250, 31250)
