"""``anyserial virtual``, ``info`` and ``completion``, and the help that mistakes get."""

import json
import os
import re
import signal
import subprocess
import sys
import tty
from collections.abc import Iterator
from pathlib import Path

import anyserial_cli
import pytest
from anyserial.sync import SerialPort

COMMAND = [sys.executable, "-X", "dev", "-W", "error", "-m", "anyserial"]


def virtual(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, "virtual", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def path_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def end(process: subprocess.Popen[str], number: int = signal.SIGTERM) -> tuple[int, str]:
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    # In development mode, asyncio tells on a busy machine of a task that took long.
    return process.returncode, "".join(line for line in err.splitlines() if line and not line.startswith("Executing"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_the_virtual_instrument_answers_one_program_after_the_other(tmp_path: Path, number: int, status: int) -> None:
    link = tmp_path / "instrument"
    process = virtual("--link", str(link))
    assert path_of(process) == str(link)
    for _ in range(2):
        with SerialPort.open(str(link)) as port:
            port.send(b"*IDN?\n", timeout=30)
            assert port.receive(timeout=30).startswith(b"ANYSERIAL,VIRTUAL-1")
    assert end(process, number) == (status, "")
    assert not link.is_symlink()


def test_the_virtual_echo_sends_everything_back() -> None:
    process = virtual("echo")
    data = bytes(range(256)) * 100
    with SerialPort.open(path_of(process)) as port:
        got = b""
        for start in range(0, len(data), 1024):
            port.send(data[start : start + 1024], timeout=30)
            while len(got) < start + 1024 and len(got) < len(data):
                got += port.receive(timeout=30)
    assert got == data
    assert end(process) == (0, "")


def test_the_virtual_pair_is_joined_both_ways(tmp_path: Path) -> None:
    process = virtual("pair", "--link", str(tmp_path / "a"), "--link", str(tmp_path / "b"))
    names = [path_of(process), path_of(process)]
    assert names == [str(tmp_path / "a"), str(tmp_path / "b")]
    with SerialPort.open(names[0]) as one, SerialPort.open(names[1]) as two:
        one.send(b"there", timeout=30)
        assert two.receive(timeout=30) == b"there"
        two.send(b"back", timeout=30)
        assert one.receive(timeout=30) == b"back"
    assert end(process) == (0, "")
    assert [*tmp_path.iterdir()] == []


def test_a_link_replaces_an_old_link_and_nothing_else(tmp_path: Path) -> None:
    stale, file = tmp_path / "stale", tmp_path / "file"
    stale.symlink_to("/dev/no-such-port")
    file.write_text("kept")
    process = virtual("--link", str(stale))
    path_of(process)
    assert os.path.exists(stale)  # noqa: PTH110
    assert end(process) == (0, "")
    refused = virtual("--link", str(file))
    _, err = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert re.search(r"EEXIST.*this is a file", err)
    assert file.read_text() == "kept"


def test_an_existing_path_is_named_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, folder, link = tmp_path / "file", tmp_path / "folder", tmp_path / "link"
    file.touch()
    folder.mkdir()
    link.symlink_to(file)
    for path, kind in ((file, "a file"), (folder, "a folder"), (link, "a link to another file")):
        assert anyserial_cli.main(["virtual", "--link", str(path)]) == 1
        assert f"anyserial: {path}: [EEXIST] this is {kind}, which is not replaced" in capsys.readouterr().err
    assert link.readlink() == file
    missing = tmp_path / "no" / "link"
    assert anyserial_cli.main(["virtual", "--link", str(missing)]) == 1
    assert f"anyserial: {missing}: [ENOENT] the link cannot be made" in capsys.readouterr().err


def test_two_ports_need_two_links(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    link = str(tmp_path / "a")
    with pytest.raises(SystemExit):
        anyserial_cli.main(["virtual", "pair", "--link", link, "--link", link])
    assert "--link: each port needs a path of its own" in capsys.readouterr().err
    assert not os.path.lexists(link)


def test_a_link_too_many_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        anyserial_cli.main(["virtual", "echo", "--link", "a", "--link", "b"])
    assert caught.value.code == 2
    assert "--link: echo has 1 port" in capsys.readouterr().err


@pytest.fixture
def pty() -> Iterator[tuple[int, str]]:
    far, near = os.openpty()
    tty.setraw(near)
    yield near, os.ttyname(near)
    os.close(far)
    os.close(near)


def test_info_tells_what_is_known_without_opening(pty: tuple[int, str], capsys: pytest.CaptureFixture[str]) -> None:
    _, path = pty
    assert anyserial_cli.main(["info", path]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{path}\n")
    assert "  you may open it   yes\n" in out
    assert f"this process (pid {os.getpid()})" in out
    assert "not read: --open opens the port for them, which may raise DTR" in out


def test_info_reads_the_settings_and_changes_none(pty: tuple[int, str], capsys: pytest.CaptureFixture[str]) -> None:
    import termios  # noqa: PLC0415

    near, path = pty
    modes = termios.tcgetattr(near)
    modes[4] = modes[5] = termios.B19200
    modes[2] |= termios.CSTOPB
    modes[0] |= termios.IXON | termios.IXOFF
    termios.tcsetattr(near, termios.TCSANOW, modes)
    before = termios.tcgetattr(near)
    assert anyserial_cli.main(["info", path, "--open"]) == 0
    out = capsys.readouterr().out
    assert "  settings          19200, 8N2, xonxoff, raw\n" in out
    assert "  lines             this driver has none\n" in out
    assert termios.tcgetattr(near) == before


def test_info_for_a_program(pty: tuple[int, str], capsys: pytest.CaptureFixture[str]) -> None:
    _, path = pty
    assert anyserial_cli.main(["info", path, "--open", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["port"]["device"] == path
    assert told["lines"] is None
    assert told["settings"] == {
        "baudrate": 38400,
        "byte_size": 8,
        "parity": "none",
        "stop_bits": 1.0,
        "rts_cts": False,
        "xon_xoff": False,
        "dtr_dsr": False,
        "hangup_on_close": False,
        "raw": True,
    }
    assert told["access"]["may_open"] is True
    assert told["capabilities"]["platform"] == "linux"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["info", "/dev/no-such-port"], 3, "anyserial: there is no serial port /dev/no-such-port\n"),
        (["info", "/dev/null"], 1, "anyserial: /dev/null: [ENOTTY] this is not a serial port (not a tty)\n"),
        (["info", "/dev/null", "--open"], 1, "anyserial: /dev/null: [ENOTTY] this is not a serial port (not a tty)\n"),
    ],
)
def test_info_about_what_is_no_port(
    arguments: list[str], status: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert anyserial_cli.main(arguments) == status
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert anyserial_cli.main(["completion", shell]) == 0
    assert "anyserial" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "completions"),
    [
        ("anyserial te", ["term"]),
        ("anyserial term --newline-", ["--newline-in", "--newline-out"]),
        ("anyserial term --parity e", ["even"]),
    ],
)
def test_the_shell_is_told_what_could_follow(tmp_path: Path, line: str, completions: list[str]) -> None:
    answer = tmp_path / "answer"
    environment = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    subprocess.run(
        [sys.executable, "-m", "anyserial"], env=os.environ | environment, capture_output=True, timeout=60, check=False
    )
    assert sorted(word.strip() for word in answer.read_text().split("\n")) == completions


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lst"], "anyserial: there is no command 'lst'; did you mean list?\nSee `anyserial --help`.\n"),
        (
            ["list", "--vdi", "0403"],
            (
                "anyserial list: unrecognized arguments: --vdi; did you mean --vid or --pid?\n"
                "See `anyserial list --help`.\n"
            ),
        ),
        (["list", "a", "b"], "anyserial list: unrecognized arguments: b\nSee `anyserial list --help`.\n"),
        (
            ["--versoin"],
            "anyserial: unrecognized arguments: --versoin; did you mean --version?\nSee `anyserial --help`.\n",
        ),
    ],
)
def test_a_mistyped_word_is_answered_with_what_was_meant(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        anyserial_cli.main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err == message


def test_a_command_loads_no_other_command() -> None:
    program = (
        "import sys, anyserial_cli; anyserial_cli.main(['list', '--vid', 'fffe']);"
        "print(sorted(n for n in sys.modules if n.startswith(('anyserial_cli', 'asyncio', 'prompt_toolkit'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines()[-1] == (
        "['anyserial_cli', 'anyserial_cli._installation', 'anyserial_cli._list', 'anyserial_cli._main',"
        " 'anyserial_cli._ports', 'anyserial_cli._screen']"
    )
