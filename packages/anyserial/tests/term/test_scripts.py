"""Scripts, profiles and files: as tables, and against a device without a screen, in this process."""

import argparse
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyserial_cli
import pytest
from anyserial import PortInfo
from anyserial_cli._term._log import Log
from anyserial_cli._term._profiles import Profile, ProfileError, load, profile_for
from anyserial_cli._term._protocols import TransferError, progress, receiving, sending, size_in, without_xon_xoff
from anyserial_cli._term._script import (
    Break,
    Expect,
    Fail,
    File,
    Lines,
    Matcher,
    Pause,
    ScriptError,
    Send,
    parse_script,
    pattern,
    unescape,
)

type MakeDevice = Callable[[Callable[[int, bytes], None]], Any]


def parse(text: str) -> list[Any]:
    return parse_script(text, encoding="utf-8", timeout=30.0, name="boot.txt")


def test_every_step_of_a_script() -> None:
    steps = parse(
        """
        # a comment
        expect "login: "   # and another
        timeout 5s
        fail 'Kernel "panic'
        line root
        line
        expect "[#$] $" within 500ms
        expect \\d+
        send "a\\r\\x41"
        send-file ymodem "image 1.bin"
        receive-file zmodem .
        pause 0.5
        break
        dtr off
        rts on
        """
    )
    assert steps == [
        Expect("login: ", pattern("login: ", "utf-8"), 30.0),
        Fail('Kernel "panic', pattern('Kernel "panic', "utf-8")),
        Send("root", line=True),
        Send("", line=True),
        Expect("[#$] $", pattern("[#$] $", "utf-8"), 0.5),
        Expect(r"\d+", pattern(r"\d+", "utf-8"), 5.0),
        Send("a\rA", line=False),
        File("send", "ymodem", "image 1.bin"),
        File("receive", "zmodem", "."),
        Pause(0.5),
        Break(),
        Lines("dtr", is_on=False),
        Lines("rts", is_on=True),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("expct x", "'expct' is not a step; there are expect, fail,"),
        ("expect", r'write expect "PATTERN" \[within TIME\]'),
        ("expect a 5s", r'write expect "PATTERN" \[within TIME\]'),
        ("expect a within soon", "'soon' is not a time"),
        ("expect [", "'\\[' is not a regular expression"),
        (r"send \q", r"\\q is not an escape"),
        ("send-file kermit x", "'kermit' is not a protocol; there are raw, xmodem"),
        ("dtr up", "write dtr on, or dtr off"),
        ("break now", "write break"),
        ('send "open', "No closing quotation"),
    ],
)
def test_a_wrong_step_is_named_with_its_line(line: str, message: str) -> None:
    with pytest.raises(ScriptError, match=f"^boot.txt, line 2: {message}"):
        parse(f"break\n{line}")


def test_escapes() -> None:
    assert unescape(r"\r\n\t\e\a\b\0\\\x7f€") == "\r\n\t\x1b\a\b\0\\\x7f€"


def test_what_came_before_counts_and_is_matched_once() -> None:
    matcher = Matcher()
    matcher.feed(b"login: pass")
    assert matcher.match(pattern("login: ", "utf-8"))
    assert not matcher.match(pattern("login: ", "utf-8"))
    matcher.feed(b"word: ")
    assert matcher.match(pattern("password: $", "utf-8"))
    assert matcher.rest == b""
    matcher.feed(b"x" * 100_000)
    assert len(matcher.rest) == 64 * 1024


def answers(far: int, data: bytes) -> None:
    os.write(far, {b"AT\r": b"OK\r\n", b"root\r": b"panic\r\n# "}.get(data, b"?"))


@pytest.mark.parametrize(
    ("script", "status", "message"),
    [
        ("line AT\nexpect 'OK\\r\\n$'\nline root\nexpect '# $'", 0, ""),
        ("line AT\nexpect READY within 50ms", 4, r"expected 'READY', which did not come within 0.05 s; "),
        ("line AT\nexpect NEVER within 50ms", 4, r"the last that came is b'OK\r\n'"),
        ("expect OK within 50ms", 4, "nothing came"),
        ("fail panic\nline root\nexpect '# '", 5, "'panic' came, which fails the script"),
        ("send-file raw /no/such/file", 1, "/no/such/file: No such file or directory"),
        ("receive-file xmodem /no/such/folder/file", 1, "/no/such/folder: there is no such folder"),
    ],
)
def test_a_script_ends_with_a_status(  # noqa: PLR0917  # fixtures
    script: str, status: int, message: str, make_device: MakeDevice, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "script"
    file.write_text(script)
    assert anyserial_cli.main(["expect", str(file), make_device(answers).path]) == status
    assert message in capfd.readouterr().err


def test_a_script_from_options_in_their_order(make_device: MakeDevice, capfd: pytest.CaptureFixture[str]) -> None:
    device = make_device(answers)
    steps = ["--send-line", "AT", "--expect", "OK", "--send", r"root\r", "--expect", "# $", "--timeout", "10s"]
    assert anyserial_cli.main(["term", device.path, *steps]) == 0
    assert device.received == b"AT\rroot\r"
    assert capfd.readouterr().out == "OK\r\npanic\r\n# "


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["term", "/dev/x", "--expect", "["], "argument --expect: '[' is not a regular expression"),
        (["term", "/dev/x", "--send-file", "kermit", "f"], "argument --send-file: 'kermit' is not a protocol"),
        (["term", "/dev/x", "--log-rotate", "ten"], "'ten' is not a size such as 500k or 10M"),
        (["term", "/dev/x", "--log-keep", "0"], "'0' is not a number from 1 to 1000"),
        (["term", "/dev/x", "--rs485-delays", "5ms"], "'5ms' is not a pair of times such as 1ms,2ms"),
        (["expect", "/no/such/script", "/dev/x"], "argument FILE: /no/such/script: No such file or directory"),
        (["expect", os.devnull, "/dev/x"], "argument FILE: /dev/null holds no step"),
    ],
)
def test_wrong_arguments_are_a_usage_error(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        anyserial_cli.main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_a_file_without_an_end_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (str(pipe), "/dev/zero"):
        with pytest.raises(TransferError, match="only ordinary files are sent"):
            sending("raw", path)


# ---- profiles

BY_ID = "/dev/serial/by-id/usb-FTDI_FT232R_A1-if00-port0"
CABLE = PortInfo(device="/dev/ttyUSB7", vid=0x0403, pid=0x6001, by_id=BY_ID)


@pytest.mark.parametrize(
    ("port", "is_its"),
    [
        ("0403:6001", True),
        ("0403:6002", False),
        ("usb-FTDI_*_A1-*", True),
        ("usb-FTDI_*_A2-*", False),
        (BY_ID, True),
        ("/dev/serial/by-id/usb-FTDI_*", True),
        ("/dev/ttyUSB[0-9]", True),
        ("/dev/ttyACM*", False),
        (None, False),
    ],
)
def test_a_profile_knows_its_port(port: str | None, is_its: bool) -> None:
    profile = Profile("board", port, "", {})
    assert profile.matches(CABLE) is is_its
    assert profile_for({"board": profile}, "board", []) is profile
    found = profile_for({"board": profile}, "/dev/ttyUSB7", [CABLE])
    assert found is (profile if is_its and (port is None or profile.path is None) else None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("baudrate = 5", "baudrate stands outside a profile"),
        ("[board]\nport = 5", "profile board: port must be a text"),
        ("[board\n", "config.toml: "),
        ("[board]\nbaudrat = 9600", "profile board: baudrat is not an option; did you mean baudrate?"),
        ("[board]\nhex = 1", "profile board: hex must be true or false"),
        ("[board]\nbaudrate = true", "profile board: baudrate must be a text or a number"),
        ("[board]\nflow = 'fast'", "profile board: argument --flow: invalid choice: 'fast'"),
        ("[board]\nsettings = '9Q9'", "profile board: settings: '9Q9' is not a baud rate"),
        ("[board]\nprofile-settings = '9600'", "profile board: profile-settings is not an option"),
        ("[board]\nhex = true", "profile board names no port"),
    ],
)
def test_a_wrong_profile_is_a_usage_error(
    text: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure(text, tmp_path, monkeypatch)
    with pytest.raises(SystemExit) as caught:
        anyserial_cli.main(["term", "board"])
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def configure(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "anyserial").mkdir()
    (folder / "anyserial" / "config.toml").write_text(text)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))


def test_a_profile_for_the_keyboard_serves_a_script_and_its_name_is_suggested(
    make_device: MakeDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    device = make_device(answers)
    keyboard = 'mode = "line"\necho = true\nmenu-key = "ctrl-a"\nno-status = true\nexit-after = "1s"'
    configure(f'[board]\nport = "{device.path}"\n{keyboard}\n', tmp_path, monkeypatch)
    script = tmp_path / "script"
    script.write_text("pause 0\n")
    assert anyserial_cli.main(["expect", str(script), "board"]) == 0
    assert anyserial_cli.main(["expect", str(script), "bord"]) == 1
    assert "there is no profile bord; did you mean board?" in capfd.readouterr().err


@pytest.mark.parametrize(("named", "rate"), [("board", "19200"), ("{path}", "19200"), ("board -b 9600", "9600")])
def test_a_profile_is_taken_by_its_name_and_by_its_port_and_overridden(  # noqa: PLR0917  # fixtures
    named: str,
    rate: str,
    make_device: MakeDevice,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    device = make_device(answers)
    settings = 'settings = "19200,8N2"\nnewline-out = "cr"\nchar-delay = 0.0\nexclusive = true'
    configure(f'[board]\nport = "{device.path}"\n{settings}', tmp_path, monkeypatch)
    words = named.format(path=device.path).split()
    assert anyserial_cli.main(["term", *words, "--send-line", "AT", "--expect", "OK"]) == 0
    err = capfd.readouterr().err
    assert "anyserial: profile board\n" in err
    assert f"connected to {device.path} at {rate},8N2" in err


def test_a_profile_whose_port_is_not_here_is_status_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configure('[board]\nport = "ffff:ffff"', tmp_path, monkeypatch)
    assert anyserial_cli.main(["term", "board"]) == 3
    assert capsys.readouterr().err.endswith("anyserial: ffff:ffff, the port of profile board: none is here\n")


def test_without_a_file_there_is_no_profile(tmp_path: Path) -> None:
    assert load(tmp_path / "none.toml") == {}
    with pytest.raises(ProfileError, match="Is a directory"):
        load(tmp_path)


def test_a_profile_cannot_hold_a_script() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--expect")
    with pytest.raises(ProfileError, match="expect is not an option"):
        Profile("board", None, "", {"expect": "x"}).words(parser, Path("config.toml"))


# ---- files


def program(folder: Path, name: str, text: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def test_the_programs_are_named_if_they_are_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    file = tmp_path / "file"
    file.write_bytes(b"12345")
    for plan, name in ((sending, "sz"), (receiving, "rz")):
        with pytest.raises(TransferError, match=f"lrzsz is not installed: .* It has the program {name}"):
            plan("zmodem", str(file if plan is sending else tmp_path))
    assert sending("raw", str(file)).total == 5
    program(tmp_path, "lsz", "")
    assert sending("ymodem", str(file)).command[0] == str(tmp_path / "lsz")


@pytest.mark.parametrize(
    ("protocol", "path", "message"),
    [
        ("raw", ".", "have no end"),
        ("xmodem", "file", "exists, and is not replaced"),
        ("zmodem", "no", "no such folder"),
    ],
)
def test_what_cannot_be_received(protocol: str, path: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(TransferError, match=message):
        receiving(protocol, str(tmp_path / path))


@pytest.mark.parametrize(
    ("head", "size"),
    [(b"\x01\x00\xffimage.bin\x00200000 1451 ", 200000), (b"\x18B04aname\x005\x00", 5), (b"CCC", None), (b"", None)],
)
def test_the_size_that_a_transfer_announces(head: bytes, size: int | None) -> None:
    assert size_in(head) == size


def test_a_protocol_that_xon_and_xoff_damage_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, "sz", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "file").touch()
    assert without_xon_xoff(sending("zmodem", str(tmp_path / "file"))).command[1] == "-e"
    with pytest.raises(TransferError, match="XMODEM does not work with XON/XOFF"):
        without_xon_xoff(sending("xmodem", str(tmp_path / "file")))


def test_progress_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "image.bin"
    file.write_bytes(bytes(2048))
    plan = sending("raw", str(file))
    assert progress(plan, 1024, 2048, 2.0) == (
        "sending image.bin [############............] 50% of 2.0 KiB  0.5 KiB/s  0:02 left"
    )
    assert progress(plan, 5000, 2048, 2.0).startswith("sending image.bin [#######################.] 99% of 2.0 KiB")
    assert progress(plan, 1024, None, 2.0) == "sending image.bin  1.0 KiB  0.5 KiB/s"


@pytest.mark.skipif(shutil.which("sz") is None, reason="lrzsz is not installed")
def test_a_file_goes_through_zmodem_to_another_lrzsz(
    tmp_path: Path, make_relay: Callable[[list[str], Path], Any], capfd: pytest.CaptureFixture[str]
) -> None:
    file, there, back = tmp_path / "image.bin", tmp_path / "there", tmp_path / "back"
    file.write_bytes(bytes(range(256)) * 200)
    there.mkdir()
    back.mkdir()
    relay = make_relay(["rz", "-q"], there)
    assert anyserial_cli.main(["term", relay.path, "--send-file", "zmodem", str(file)]) == 0
    assert (there / "image.bin").read_bytes() == file.read_bytes()
    relay = make_relay(["sz", "-q", str(file)], there)
    assert anyserial_cli.main(["term", relay.path, "--receive-file", "zmodem", str(back)]) == 0
    assert (back / "image.bin").read_bytes() == file.read_bytes()
    assert "receiving into " in capfd.readouterr().err


def test_a_program_that_fails_is_status_1(
    make_device: MakeDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path, "sz", "printf hello; exit 7")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    device = make_device(lambda _far, _data: None)
    file = tmp_path / "file"
    file.touch()
    assert anyserial_cli.main(["term", device.path, "--send-file", "zmodem", str(file)]) == 1
    assert "sending file by ZMODEM failed" in capfd.readouterr().err
    assert device.received.startswith(b"hello")


def test_a_raw_file_and_a_recording_of_it(
    make_device: MakeDevice, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file, record = tmp_path / "file", tmp_path / "session.rec"
    file.write_bytes(b"AT\r")
    device = make_device(answers)
    steps = ["--send-file", "raw", str(file), "--expect", "OK"]
    assert anyserial_cli.main(["term", device.path, "--record", str(record), *steps]) == 0
    text = record.read_text()
    assert text.startswith("anyserial record 1\n")
    assert 'send "AT\\r"' in text
    assert 'receive "OK\\r\\n"' in text


# ---- the log


def test_a_log_is_rotated(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"before")
    log = Log(str(path), append=True, view=None, rotate=6, keep=2)
    for piece in (b"one", b"two", b"three", b"four", b"five", b"six"):
        log.feed(piece, 0.0)
    log.close(0.0)
    found = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert found == {"log": b"fivesix", "log.1": b"threefour", "log.2": b"onetwo"}
