"""Which code serves which platform, and the four functions of the seam."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import anyserial_discovery
import pytest
from anyserial.discovery import PortInfo
from anyserial.exceptions import PortPermissionError, UnsupportedPlatformError
from anyserial_discovery import _bsd, _darwin, _freebsd, _platform
from anyserial_discovery._platform import lister, resolver, watcher
from anyserial_discovery._polling import PollingWatcher

PLATFORMS = {
    "darwin": (_darwin, "list_ports"),
    "freebsd14": (_freebsd, "list_ports"),
    "dragonfly6": (_freebsd, "list_ports"),
    "openbsd7": (_bsd, "list_ports"),
    "netbsd10": (_bsd, "list_ports"),
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_each_platform_has_its_own_code(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    port = PortInfo(device=f"/dev/{platform}")

    def list_ports(*_: Any) -> list[PortInfo]:
        return [port]

    module, name = PLATFORMS[platform]
    monkeypatch.setattr(module, name, list_ports)
    assert lister("native", platform=platform)() == [port]
    assert resolver(platform=platform)("/dev/nowhere") is None
    if platform != "darwin":
        assert resolver(platform=platform)(port.device) == port
    watch = watcher(0.5, platform=platform)
    assert isinstance(watch, PollingWatcher)
    assert (watch.fileno(), watch.timeout()) == (None, 0.5)
    watch.close()


def test_an_unknown_platform_is_named() -> None:
    calls: list[Callable[[], object]] = [
        lambda: lister("native", platform="plan9"),
        lambda: resolver(platform="plan9"),
        lambda: watcher(1.0, platform="plan9"),
    ]
    for call in calls:
        with pytest.raises(UnsupportedPlatformError, match="plan9"):
            call()
    with pytest.raises(UnsupportedPlatformError, match="'pyudev' is for Linux, not for 'darwin'"):
        lister("pyudev", platform="darwin")


def test_an_unknown_backend_is_named_with_those_there_are() -> None:
    wrong_ones: list[Any] = ["udev", "", None, 1, []]
    for wrong in wrong_ones:
        with pytest.raises(ValueError, match="backend must be 'native', 'pyudev' or 'pyserial', not"):
            anyserial_discovery.list_ports(wrong)


@pytest.mark.skipif(sys.platform != "linux", reason="the running system is asked")
def test_the_running_system_answers() -> None:
    ports = anyserial_discovery.list_ports()
    assert all(port.device.startswith("/dev/") and port.name and port.transport for port in ports)
    found = anyserial_discovery.find_port()
    assert found == (ports[0] if ports else None)
    for port in ports:
        if port.present:
            assert anyserial_discovery.port_info_for(port.device) == port
            assert anyserial_discovery.find_port(device=port.device) == port
    watch = anyserial_discovery.open_watcher()
    try:
        assert {event.port for event in watch.events} == {
            port for port in ports if port.present and os.access(port.device, os.R_OK | os.W_OK)
        }
    finally:
        watch.close()


def test_port_info_never_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    assert anyserial_discovery.port_info_for("/dev/null") is None
    assert anyserial_discovery.port_info_for("/nowhere\0") is None
    odd: Any = 3.5
    assert anyserial_discovery.port_info_for(odd) is None

    def broken() -> None:
        raise UnsupportedPlatformError("plan9")

    monkeypatch.setattr(_platform, "resolver", broken)
    assert anyserial_discovery.port_info_for("/dev/null") is None


def test_a_pseudo_terminal_is_no_port() -> None:
    main, far = os.openpty()
    try:
        assert anyserial_discovery.port_info_for(os.ttyname(far)) is None
    finally:
        os.close(main)
        os.close(far)


def test_only_what_is_asked_for_is_imported() -> None:
    code = (
        "import sys, anyserial_discovery as d; d.port_info_for('/dev/null'); d.list_ports();"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in "
        "{'ctypes', 'serial', 'pyudev', 'asyncio', 'trio', 'subprocess', 'select', 'socket'}"
        " or m.startswith(('anyserial_discovery._d', 'anyserial_discovery._i', 'anyserial_discovery._f'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    loaded = set(done.stdout.split())
    if sys.platform == "linux":
        assert not {name for name in loaded if name.startswith(("ctypes", "serial", "pyudev", "trio", "anyserial"))}


@pytest.mark.skipif(sys.platform != "linux", reason="sysfs is read")
def test_out_of_descriptors_nothing_is_answered() -> None:
    """In a process that has none left: no port is not the answer, and neither is silence."""
    program = """
import errno, importlib.util, os, resource
import anyserial_discovery as discovery
from anyserial import PortInfo, SerialError
info = PortInfo(device="/dev/ttyNO0", vid=1, pid=2, serial_number="3", location="1-1")
calls = [
    lambda: discovery.list_ports(),
    # Which would pass over it.
    lambda: discovery.list_ports("pyserial" if importlib.util.find_spec("serial") else "native"),
    lambda: discovery.find_port(vid=1),
    lambda: discovery.locate(info),
    lambda: discovery.open_watcher(),
]
for call in calls[:2]:
    call()
discovery.open_watcher().close()
watcher = discovery.open_watcher()
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
held = []
try:
    while True:
        held.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
for call in calls:
    try:
        print(call())
    except SerialError as exc:
        assert exc.errno == errno.EMFILE and "cannot be listed" in exc.strerror, exc
        assert type(exc.__cause__) is OSError
assert discovery.port_info_for("/dev/null") is None
watcher._owed = True
for _ in range(2):
    try:
        print(watcher.process())
    except SerialError as exc:
        assert exc.errno == errno.EMFILE, exc
    assert watcher.timeout() is not None
while held:
    os.close(held.pop())
watcher.process()
watcher.close()
try:
    discovery.locate(info)
except SerialError as exc:
    print(exc.strerror)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "/dev/ttyNO0 (0001:0002, serial number 3, at 1-1) is not plugged in\n",
        "",
    )


def test_an_error_of_the_system_keeps_errno_and_path(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[PortInfo]:
        raise PermissionError(errno.EACCES, "Permission denied", "/sys/class/tty")

    def failing(backend: str) -> Callable[[], list[PortInfo]]:
        return fail

    monkeypatch.setattr(_platform, "lister", failing)
    with pytest.raises(PortPermissionError) as caught:
        anyserial_discovery.list_ports()
    assert (caught.value.errno, caught.value.filename) == (errno.EACCES, "/sys/class/tty")
    assert "the system's ports cannot be listed" in str(caught.value)
    assert isinstance(caught.value.__cause__, PermissionError)
