"""Every message and symptom on the page about troubleshooting, produced here and compared with what the page shows."""

import contextlib
import fcntl
import gc
import os
import re
import struct
import subprocess
import sys
import termios
import threading
import tty
import warnings
from collections.abc import Callable, Generator
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest
from anyserial import SerialConfig, open_serial_port
from anyserial.framing import Delimited, FramedStream
from anyserial.sync import SerialPort
from anyserial.testing import SimulatedDevice, faults_of, serial_port_pair, simulated_port
from documented_ports import documented_ports
from source_tree import ROOT

PAGE = ROOT / "docs/troubleshooting.md"
NULL_DISCIPLINE = 27  # include/uapi/linux/tty.h: N_NULL, which swallows everything


class Pty(NamedTuple):
    device: int  # the descriptor of the device's end
    path: str

    def send(self, data: bytes) -> None:
        os.write(self.device, data)


@contextlib.contextmanager
def pty() -> Generator[Pty]:
    device, near = os.openpty()
    tty.setraw(near)
    try:
        yield Pty(device, os.ttyname(near))
    finally:
        for fd in (device, near):
            with contextlib.suppress(OSError):
                os.close(fd)


def told(function: Callable[..., Any], *args: Any, **named: Any) -> str:
    """Call something that fails; return the last line of its traceback, in its short form."""
    try:
        function(*args, **named)
    except Exception as exc:  # noqa: BLE001  # whatever it is, the page says it
        return f"{type(exc).__name__}: {exc}"
    return "no error"


def warned(function: Callable[[], object]) -> str:
    """Call something that warns; return the first warning."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
        gc.collect()
    return f"{caught[0].category.__name__}: {caught[0].message}"


def in_child(function: Callable[[], object]) -> str:
    """Fork, and return what *function* raises in the child."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads
        child = os.fork()
    if not child:
        os.write(writing, told(function).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writing)
    with os.fdopen(reading) as file:
        return file.read()


# Messages


def missing(_: Path) -> str:
    return told(SerialPort.open, "/dev/ttyUSB8")


def stale_link(folder: Path) -> str:
    link = folder / "usb-FTDI-if00-port0"
    link.symlink_to("../../ttyUSB7")
    return told(SerialPort.open, link)


def no_permission(_: Path) -> str:
    grp, pwd = pytest.importorskip("grp"), pytest.importorskip("pwd")
    if os.geteuid() != 0 or sys.platform != "linux":
        pytest.skip("only root can give a port away and become somebody else")
    try:
        dialout = grp.getgrnam("dialout").gr_gid
    except KeyError:
        pytest.skip("this system has no group dialout")
    # On the page it is alice. Any account but root and nobody, to whom the message says something else.
    accounts = [user for user in pwd.getpwall() if user.pw_uid and user.pw_name != "nobody"]
    if not accounts:
        pytest.skip("this system has no ordinary account")
    user = accounts[0]

    def open_as_user() -> None:
        os.setgroups([])
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        SerialPort.open(port.path)

    with pty() as port:
        SerialPort.open(port.path).close()  # what is loaded lazily is loaded before the rights are gone
        told(SerialPort.open, "/dev/null")
        os.chown(port.path, 0, dialout)
        Path(port.path).chmod(0o660)
        return in_child(open_as_user).replace(user.pw_name, "alice")


def busy(_: Path) -> str:
    script = (
        "import sys\nfrom anyserial.sync import SerialPort\n"
        "with SerialPort.open(sys.argv[1], exclusive=True):\n    print(flush=True)\n    sys.stdin.read()\n"
    )
    device, near = os.openpty()
    path = os.ttyname(near)
    command = [sys.executable, "-c", script, path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        os.close(near)  # or this process has it open as well
        message = told(SerialPort.open, path)
        other.stdin.close()
    os.close(device)
    return message


def line_discipline(_: Path) -> str:
    with pty() as port:
        fd = os.open(port.path, os.O_RDWR | os.O_NOCTTY)
        try:
            try:
                fcntl.ioctl(fd, termios.TIOCSETD, struct.pack("i", NULL_DISCIPLINE))
            except (OSError, AttributeError):
                pytest.skip("this system has no null line discipline")
            return told(SerialPort.open, port.path)
        finally:
            os.close(fd)


def no_tty(_: Path) -> str:
    return told(SerialPort.open, "/dev/null")


def gone(_: Path) -> str:
    with pty() as far, SerialPort.open(far.path) as port:
        os.close(far.device)
        return told(port.receive)


def closed(_: Path) -> str:
    with pty() as far:
        port = SerialPort.open(far.path)
        port.close()
        return told(port.receive)


def forked(_: Path) -> str:
    with pty() as far, SerialPort.open(far.path) as port:
        return in_child(port.receive)


def two_receivers(_: Path) -> str:
    messages: list[str] = []

    def receive() -> None:
        # The one that comes second is refused; the other one then receives.
        message = told(port.receive, timeout=10)
        if message != "no error":
            messages.append(message)
            far.send(b"x")

    with pty() as far, SerialPort.open(far.path) as port:
        threads = [threading.Thread(target=receive) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return messages[0]


def refused_setting(_: Path) -> str:
    with pty() as far:
        return told(SerialPort.open, far.path, parity="even")


def no_modem_lines(_: Path) -> str:
    with pty() as far, SerialPort.open(far.path) as port:
        return told(port.modem_lines)


def foreign_settings(_: Path) -> tuple[str, ...]:
    config: Any = SerialConfig
    return told(config, flow_control="rtscts"), told(config, bytesize=8)


def not_awaited(_: Path) -> tuple[str, ...]:
    opener: Any = open_serial_port("/dev/ttyUSB0")
    messages = told(opener.send, b"x"), told(getattr, opener, "receive")
    opener.close()
    del opener
    return *messages, warned(lambda: bool(open_serial_port("/dev/ttyUSB0")))


def group(_: Path) -> str:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(open_serial_port, "/dev/ttyUSB8")

    return told(anyio.run, main)


def no_loop(_: Path) -> tuple[str, ...]:
    async def nested() -> None:
        anyio.run(anyio.sleep, 0)

    opener = open_serial_port("/dev/ttyUSB0")
    return told(opener.__await__().send, None), told(anyio.run, nested)


def silence(_: Path) -> tuple[str, ...]:
    async def exchange() -> None:
        port, device = serial_port_pair()
        async with device, FramedStream(port, Delimited(b"\n")) as lines:
            await lines.exchange(b"READ?", timeout=0.01, attempts=3)

    with pty() as far, SerialPort.open(far.path) as port:
        return told(port.receive, timeout=0), told(anyio.run, exchange)


def misread_timeout(_: Path) -> str:
    def opened() -> SerialPort:
        while True:
            with contextlib.suppress(TimeoutError):  # a busy machine may need longer
                return SerialPort.open(far.path, timeout=0.01)

    def receive() -> None:
        with opened() as port:
            threading.Timer(0.1, far.send, (b"x",)).start()
            port.receive()

    with pty() as far:
        return warned(receive)


def forgotten(_: Path) -> str:
    with pty() as far:
        return warned(lambda: bool(SerialPort.open(far.path)))


def damaged(_: Path) -> str:
    async def main() -> None:
        port, device = serial_port_pair(config_a=SerialConfig(parity="even", line_errors="raise"))
        async with port, device:
            faults_of(port).parity_errors = 1
            await device.send(b"A")
            await port.receive()

    return told(anyio.run, main)


def bad_frames(_: Path) -> tuple[str, ...]:
    async def main(data: bytes) -> None:
        port, device = serial_port_pair()
        async with FramedStream(port, Delimited(b"\n", max_size=8)) as lines:
            await device.send(data)
            await device.aclose()
            await lines.receive()

    return told(anyio.run, main, b"much too long\n"), told(anyio.run, main, b"half")


# Symptoms


def nothing_arrives(_: Path) -> str:
    async def main() -> None:
        device = SimulatedDevice(until=b"\r\n").on(b"READ?\r\n", b"+1.5\r\n")
        async with simulated_port(device) as port:
            await port.send(b"READ?\n")
            with anyio.move_on_after(0.05) as scope:
                await port.receive()
            assert scope.cancelled_caught

    anyio.run(main)
    with pty() as far, SerialPort.open(far.path) as port:
        return told(port.receive, timeout=0)


def garbage(_: Path) -> str:
    async def main() -> bytes:
        device = SimulatedDevice(settings=SerialConfig(baudrate=19200))
        async with simulated_port(device) as port:
            device.send(b"hello\n")
            with anyio.fail_after(10):
                return await FramedStream(port, Delimited(b"\xe0\xe0")).receive()

    return repr(anyio.run(main) + b"\xe0\xe0")


def pieces(_: Path) -> str:
    async def main() -> str:
        port, device = serial_port_pair()
        async with port, device:
            await device.send(b"+1.20345")
            first = await port.receive()
            await device.send(b"E+00 V\n")
            return f"{first!r}\n{await port.receive()!r}"

    return anyio.run(main)


def old_answer(_: Path) -> str:
    with pty() as far:
        far.send(b"old\n")
        with SerialPort.open(far.path) as port:
            return repr(port.receive(timeout=10))


def carriage_return(_: Path) -> str:
    async def main() -> str:
        port, device = serial_port_pair()
        async with device, FramedStream(port, Delimited(b"\n")) as lines:
            await device.send(b"+1.5\r\n")
            return repr(await lines.receive())

    return anyio.run(main)


def echo(_: Path) -> str:
    async def main() -> str:
        async with FramedStream(simulated_port(SimulatedDevice(echo=True)), Delimited(b"\n")) as lines:
            return repr(await lines.exchange(b"READ?", timeout=10) + b"\n")

    return anyio.run(main)


def two_programs(_: Path) -> str:
    with pty() as far, SerialPort.open(far.path) as first, SerialPort.open(far.path) as second:
        far.send(b"one\n")
        answers = [first.receive(timeout=10)]
        far.send(b"two\n")
        answers.append(second.receive(timeout=10))
    return f"first program: {answers[0]!r}\nsecond program: {answers[1]!r}"


def lines_at_open(folder: Path) -> str:
    with documented_ports(folder), SerialPort.open("/dev/ttyUSB0") as port:
        return repr(port.control_lines())


SITUATIONS: dict[str, Callable[[Path], str | tuple[str, ...]]] = {
    "There is no serial port at this path": missing,
    "It is a link which does not exist": stale_link,
    "No permission to use the serial port": no_permission,
    "The serial port is in use": busy,
    "Its line discipline": line_discipline,
    "This is not a serial port": no_tty,
    "The serial device is gone": gone,
    "The serial port is closed": closed,
    "The port was opened by the parent process": forked,
    "Already receiving from this port": two_receivers,
    "The serial driver does not accept a setting": refused_setting,
    "The serial driver does not have modem lines": no_modem_lines,
    "A setting from another library": foreign_settings,
    "It is not a port until it is awaited": not_awaited,
    "Unhandled errors in a TaskGroup": group,
    "A running event loop is needed": no_loop,
    "Nothing was received before the timeout": silence,
    "A receive without a timeout waits without limit": misread_timeout,
    "Unclosed serial port": forgotten,
    "The line damaged a received byte": damaged,
    "A frame is too long, or ends too early": bad_frames,
    "Nothing arrives": nothing_arrives,
    "Garbage arrives": garbage,
    "Half an answer arrives, or two at once": pieces,
    "The first answer is an old one": old_answer,
    "Answers end with a carriage return": carriage_return,
    "My commands come back": echo,
    "Some answers are missing": two_programs,
    "The board restarts when the port is opened": lines_at_open,
}


def entries() -> dict[str, list[str]]:
    """The page's entries: each heading, and what stands below it as seen."""
    sections = re.split(r"^### (.+)$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return {
        heading: re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        for heading, text in zip(sections[::2], sections[1::2], strict=True)
    }


def test_every_entry_has_its_situation() -> None:
    assert list(entries()) == list(SITUATIONS)


@pytest.mark.parametrize("heading", SITUATIONS)
def test_the_page_shows_what_is_seen(heading: str, tmp_path: Path) -> None:
    seen = SITUATIONS[heading](tmp_path)
    seen = (seen,) if isinstance(seen, str) else seen
    shown = entries()[heading]
    assert len(shown) == len(seen)
    for page, real in zip(shown, seen, strict=True):
        same = OutputChecker().check_output(page, real + "\n", ELLIPSIS | NORMALIZE_WHITESPACE)
        assert same, f"the page shows\n{page}but it is\n{real}"
