import contextlib
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from anyserial import PortEvent, PortInfo
from anyserial_cli import main
from anyserial_discovery import _host


def _added(port: PortInfo) -> PortEvent:
    return PortEvent(kind="added", port=port)


# Enough for the events before it, on a machine that is busy.
END = ["--timeout", "2"]


@pytest.fixture
def scene(host: Any) -> Any:
    """Two ports are there; then one goes and comes again."""
    _, odd, ftdi = host.ports
    host.ports = [odd, ftdi]
    host.events.extend([_added(odd), _added(ftdi), PortEvent(kind="removed", port=ftdi), _added(ftdi)])
    return host


def told(capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    return [(line.split()[0], line.split()[1]) for line in capsys.readouterr().out.splitlines()]


def test_every_event_is_a_line_and_the_end_of_time_is_status_3(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", *END]) == 3
    line = "/dev/ttyUSB0  FT232R USB UART  USB VID:PID=0403:6001 SER=A50285BI LOCATION=1-1.2"
    assert capsys.readouterr() == (
        f"added    /dev/ttyACM0  a\\x1b[2Jb\\nc\nadded    {line}\nremoved  {line}\nadded    {line}\n",
        "",
    )
    deadline = time.monotonic() + 10
    while not scene.closed and time.monotonic() < deadline:  # on a thread, which the end of the time does not wait for
        time.sleep(0.001)
    assert scene.closed == 1


def test_json_is_one_object_a_line(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--json", "--count", "3"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["kind"] for line in lines] == ["added", "added", "removed"]
    assert lines[1]["port"] == asdict(scene.ports[1])


def test_new_leaves_out_what_is_there(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--new", "--count", "2"]) == 0
    assert told(capsys) == [("removed", "/dev/ttyUSB0"), ("added", "/dev/ttyUSB0")]


def test_new_tells_what_may_be_opened_only_later(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    scene.forbidden = {"/dev/ttyACM0"}
    assert main(["watch", "--new", "--count", "1"]) == 0
    out, err = capsys.readouterr()
    assert out.split()[:2] == ["added", "/dev/ttyACM0"]
    assert err == "anyserial: /dev/ttyACM0 exists, but you lack permission to open it; it is not reported\n"


def test_choosing(scene: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["watch", "--vid", "0403", "--count", "2"]) == 0
    assert told(capsys) == [("added", "/dev/ttyUSB0"), ("removed", "/dev/ttyUSB0")]


def test_a_port_chosen_by_a_link_is_told_to_go_when_the_link_has_gone(
    scene: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.events.popleft()

    def number(_: object, path: str) -> tuple[int, int] | None:
        # The link goes with its port.
        return (188, 0) if path == "/dev/ttyUSB0" or (path == "/dev/mine" and len(scene.events) > 1) else None

    monkeypatch.setattr(_host.Host, "device_number", number)
    assert main(["watch", "/dev/mine", "--count", "2", "--timeout", "10"]) == 0
    assert told(capsys) == [("added", "/dev/ttyUSB0"), ("removed", "/dev/ttyUSB0")]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="told from outside by what the process has open")
def test_ctrl_c_is_status_130_and_no_traceback() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "anyserial", "watch", "nothing-has-this-name"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            _until_it_watches(process.pid)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err


def _until_it_watches(pid: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for place in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if "inotify" in str(place.readlink()):
                    return
        time.sleep(0.01)
    pytest.fail("the watch never began")
