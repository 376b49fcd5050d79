"""What is set on a port, in which order, and how it is undone: on the simulated kernel."""

import errno
import os
import struct
from collections.abc import Callable
from typing import Any

import pytest
from anyserial.capabilities import Capability
from anyserial.config import FlowControl, LineErrors, RS485Config, SerialConfig
from anyserial.exceptions import (
    PortBusyError,
    SerialDisconnectedError,
    SerialError,
    UnsupportedConfigurationError,
    UnsupportedFeatureError,
)
from anyserial_posix._termios import Attributes

PATH = "/dev/ttyTEST0"
TIMER = "/sys/dev/char/4:65/device/latency_timer"
LOW_LATENCY = 0x2000


def _flag(kernel: Any) -> bool:
    return bool(struct.unpack_from("=i", kernel.serial, 16)[0] & LOW_LATENCY)


def _like_ftdi(kernel: Any) -> None:
    """Let the flag change the chip's timer, as ftdi_sio does."""
    kernel.files[TIMER] = "16\n"
    kernel.on_serial = lambda: {TIMER: "1\n" if _flag(kernel) else "16\n"}


def test_low_latency_saves_the_timer_before_the_flag_changes_it(simulated: Any) -> None:
    kernel = simulated()
    _like_ftdi(kernel)
    port = kernel.open_backend(low_latency=True)
    assert _flag(kernel)
    assert kernel.files[TIMER] == "1\n"
    assert port.capabilities.low_latency is Capability.SUPPORTED
    names = kernel.names()
    assert names.index("read_file") < names.index("tiocsserial")
    assert names.count("read_file") == 1  # reading it again would make 1 ms the driver's own value
    kernel.log.clear()
    port.close()
    assert not _flag(kernel)
    assert kernel.files[TIMER] == "16\n"
    assert "write_file" not in kernel.names()


def test_low_latency_writes_a_timer_that_does_not_come_back_by_itself(simulated: Any) -> None:
    kernel = simulated()
    _like_ftdi(kernel)
    kernel.on_serial = lambda: {TIMER: "1\n"}
    port = kernel.open_backend(low_latency=True)
    port.close()
    assert kernel.files[TIMER] == "16"
    # Without the right to write it, closing goes on.
    kernel.files[TIMER] = "16\n"
    kernel.refused["write_file"] = errno.EACCES
    kernel.open_backend(low_latency=True).close()


def test_low_latency_that_was_on_stays_on(simulated: Any) -> None:
    kernel = simulated()
    _like_ftdi(kernel)
    struct.pack_into("=i", kernel.serial, 16, LOW_LATENCY)
    port = kernel.open_backend(low_latency=True)
    port.close()
    assert _flag(kernel)
    assert "tiocsserial" not in kernel.names()
    assert "read_file" not in kernel.names()


@pytest.mark.parametrize("low_latency", [False, True])
def test_low_latency_of_a_process_that_was_killed_is_put_back(simulated: Any, low_latency: bool) -> None:
    kernel = simulated()
    before = bytes(kernel.serial)
    _like_ftdi(kernel)
    killed = kernel.open_backend(low_latency=True)
    assert bytes(kernel.serial) != before
    port = kernel.open_backend(low_latency=low_latency)
    assert _flag(kernel) is low_latency
    assert kernel.files[TIMER] == ("1\n" if low_latency else "16\n")
    port.close()
    assert bytes(kernel.serial) == before
    assert kernel.files[TIMER] == "16\n"
    kernel.log.clear()
    killed.close()  # which only its process does in earnest
    assert "tiocsserial" not in kernel.names()


@pytest.mark.parametrize("holder", ["/proc/4711/fd/3", f"/proc/{os.getpid()}/fd/9"], ids=["another", "this"])
def test_low_latency_that_somebody_uses_is_left_alone(simulated: Any, holder: str) -> None:
    kernel = simulated()
    _like_ftdi(kernel)
    first = kernel.open_backend(low_latency=True)
    kernel.files[f"/proc/{os.getpid()}/fd/3"] = kernel.files[holder] = PATH
    for low_latency in (False, True):
        kernel.open_backend(low_latency=low_latency).close()
        assert _flag(kernel)
    first.close()
    assert not _flag(kernel)


@pytest.mark.parametrize(("flags", "divisor"), [(0, 5), (0x30, 0)])
def test_low_latency_lets_somebody_s_custom_divisor_be(simulated: Any, flags: int, divisor: int) -> None:
    kernel = simulated()
    _like_ftdi(kernel)
    struct.pack_into("=3i", kernel.serial, 16, flags, 0, divisor)
    before = bytes(kernel.serial)
    port = kernel.open_backend(low_latency=True)
    assert struct.unpack_from("=3i", kernel.serial, 16) == (flags | LOW_LATENCY, 0, divisor)
    port.close()
    assert bytes(kernel.serial) == before


def test_low_latency_goes_with_configure(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend(low_latency=True)
    port.configure(SerialConfig(low_latency=True))
    assert kernel.names().count("tiocsserial") == 1
    port.configure(SerialConfig())
    assert not _flag(kernel)
    port.configure(SerialConfig(low_latency=True))
    assert _flag(kernel)
    port.close()
    assert not _flag(kernel)


def test_low_latency_that_a_driver_ignores_is_no_error(simulated: Any) -> None:
    kernel = simulated()
    before = bytes(kernel.serial)

    def ignore() -> dict[str, str]:
        kernel.serial[:] = before
        return {}

    kernel.on_serial = ignore
    port = kernel.open_backend(low_latency=True)
    assert port.capabilities.low_latency is Capability.UNSUPPORTED


def test_low_latency_is_put_back_when_opening_fails_later(simulated: Any) -> None:
    kernel = simulated()
    _like_ftdi(kernel)
    kernel.refused["flush"] = errno.EIO
    with pytest.raises(SerialError):
        kernel.open_backend(low_latency=True, discard_input_on_open=True)
    assert not _flag(kernel)


def test_low_latency_that_cannot_be_read_back_is_put_back(simulated: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = simulated()
    plain = kernel.ioctl
    answers = iter([None, errno.EIO, None])  # before setting, after setting, while putting back

    def ioctl(fd: int, request: int, argument: bytes) -> bytes:
        if request == kernel.platform.ioctls.tiocgserial and _flag(kernel) and (number := next(answers, None)):
            raise OSError(number, "failed transfer")
        return bytes(plain(fd, request, argument))

    next(answers)
    monkeypatch.setattr(kernel, "ioctl", ioctl)
    with pytest.raises(SerialError):
        kernel.open_backend(low_latency=True)
    assert not _flag(kernel)


def _rs485(kernel: Any) -> tuple[int, int, int]:
    flags, before, after, _ = struct.unpack("=3I20s", kernel.rs485)
    return flags, before, after


def test_rs485_changes_only_what_it_knows_and_is_put_back(simulated: Any) -> None:
    kernel = simulated()
    before = struct.pack("=3I20s", 0x20 | 0x04, 5, 6, b"reserved")
    kernel.rs485 = before
    port = kernel.open_backend(rs485=RS485Config(delay_before_send=0.0014, delay_after_send=0.002, rx_during_tx=True))
    assert _rs485(kernel) == (0x20 | 0x01 | 0x02 | 0x10, 1, 2)
    assert kernel.rs485[12:20] == b"reserved"
    assert port.capabilities.rs485 is Capability.SUPPORTED
    port.configure(SerialConfig(rs485=RS485Config(rts_on_send=False, rts_after_send=True)))
    assert _rs485(kernel) == (0x20 | 0x01 | 0x04, 0, 0)
    port.configure(SerialConfig())  # None leaves it alone
    assert _rs485(kernel) == (0x20 | 0x01 | 0x04, 0, 0)
    port.configure(SerialConfig(rs485=RS485Config(enabled=False)))
    assert _rs485(kernel)[0] & 0x01 == 0
    port.close()
    assert kernel.rs485 == before


def test_rs485_off_is_not_refused_where_there_is_none(simulated: Any) -> None:
    kernel = simulated()
    kernel.refused["tiocgrs485"] = errno.ENOTTY
    port = kernel.open_backend(rs485=RS485Config(enabled=False))
    assert port.capabilities.rs485 is Capability.UNSUPPORTED
    with pytest.raises(UnsupportedFeatureError):
        port.configure(SerialConfig(rs485=RS485Config()))


def test_a_later_failure_puts_everything_back(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend(baudrate=4800)
    before = kernel.attributes, kernel.rs485
    kernel.refused["tiocgserial"] = errno.EIO
    with pytest.raises(SerialError):
        port.configure(
            SerialConfig(baudrate=9600, rs485=RS485Config(), low_latency=True, exclusive=True, line_errors="raise")
        )
    assert (kernel.attributes, kernel.rs485) == before
    assert port.actual_baudrate == 4800
    assert port.line_decoder is None
    assert kernel.exclusive == 0
    kernel.log.clear()
    port.close()
    assert "tiocsrs485" not in kernel.names()  # it was not this port's any more


def test_a_refusal_of_a_device_that_is_going_is_a_disconnect(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused["tcsets"] = errno.EINVAL
    kernel.far.close()
    with pytest.raises(SerialDisconnectedError):
        port.configure(SerialConfig(baudrate=300))


@pytest.mark.parametrize(
    ("kept", "named"),
    [
        (struct.pack("=3I20s", 0x03, 100, 0, b""), "delay_before_send=0.25 .it set 0.1."),
        (struct.pack("=3I20s", 0x05, 250, 0, b""), "rs485.rts_on_send=True, rs485.rts_after_send=False"),
        (struct.pack("=3I20s", 0x00, 0, 0, b""), "rs485.enabled=True"),
    ],
)
def test_rs485_that_the_driver_changes_goes_by_the_policy(
    simulated: Any, monkeypatch: pytest.MonkeyPatch, kept: bytes, named: str
) -> None:
    kernel = simulated()
    before = kernel.rs485
    plain = kernel.ioctl

    def ioctl(fd: int, request: int, argument: bytes) -> bytes:
        answer = bytes(plain(fd, request, argument))
        if request == kernel.platform.ioctls.tiocsrs485 and argument != before:
            kernel.rs485 = kept
        return answer

    monkeypatch.setattr(kernel, "ioctl", ioctl)
    config = SerialConfig(rs485=RS485Config(delay_before_send=0.25))
    with pytest.raises(UnsupportedConfigurationError, match=named):
        kernel.open_backend(config)
    assert kernel.rs485 == before
    with pytest.warns(RuntimeWarning, match=named):
        kernel.open_backend(config.with_changes(unsupported_policy="warn"))


def test_lines_are_set_on_open_with_one_request(simulated: Any) -> None:
    kernel = simulated()
    kernel.make_raw()
    kernel.open_backend(dtr_on_open=False, rts_on_open=False)
    assert kernel.lines == 0
    names = kernel.names()
    assert names.count("tiocmset") == 1
    assert names.index("tiocmset") < names.index("tcsets")


def _found(kernel: Any, iflag: int = 0, lflag: int = 0) -> None:
    """Let the tty be found with these flags set, and nothing else of what changes input."""
    kernel.make_raw()
    kernel.attributes = kernel.attributes._replace(iflag=iflag, lflag=lflag)


@pytest.mark.parametrize("name", ["linux", "linux-mips", "linux-powerpc", "darwin", "freebsd", "openbsd", "generic"])
def test_a_cooked_tty_is_made_raw_before_anything_else(simulated: Any, name: str) -> None:
    kernel = simulated(name)
    port = kernel.open_backend(exclusive=True, low_latency=name == "linux", dtr_on_open=False)
    names = kernel.names()
    local = {"stat", "open", "tcgets", "tcgetattr", "tiocgetd", "tiocgexcl", "flock", "tiocexcl", "is_own_terminal"}
    first = next(index for index, call in enumerate(names) if call not in local)
    assert names[first : first + 2] in (["tcsets", "flush"], ["tcsetattr", "flush"])
    assert names.count("flush") == 1
    if names[first] == "tcsets":
        made = kernel.platform.layout.unpack(kernel.log[first][1])
        assert (made.iflag, made.oflag, made.lflag) == (0, 0, 0)
        assert made.cc[kernel.platform.flags.vmin] == 1
        assert made.cflag & kernel.platform.flags.csize == kernel.platform.flags.cs8
        assert made.ospeed == 9600  # the rate can wait: setting it is a USB transfer
    port.close()


@pytest.mark.parametrize(
    ("iflag", "lflag", "fields", "discarded"),
    [
        (0, 0, {}, False),
        (0x18, 0, {}, False),  # INPCK, PARMRK: the marks can be told from the data
        (0, 0x8, {}, False),  # ECHO changes nothing that is received
        (0x20, 0, {}, True),  # ISTRIP
        (0x40, 0, {}, True),  # INLCR
        (0x80, 0, {}, True),  # IGNCR
        (0x100, 0, {}, True),  # ICRNL
        (0x200, 0, {}, True),  # IUCLC
        (0x400, 0, {}, True),  # IXON
        (0x400, 0, {"flow_control": FlowControl(xon_xoff=True)}, False),  # XON and XOFF are not data then
        (0, 0x1, {}, True),  # ISIG
        (0, 0x2, {}, True),  # ICANON
        (0, 0x8000, {}, False),  # IEXTEN does nothing by itself
    ],
)
def test_only_input_that_a_cooked_tty_has_changed_is_discarded(
    simulated: Any, iflag: int, lflag: int, fields: dict[str, Any], discarded: bool
) -> None:
    kernel = simulated()
    _found(kernel, iflag, lflag)
    kernel.open_backend(**fields)
    assert ("flush" in kernel.names()) is discarded
    # A raw tty that echoes is silenced as soon.
    assert (kernel.names().count("tcsets") == 2) is (discarded or lflag == 0x8)


def test_a_busy_port_is_neither_set_nor_flushed(simulated: Any) -> None:
    for busy in ("TIOCEXCL", "flock", "discipline"):
        kernel = simulated()
        before = kernel.attributes
        if busy == "TIOCEXCL":
            kernel.exclusive = 1
        elif busy == "discipline":
            kernel.discipline = 17
        else:
            kernel.refused["flock"] = errno.EWOULDBLOCK
        with pytest.raises(PortBusyError):
            kernel.open_backend(exclusive=True)
        assert not {"tcsets", "flush", "tiocmset"} & set(kernel.names())
        assert kernel.attributes == before


def test_a_driver_that_refuses_the_raw_mode_by_itself_is_given_the_settings_as_a_whole(
    simulated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = simulated()
    plain = kernel.ioctl

    def ioctl(fd: int, request: int, argument: bytes) -> bytes:
        if request == kernel.platform.ioctls.tcsets and kernel.platform.layout.unpack(argument).ospeed == 9600:
            raise OSError(errno.EINVAL, "not this")
        return bytes(plain(fd, request, argument))

    monkeypatch.setattr(kernel, "ioctl", ioctl)
    assert kernel.open_backend().actual_baudrate == 115200
    assert kernel.attributes.lflag == 0


def test_a_cooked_tty_is_cooked_again_after_a_failed_open(simulated: Any) -> None:
    kernel = simulated()
    before = kernel.attributes
    kernel.refused["tiocmget"] = errno.EIO
    with pytest.raises(SerialError):
        kernel.open_backend(dtr_on_open=False)
    assert kernel.attributes == before


def test_lines_that_the_rate_moved_are_set_again(simulated: Any) -> None:
    kernel = simulated()
    both = kernel.platform.modem.dtr | kernel.platform.modem.rts

    def keep(asked: Attributes) -> Attributes:
        kernel.lines |= both
        return asked

    kernel.keep = keep
    kernel.open_backend(dtr_on_open=False)
    assert kernel.lines == kernel.platform.modem.rts


def test_input_is_discarded_once_the_device_has_delivered_it(simulated: Any) -> None:
    kernel = simulated()
    kernel.make_raw()
    kernel.open_backend().close()
    assert not {"pause", "flush"} & set(kernel.names())
    kernel.open_backend(discard_input_on_open=True)
    assert kernel.names()[-3:] == ["pause", "fionread", "flush"]
    assert (kernel.log[-3], kernel.log[-1]) == (("pause", 0.01), ("flush", 0))


@pytest.mark.parametrize(("pieces", "rounds"), [([5, 0], 2), ([5, 900, 0], 3), ([1] * 10, 5)])
def test_input_is_discarded_until_no_more_comes(simulated: Any, pieces: list[int], rounds: int) -> None:
    """A slow adapter delivers in pieces; a device that never stops holds up the open for 50 ms."""
    kernel = simulated()
    kernel.make_raw()
    left = iter(pieces)
    kernel.input_waiting = lambda: next(left)
    kernel.open_backend(discard_input_on_open=True)
    assert kernel.names()[-3 * rounds :] == ["pause", "fionread", "flush"] * rounds
    assert "pause" not in kernel.names()[: -3 * rounds]


def test_input_is_discarded_once_where_it_is_not_counted(simulated: Any) -> None:
    kernel = simulated()
    kernel.make_raw()
    kernel.refused["fionread"] = errno.ENOTTY
    kernel.open_backend(discard_input_on_open=True)
    assert kernel.names()[-3:] == ["pause", "fionread", "flush"]


def test_an_open_asks_for_no_more_than_it_needs(simulated: Any) -> None:
    """Of a pty, of which everything that can be asked is known, and which the last open left as it is wanted."""
    kernel = simulated()
    kernel.device = os.makedev(136, 3)
    kernel.open_backend(baudrate=4800).close()
    kernel.log.clear()
    port = kernel.open_backend(baudrate=4800)
    assert kernel.names() == ["stat", "open", "tcgets", "tiocgetd", "tiocgexcl"]
    assert port.actual_baudrate == 4800
    kernel.log.clear()
    port.configure(SerialConfig(baudrate=4800))
    assert kernel.names() == ["tcgets", "tiocgetd", "tcsets", "tcgets"]
    port.close()
    kernel.log.clear()
    kernel.open_backend(baudrate=300)
    assert kernel.names() == ["stat", "open", "tcgets", "tiocgetd", "tiocgexcl", "tcsets", "tcgets"]


def test_lines_are_left_alone_unless_asked_for(simulated: Any) -> None:
    kernel = simulated()
    kernel.make_raw()
    kernel.open_backend()
    assert not {"tiocmset", "tiocmbis", "tiocmbic"} & set(kernel.names())
    assert "flush" not in kernel.names()


def test_both_lines_change_in_one_request(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.log.clear()
    port.set_control_lines(rts=False, dtr=True)
    port.set_control_lines(rts=True)
    port.set_control_lines(dtr=False)
    port.set_control_lines()
    assert kernel.names() == ["tiocmget", "tiocmset", "tiocmbis", "tiocmbic"]


def test_exclusive_is_all_or_nothing(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused["tiocexcl"] = errno.EIO
    with pytest.raises(SerialError):
        port.configure(SerialConfig(exclusive=True))
    assert [entry for entry in kernel.log if entry[0] == "flock"] == [("flock", 6), ("flock", 8)]
    kernel.refused.clear()
    port.configure(SerialConfig(exclusive=True))
    kernel.drop(kernel.platform.flags.parenb)
    with pytest.raises(UnsupportedConfigurationError):
        port.configure(SerialConfig(parity="E"))
    assert kernel.exclusive == 1  # the old settings had it
    port.configure(SerialConfig())
    assert kernel.exclusive == 0


def test_tiocexcl_keeps_out_root_too(simulated: Any) -> None:
    kernel = simulated()
    kernel.exclusive = 1
    with pytest.raises(PortBusyError):
        kernel.open_backend()
    assert kernel.exclusive == 1
    kernel.refused["tiocgexcl"] = errno.EINVAL  # a kernel before 3.8
    kernel.open_backend()


def _but(before: Attributes, driver: Callable[[Attributes], Attributes]) -> Callable[[Attributes], Attributes]:
    """Let what was in force before be put back as it was."""

    def keep(asked: Attributes) -> Attributes:
        return asked if asked == before else driver(asked)

    return keep


def _uart(asked: Attributes) -> Attributes:
    """8250 at baud_base 115200: a rate above that is not set at all."""
    return asked if asked.ospeed <= 115200 else asked._replace(ispeed=9600, ospeed=9600)


def _gadget(asked: Attributes) -> Attributes:
    """ttyGS keeps 9600 8N1, whatever is asked."""
    return asked._replace(cflag=0xBD, ispeed=9600, ospeed=9600)


def _ftdi(asked: Attributes) -> Attributes:
    """ftdi_sio keeps the size from before for CS6 (eight bits here), and makes 9600 of what is too fast."""
    if asked.cflag & 0x30 == 0x10:
        asked = asked._replace(cflag=asked.cflag | 0x30)
    return asked if asked.ospeed <= 3000000 else asked._replace(ispeed=9600, ospeed=9600)


@pytest.mark.parametrize(
    ("driver", "config", "named"),
    [
        (_uart, SerialConfig(baudrate=250000), "baudrate=250000 .it set 9600."),
        (_gadget, SerialConfig(baudrate=9600, stop_bits=2), "stop_bits='2'"),
        (_gadget, SerialConfig(baudrate=9600, flow_control=FlowControl(rts_cts=True)), "rts_cts=True"),
        (_gadget, SerialConfig(), "baudrate=115200"),
        (_ftdi, SerialConfig(byte_size=6), "byte_size='6' .it set '8'."),
        (_ftdi, SerialConfig(baudrate=4000000), "baudrate=4000000"),
    ],
)
def test_what_a_driver_drops_in_silence_is_found(
    simulated: Any, driver: Callable[[Attributes], Attributes], config: SerialConfig, named: str
) -> None:
    kernel = simulated()
    before = kernel.attributes
    kernel.keep = _but(before, driver)
    with pytest.raises(UnsupportedConfigurationError, match=named) as caught:
        kernel.open_backend(config)
    assert "unsupported_policy" in str(caught.value)
    assert kernel.attributes == before
    with pytest.warns(RuntimeWarning, match=named):
        port = kernel.open_backend(config.with_changes(unsupported_policy="warn"))
    assert port.actual_baudrate == kernel.attributes.ospeed


def test_a_warning_made_an_error_leaves_nothing_open(simulated: Any) -> None:
    kernel = simulated()
    before = kernel.attributes
    kernel.keep = _but(before, _gadget)
    with pytest.raises(RuntimeWarning):  # as pytest's filterwarnings makes it
        kernel.open_backend(exclusive=True, unsupported_policy="warn")
    assert kernel.exclusive == 0
    assert kernel.attributes == before
    assert kernel.names()[-1] == "close"


def test_marks_are_decoded_only_while_asked_for(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend(line_errors="raise")
    decoder = port.line_decoder
    assert decoder is not None
    assert kernel.attributes.iflag & 0x18 == 0x18
    port.configure(SerialConfig(line_errors="raise", baudrate=300))
    assert port.line_decoder is decoder  # it may hold half a mark
    port.configure(SerialConfig(line_errors=LineErrors.DISCARD))
    assert port.line_decoder is not decoder
    port.configure(SerialConfig())
    assert port.line_decoder is None
    assert kernel.attributes.iflag & 0x18 == 0


def test_counters_come_in_the_kernels_order(simulated: Any) -> None:
    counters = simulated().open_backend().line_counters()
    assert (counters.cts, counters.dsr, counters.ri, counters.cd, counters.rx, counters.tx) == (0, 1, 2, 3, 4, 5)
    assert (counters.frame, counters.overrun, counters.parity, counters.brk, counters.buf_overrun) == (6, 7, 8, 9, 10)


def test_closing_leaves_output_to_the_kernel(simulated: Any) -> None:
    """Core discards it before, where that is wanted."""
    kernel = simulated()
    kernel.make_raw()
    port = kernel.open_backend()
    kernel.queued = 9
    port.close()
    assert "flush" not in kernel.names()
    assert kernel.names()[-1] == "close"
    port.close()


@pytest.mark.parametrize(
    ("device", "own", "put_back"),
    [
        ((5, 0), False, True),  # /dev/tty
        ((5, 1), False, True),  # /dev/console
        ((4, 1), False, True),  # a virtual console
        ((136, 7), True, True),  # the pty of the user's own terminal
        ((4, 65), True, True),  # a login over a serial line
        ((136, 7), False, False),
        ((4, 65), False, False),
    ],
)
def test_a_terminal_gets_its_settings_back(simulated: Any, device: tuple[int, int], own: bool, put_back: bool) -> None:
    kernel = simulated()
    kernel.device, kernel.own_terminal = os.makedev(*device), own
    found = kernel.attributes
    port = kernel.open_backend(baudrate=300)
    port.configure(SerialConfig(baudrate=600))
    port.close()
    assert (kernel.attributes == found) is put_back
    kernel.make_raw()  # whom it was left raw to wants nothing back, and is not asked about
    kernel.log.clear()
    kernel.open_backend(baudrate=300).close()
    assert "is_own_terminal" not in kernel.names()
    assert kernel.attributes.ospeed == 300


def test_closing_what_is_gone_raises_nothing(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend(exclusive=True, low_latency=True, rs485=RS485Config())
    kernel.unplug()
    port.close()
    assert not port.is_open
    assert ("flock", 8) in kernel.log
    assert kernel.names()[-1] == "close"


def test_a_close_that_answers_an_error_has_closed_all_the_same(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused["close"] = errno.EIO
    port.close()
    assert not port.is_open


@pytest.mark.parametrize(
    ("device", "expected"),
    [((4, 65), [False, True]), ((188, 0), [None, None])],
)
def test_a_transmitter_is_asked_where_its_answer_is_fresh(
    simulated: Any, device: tuple[int, int], expected: list[bool | None]
) -> None:
    import os  # noqa: PLC0415

    kernel = simulated()
    kernel.device = os.makedev(*device)
    port = kernel.open_backend()
    kernel.line_status = 0
    found = [port.transmitter_empty()]
    kernel.line_status = 1
    found.append(port.transmitter_empty())
    assert found == expected


def test_a_driver_without_a_line_status_is_asked_once(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    kernel.refused["tiocsergetlsr"] = errno.ENOTTY
    assert port.transmitter_empty() is None
    assert port.transmitter_empty() is None
    assert kernel.names().count("tiocsergetlsr") == 1


@pytest.mark.parametrize(
    ("request_name", "number", "field", "expected"),
    [
        ("tiocmget", errno.ENOTTY, "modem_lines", Capability.UNSUPPORTED),
        ("tiocmget", errno.EIO, "modem_lines", Capability.SUPPORTED),
        ("tiocgserial", errno.ENOTTY, "low_latency", Capability.UNSUPPORTED),
        ("tiocgrs485", errno.ENOTTY, "rs485", Capability.UNSUPPORTED),
        (None, 0, "low_latency", Capability.UNKNOWN),
        (None, 0, "rs485", Capability.SUPPORTED),  # a mode is set in the simulated kernel
    ],
)
def test_capabilities_are_refined_by_harmless_queries(
    simulated: Any, request_name: str | None, number: int, field: str, expected: Capability
) -> None:
    kernel = simulated()
    kernel.make_raw()
    if request_name:
        kernel.refused[request_name] = number
    port = kernel.open_backend()
    assert getattr(port.capabilities, field) is expected
    harmless = {"stat", "open", "tcgets", "tcsets", "tiocgetd", "tiocgexcl", "tiocmget", "tiocgserial", "tiocgrs485"}
    assert set(kernel.names()) == harmless


def test_rs485_zeros_say_nothing(simulated: Any) -> None:
    kernel = simulated()
    kernel.rs485 = bytes(32)
    assert kernel.open_backend().capabilities.rs485 is Capability.UNKNOWN


def test_a_backend_holds_one_port_at_a_time(simulated: Any) -> None:
    kernel = simulated()
    port = kernel.open_backend()
    with pytest.raises(SerialError, match="already"):
        port.open("/dev/ttyTEST0", SerialConfig())
    port.close()
    port.open("/dev/ttyTEST0", SerialConfig())


@pytest.mark.parametrize("released", [False, True])
def test_a_break_does_not_outlast_the_port(simulated: Any, released: bool) -> None:
    """Measured: ftdi_sio, cp210x and ch341 leave the line in break when the port is closed."""
    kernel = simulated()
    port = kernel.open_backend()
    port.set_break(on=True)
    if released:
        port.set_break(on=False)
    port.close()
    names = kernel.names()
    assert names.count("tioccbrk") == 1
    assert names.index("tioccbrk") < names.index("close")
    port.open("/dev/ttyTEST0", SerialConfig())
    port.close()
    assert kernel.names().count("tioccbrk") == 1
