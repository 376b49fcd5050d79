# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# A lambda has nowhere to say what it takes.
"""pySerial's `Serial` on a backend of these tests' own: what reaches a driver that has lines."""

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyserial.pyserial as serial
import pytest
from anyserial.capabilities import Capability, ModemLines
from anyserial.config import FlowControl, RS485Config, SerialConfig
from anyserial.exceptions import SerialError, UnsupportedConfigurationError
from anyserial.pyserial import Serial, SerialException, SerialTimeoutException

type Rig = Any  # conftest's, which has no name to import it by


class Driver:
    """What `Serial` opens: a backend, and the configurations that it was given."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.configs: list[SerialConfig] = []
        self.refusal: Exception | None = None
        backend.open_below, backend.open = backend.open, self._open
        backend.configure = self._configure

    def _open(self, path: str, config: SerialConfig) -> None:
        self.configs.append(config)
        self.backend.open_below(path, config)

    def _configure(self, config: SerialConfig) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.configs.append(config)

    @property
    def config(self) -> SerialConfig:
        return self.configs[-1]

    def calls(self, name: str) -> list[Any]:
        return [call[1:] for call in self.backend.calls if call[0] == name]


@pytest.fixture
def driver(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """Have `Serial` open a played driver at the near end of a pty."""
    made = Driver(type(rig.backend)())
    monkeypatch.setattr("anyserial._drivers.backend_for", lambda _path: made.backend)
    return made


@pytest.fixture
def opened(rig: Rig, driver: Driver) -> Iterator[Callable[..., Serial]]:
    """Open ports, and close them."""
    ports: list[Serial] = []

    def open_one(*, cls: type[Serial] = Serial, **settings: Any) -> Serial:
        port = cls(rig.port.path, **settings)
        driver.backend.calls.clear()
        ports.append(port)
        return port

    yield open_one
    for port in ports:
        with suppress(SerialError):
            port.close()


def test_what_the_driver_is_asked_for(opened: Callable[..., Serial], driver: Driver) -> None:
    opened(baudrate=19200, bytesize=7, parity="E", stopbits=2, xonxoff=True, exclusive=True)
    config = driver.config
    assert str(config).startswith("19200 7E2 xonxoff")
    assert config.flow_control == FlowControl(xon_xoff=True)
    assert config.exclusive
    assert (config.dtr_on_open, config.rts_on_open, config.hangup_on_close) == (True, True, None)


@pytest.mark.parametrize(
    ("settings", "dtr", "rts"),
    [({"dsrdtr": True}, None, True), ({"rtscts": True}, True, None), ({"rtscts": True, "dsrdtr": None}, None, None)],
)
def test_lines_that_flow_control_drives_are_not_set(
    opened: Callable[..., Serial], driver: Driver, settings: dict[str, Any], dtr: bool | None, rts: bool | None
) -> None:
    opened(**settings)
    assert (driver.config.dtr_on_open, driver.config.rts_on_open) == (dtr, rts)


def test_lines_that_are_set_before_the_port_is_opened(rig: Rig, driver: Driver) -> None:
    port = Serial()
    port.port = rig.port.path
    port.dtr = port.rts = False
    with port:
        assert (driver.config.dtr_on_open, driver.config.rts_on_open) == (False, False)


class Hooked(Serial):
    """Replaces what pySerial calls when it opens a port, as subclasses of programs do."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.called: list[str] = []
        super().__init__(*args, **kwargs)

    def _reconfigure_port(self, force_update: bool = False) -> None:
        self.called.append("settings")
        super()._reconfigure_port(force_update)

    def _update_dtr_state(self) -> None:
        self.called.append("dtr")
        raise OSError(errno.ENOTTY, "no such line")

    def _update_rts_state(self) -> None:
        self.called.append("rts")
        super()._update_rts_state()


@pytest.mark.parametrize(
    ("settings", "called", "set_lines"),
    [
        ({}, ["settings", "dtr", "rts"], [(True, None)]),
        ({"rtscts": True}, ["settings", "dtr"], []),
        ({"dsrdtr": True}, ["settings", "rts"], [(True, None)]),
    ],
)
def test_what_a_program_replaces_is_called_when_the_port_is_opened(
    rig: Rig, driver: Driver, settings: dict[str, Any], called: list[str], set_lines: list[Any]
) -> None:
    port = Hooked(**settings)
    port.port = rig.port.path
    with port:
        assert port.called == called
        assert driver.calls("set_control_lines") == set_lines


def test_a_method_of_one_port_alone_is_replaced(rig: Rig, driver: Driver, monkeypatch: pytest.MonkeyPatch) -> None:
    port = Serial()
    port.port = rig.port.path
    monkeypatch.setattr(port, "_update_dtr_state", lambda: None)
    with port:
        assert (driver.config.dtr_on_open, driver.config.rts_on_open) == (None, True)


@pytest.mark.usefixtures("driver")
def test_a_port_is_closed_if_what_a_program_replaces_fails(rig: Rig) -> None:
    class Failing(Serial):
        def _update_rts_state(self) -> None:
            raise OSError(errno.EIO, "unplugged")

    port = Failing()
    port.port = rig.port.path
    with pytest.raises(OSError, match="unplugged"):
        port.open()
    assert not port.is_open


def test_the_modem_lines(opened: Callable[..., Serial], driver: Driver) -> None:
    port = opened()
    driver.backend.lines = ModemLines(cts=True, dsr=False, ri=True, cd=False)
    assert (port.cts, port.dsr, port.ri, port.cd) == (True, False, True, False)
    assert (port.getCTS(), port.getDSR(), port.getRI(), port.getCD()) == (True, False, True, False)


def test_the_control_lines_and_the_break(opened: Callable[..., Serial], driver: Driver) -> None:
    port: Any = opened()
    port.rts = False
    port.setDTR(0)
    port.setRTS()
    assert driver.calls("set_control_lines") == [(False, None), (None, False), (True, None)]
    assert (port.rts, port.dtr) == (True, 0)
    port.break_condition = True
    port.send_break(0.0)
    port.sendBreak(0.0)
    assert driver.calls("set_break") == [(True,), (True,), (False,), (True,), (False,)]
    assert port.break_condition is False


def test_a_break_ends_when_its_caller_is_interrupted(
    opened: Callable[..., Serial], driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = opened()

    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        port.send_break()
    assert driver.calls("set_break") == [(True,), (False,)]


def test_rs485_settings_reach_the_driver(opened: Callable[..., Serial], driver: Driver) -> None:
    port = opened()
    driver.backend.capabilities = _with(driver, rs485=Capability.SUPPORTED)
    port.rs485_mode = serial.rs485.RS485Settings(
        rts_level_for_tx=False, rts_level_for_rx=True, loopback=True, delay_before_tx=0.001, delay_before_rx=None
    )
    assert driver.config.rs485 == RS485Config(
        rts_on_send=False, rts_after_send=True, rx_during_tx=True, delay_before_send=0.001, delay_after_send=0.0
    )
    port.rs485_mode = None
    assert driver.config.rs485 == RS485Config(enabled=False)


def test_a_driver_without_rs485_is_an_error(opened: Callable[..., Serial], driver: Driver) -> None:
    port = opened()
    driver.backend.capabilities = _with(driver, rs485=Capability.UNSUPPORTED)
    with pytest.raises(ValueError, match=r"serial\.rs485\.RS485"):
        port.rs485_mode = serial.rs485.RS485Settings()
    assert port.rs485_mode is None


def _with(driver: Driver, **capabilities: Capability) -> Any:
    return replace(driver.backend.capabilities, **capabilities)


def test_low_latency(opened: Callable[..., Serial], driver: Driver) -> None:
    port = opened()
    assert not driver.config.low_latency
    port.set_low_latency_mode(True)
    assert driver.config.low_latency
    port.baudrate = 57600
    assert driver.config.low_latency
    port.set_low_latency_mode(False)
    assert not driver.config.low_latency


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (UnsupportedConfigurationError(errno.EINVAL, "no such rate", "/dev/x"), ValueError),
        (SerialError(errno.EIO, "the device is sulking", "/dev/x"), SerialException),
    ],
)
def test_a_setting_that_fails_is_as_before(
    opened: Callable[..., Serial], driver: Driver, refusal: Exception, error: type[Exception]
) -> None:
    port = opened(baudrate=9600)
    driver.refusal = refusal
    for name, value in (("baudrate", 19200), ("bytesize", 7), ("parity", "E"), ("xonxoff", True), ("exclusive", True)):
        before = getattr(port, name)
        with pytest.raises(error, match="could not configure port") as caught:
            setattr(port, name, value)
        assert isinstance(caught.value, SerialException)
        assert isinstance(caught.value, OSError)
        assert caught.value.errno in (errno.EINVAL, errno.EIO)
        assert getattr(port, name) == before


def test_timeouts_do_not_touch_the_driver(opened: Callable[..., Serial], driver: Driver) -> None:
    port = opened()
    before = len(driver.configs)
    port.timeout = port.write_timeout = port.inter_byte_timeout = 1
    assert len(driver.configs) == before


def test_a_flush_waits_for_the_last_bit(opened: Callable[..., Serial], driver: Driver) -> None:
    port = opened()
    driver.backend.transmitter = [False, False, True]
    port.flush()
    assert driver.backend.transmitter == []


def test_a_flush_of_output_that_is_stuck_times_out_or_is_cancelled(
    opened: Callable[..., Serial], driver: Driver
) -> None:
    port = opened(write_timeout=0.05)
    driver.backend.queued = 5
    with pytest.raises(SerialTimeoutException):
        port.flush()
    port.write_timeout = None
    threading.Timer(0.05, port.cancel_write).start()
    port.flush()
    assert port.out_waiting == 5
    driver.backend.queued = 0


def test_closing_ends_a_flush(opened: Callable[..., Serial], driver: Driver) -> None:
    port = opened()
    driver.backend.queued = 5
    begun = threading.Event()
    errors: list[BaseException] = []

    def flush() -> None:
        begun.set()
        try:
            port.flush()
        except SerialException as exc:
            errors.append(exc)

    thread = threading.Thread(target=flush)
    thread.start()
    begun.wait()
    with pytest.warns(RuntimeWarning, match="5 bytes"):
        port.close()
    thread.join(10)
    assert not thread.is_alive()
    assert isinstance(errors[0], serial.PortNotOpenError)


def test_rts_is_set_around_a_write(opened: Callable[..., Serial], driver: Driver) -> None:
    port = opened(cls=serial.rs485.RS485)
    assert port.rs485_mode is None
    port.write(b"x")
    assert driver.calls("set_control_lines") == []
    port.rs485_mode = serial.rs485.RS485Settings(delay_before_tx=0.0, delay_before_rx=0.0)
    port.write(b"y")
    assert driver.calls("set_control_lines") == [(True, None), (False, None)]


def test_a_subclass_reconfigures_itself() -> None:
    class Own(serial.SerialBase):
        applied = 0

        def open(self) -> None:
            self.is_open = True

        def _reconfigure_port(self) -> None:
            self.applied += 1

        def close(self) -> None:
            self.is_open = False

    port = Own("own", timeout=1)
    assert port.is_open
    before = port.applied
    port.baudrate = 115200
    port.timeout = 2
    port.dsrdtr = True
    assert port.applied == before + 3
    with pytest.raises(NotImplementedError, match="RTS"):
        port.rts = True
    port.close()


class Interruption(Exception):  # noqa: N818  # as KeyboardInterrupt
    """What the handler raises."""


@pytest.mark.parametrize("read", [lambda port: port.read(9), lambda port: port.readline()])
def test_an_interrupted_read_loses_nothing(
    rig: Rig, opened: Callable[..., Serial], read: Callable[[Serial], object]
) -> None:
    port = opened()

    def handler(_number: int, _frame: object) -> None:
        raise Interruption

    os.write(rig.master, b"part")
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(Interruption):
            read(port)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert port.in_waiting == 4
    assert port.read(4) == b"part"


def test_a_forked_child_is_refused(
    rig: Rig, opened: Callable[..., Serial], run_in_child: "Callable[[Callable[[], object]], None]"
) -> None:
    port = opened()
    os.write(rig.master, b"for the parent")

    def use() -> None:
        for call in (lambda: port.read(1), lambda: port.write(b"x"), lambda: port.in_waiting, port.flush):
            with pytest.raises(serial.PortNotOpenError, match="fork"):
                call()
        port.close()

    run_in_child(use)
    assert port.read(14) == b"for the parent"


def test_handlers_of_other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "handlers_of_mine"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "protocol_mine.py").write_text(
        "import anyserial.pyserial as serial\n"
        "class Serial(serial.Serial):\n"
        "    def open(self):\n"
        "        self.is_open = True\n"
    )
    (package / "protocol_other.py").write_text(
        "from anyserial.pyserial import Serial\ndef serial_class_for_url(url):\n    return url[8:], Serial\n"
    )
    (package / "protocol_broken.py").write_text("import no_such_module_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="mine://"):
        serial.serial_for_url("mine://x")
    monkeypatch.setattr(
        sys.modules["anyserial_sync._pyserial"],
        "protocol_handler_packages",
        ["no.such.package", "handlers_of_mine", *serial.protocol_handler_packages],
    )
    port = serial.serial_for_url("MINE://x", 1200)
    assert (type(port).__module__, port.is_open, port.baudrate) == ("handlers_of_mine.protocol_mine", True, 1200)
    port.is_open = False
    assert serial.serial_for_url("other:///dev/x", do_not_open=True).port == "/dev/x"
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        serial.serial_for_url("broken://")


def test_the_helpers() -> None:
    assert serial.to_bytes([1, 2, 255]) == b"\x01\x02\xff"
    assert list(serial.iterbytes(memoryview(b"ab"))) == [b"a", b"b"]
    text: Any = "text"
    with pytest.raises(TypeError, match="encode"):
        serial.to_bytes(text)
    now = 100.0

    class Timeout(serial.Timeout):
        TIME = staticmethod(lambda: now)

    timeout = Timeout(10)
    assert (timeout.time_left(), timeout.expired(), timeout.is_infinite) == (10, False, False)
    now = 90.0  # the clock is set back: the time begins again
    assert timeout.time_left() == 10
    now = 101.0
    assert (timeout.time_left(), timeout.expired()) == (0, True)
    timeout.restart(5)
    assert timeout.time_left() == 5
    assert (Timeout(None).time_left(), Timeout(None).expired()) == (None, False)
    assert (Timeout(0).time_left(), Timeout(0).expired(), Timeout(0).is_non_blocking) == (0, True, True)


def test_the_version_and_what_esptool_looks_at() -> None:
    assert serial.VERSION == serial.__version__ == "3.5"
    # esptool takes a module that speaks of these for another package of the name.
    assert serial.__doc__ is None or not {"serialization", "deserialization"} <= set(serial.__doc__.split())
