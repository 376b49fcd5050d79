"""``anyserial demo``: the virtual instrument on every runtime, real ports, and steps that fail."""

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import anyserial_cli
import anyserial_discovery
import anyserial_posix
import pytest
from anyserial import PortInfo, SerialConfig, open_serial_port
from anyserial.exceptions import SerialError
from anyserial_cli import _conversation, _demo
from anyserial_cli._instrument import Instrument
from anyserial_cli._screen import describe

RUNTIMES = ("asyncio", "uvloop", "trio")

type MakeDevice = Callable[[Callable[[int, bytes], None]], Any]


def silent(_far: int, _data: bytes) -> None:
    """Do nothing with what arrives."""


def echo(far: int, data: bytes) -> None:
    os.write(far, data)


def chatter(far: int, data: bytes) -> None:
    del data
    os.write(far, b"0123456789" * 10)


def demo(*arguments: str) -> int:
    return anyserial_cli.main(["demo", *arguments])


def titles(out: str) -> list[str]:
    return re.findall(r"^ \d  (.+?) *>>>", out, re.MULTILINE)


def times(out: str) -> list[str]:
    """The times of the steps that went well."""
    return re.findall(r" (\d+\.\d) ms$", out, re.MULTILINE)


def fits_a_terminal(out: str) -> bool:
    """Tell whether all of it is on a screen of 80 by 24, the prompt that follows included."""
    rows = out.splitlines()
    return len(rows) < 24 and max(map(len, rows)) < 80


def test_what_a_device_calls_itself_cannot_drive_the_terminal(
    make_device: MakeDevice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    device = make_device(silent)
    odd = PortInfo(device=device.path, description="A\x1b[2J\nforged")

    def describes(path: str) -> PortInfo:
        return odd

    monkeypatch.setattr(anyserial_discovery, "port_info_for", describes)
    # A pty has no device, so discovery would not be asked.
    monkeypatch.setattr(type(anyserial_posix.create_backend()), "has_device", True)
    demo(device.path)
    out = capsys.readouterr().out
    assert r"A\x1b[2J\nforged" in out
    assert fits_a_terminal(out)
    assert "\x1b" not in out


def test_an_error_is_one_harmless_line() -> None:
    odd = SerialError(errno.EBUSY, "held by \x1b[2J\nroot", "/dev/\x1bx")
    group = ExceptionGroup("two", [odd, ValueError("\x1b")])
    assert describe(odd) == r"/dev/\x1bx: [EBUSY] held by \x1b[2J\nroot"
    assert describe(group) == rf"{describe(odd)}; \x1b"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_whole_conversation(runtime: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert demo("--runtime", runtime, "--baudrate", "57600") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    out = captured.out
    assert f"on {runtime}: " in out
    assert len(titles(out)) == len(times(out)) == 8
    assert "57600 baud, 8N1" in out
    assert "b'+1.20345' + b'E+00 V\\n' = b'+1.20345E+00 V'" in out
    assert "the driver says 9600 baud, the far end 9600" in out
    assert "answers from SN0101 to SN0108" in out
    assert "now SerialClosedError" in out
    assert "\033" not in out
    assert fits_a_terminal(out)
    assert re.search(r"^All 8 steps done in \d+\.\d\d s\.$", out, re.MULTILINE)


def test_the_time_to_open_is_not_that_of_the_imports() -> None:
    program = (
        "import sys, anyserial_cli._conversation as c; before = None\n"
        "opens = c.VirtualPort._open\n"
        "async def look(*arguments):\n"
        "    global before; before = {*sys.modules}; result = await opens(*arguments)\n"
        "    print({*sys.modules} - before); return result\n"
        "c.VirtualPort._open = look\n"
        "import anyserial_cli; anyserial_cli.main(['demo'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "\nset()\n" in done.stdout


def test_the_rate_changes_even_from_the_first_choice(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo("--baudrate", "9600") == 0
    assert "the far end 19200" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("runtime", "behaviour", "said"),
    [
        *[(runtime, silent, "nothing came within 0.5 s") for runtime in RUNTIMES],
        ("asyncio", echo, "every byte came back: a loop-back, or an echo"),
        ("trio", chatter, "the device talks: b'012345' and 94 more"),
    ],
)
def test_a_real_port_needs_no_answer(
    runtime: str,
    behaviour: Callable[[int, bytes], None],
    said: str,
    make_device: MakeDevice,
    capsys: pytest.CaptureFixture[str],
) -> None:
    device = make_device(behaviour)
    assert demo(device.path, "--runtime", runtime) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert said in captured.out
    assert len(times(captured.out)) == len(titles(captured.out)) == 7
    assert fits_a_terminal(captured.out)
    assert device.received == _conversation.GREETING
    before = captured.out.partition("\n 1  ")[0]
    for done in (repr(_conversation.GREETING), "raises DTR and RTS", "115200 baud, 8N1", "to 9600 baud and back"):
        assert done in before


def test_a_device_that_talks_all_the_time_is_no_failure(
    make_device: MakeDevice, capsys: pytest.CaptureFixture[str]
) -> None:
    def stream(far: int, data: bytes) -> None:
        del data
        # More than one read of a tty gives, so that the step that waits in vain finds the rest.
        for _ in range(3):
            os.write(far, b"x" * 4000)

    assert demo(make_device(stream).path) == 0
    out = capsys.readouterr().out
    assert out.count("the device talks: b'xxxxxx' and ") == 2
    assert fits_a_terminal(out)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/dev/no-such-port", "/dev/no-such-port: [ENOENT] there is no serial port at this path"),
        ("/dev/null", "not a tty"),
    ],
)
def test_a_port_that_cannot_be_opened_fails_the_first_step(
    path: str, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert demo(path) == 1
    captured = capsys.readouterr()
    assert captured.out.endswith(" FAILED\n")
    assert captured.err.startswith("anyserial demo: step 1 of 7 failed (Open a port): ")
    assert reason in captured.err
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_step_that_fails_ends_the_demo_and_says_which(
    runtime: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_conversation, "MODEL", "SOMETHING ELSE")
    assert demo("--runtime", runtime) == 1
    captured = capsys.readouterr()
    assert len(times(captured.out)) == 2
    assert captured.err.startswith("anyserial demo: step 3 of 8 failed (Send, receive): expected b'SOMETHING ELSE")
    assert "Traceback" not in captured.err


def test_failures_of_several_ports_at_once_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = 0

    async def open_the_first(path: str, config: SerialConfig) -> Any:
        nonlocal opened
        opened += 1
        if opened > 2:  # to warm up, and for the first step
            raise SerialError(errno.EIO, "no luck", "/dev/somewhere")
        return await open_serial_port(path, config)

    monkeypatch.setattr(_conversation, "open_serial_port", open_the_first)
    assert demo() == 1
    err = capsys.readouterr().err
    assert err == "anyserial demo: step 7 of 8 failed (8 ports at once): /dev/somewhere: [EIO] no luck\n"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_step_that_hangs_is_given_up(
    runtime: str, make_device: MakeDevice, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_demo, "STEP_TIMEOUT", 0.5)
    monkeypatch.setattr(_conversation, "LISTENING", 60.0)
    assert demo(make_device(silent).path, "--runtime", runtime) == 1
    assert "step 4 of 7 failed (Send, listen): not done within 0.5 s" in (capsys.readouterr().err)


@pytest.mark.parametrize("runtime", ["uvloop", "trio"])
def test_a_runtime_that_is_not_installed_is_named(
    runtime: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find_spec(_name: str) -> None:
        """Find nothing."""

    monkeypatch.setattr(_demo, "find_spec", find_spec)
    with pytest.raises(SystemExit) as caught:
        demo("--runtime", runtime)
    assert caught.value.code == 2
    assert f"pip install 'anyserial[{runtime}]'" in capsys.readouterr().err


@pytest.mark.parametrize(("variable", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colour_on_a_terminal_only_if_it_is_wanted(variable: dict[str, str], coloured: bool) -> None:
    far, near = os.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "anyserial", "demo", "/dev/no-such-port"],
        stdin=near,
        stdout=near,
        stderr=near,
        env=environment | {"TERM": "xterm"} | variable,
    )
    os.close(near)
    out = b""
    try:
        while piece := os.read(far, 4096):
            out += piece
    except OSError as exc:
        assert exc.errno == errno.EIO  # the last holder of the near end has gone  # noqa: PT017
    os.close(far)
    assert process.wait(60) == 1
    assert b"FAILED" in out
    assert (b"\033[" in out) is coloured


def test_the_help_tells_what_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        demo("--help")
    assert caught.value.code == 0
    out = capsys.readouterr().out
    assert _conversation.GREETING.decode().strip() in out
    for word in ("PORT", "--runtime", "--baudrate", "exit status", "loop-back"):
        assert word in out


def test_a_program_error_outside_the_steps_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def break_down(_self: object) -> None:
        raise OSError(errno.EIO, "the instrument broke")

    monkeypatch.setattr(Instrument, "serve", break_down)
    assert demo() == 1
    assert "[EIO] the instrument broke" in capsys.readouterr().err
