"""The running system, below a directory: nothing raises, whatever is or is not there."""

import errno
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyserial_discovery
import pytest
from anyserial_discovery import _host
from anyserial_discovery._host import Host


@pytest.fixture
def host(tmp_path: Path) -> Host:
    (tmp_path / "text").write_text("  FTDI \n")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "link").symlink_to("text")
    (tmp_path / "directory").mkdir()
    return Host(str(tmp_path))


def test_attributes(host: Host) -> None:
    assert host.text("/text") == "FTDI"
    assert host.text("/empty") is None
    assert host.text("/missing") is None
    # It opens, and reading fails, as an attribute whose device is gone.
    assert host.text("/directory") is None


def test_links_and_names(host: Host) -> None:
    assert host.link("/link") == "text"
    assert host.link("/text") is None
    assert sorted(host.names("")) == ["directory", "empty", "link", "text"]
    assert host.names("/text") == []


def test_nodes(host: Host, tmp_path: Path) -> None:
    assert host.device_number("/text") is None
    assert host.device_number("/missing") is None
    assert host.device_number("/\0") is None
    running = Host()
    status = Path("/dev/null").stat()
    assert stat.S_ISCHR(status.st_mode)
    assert running.device_number("/dev/null") == (os.major(status.st_rdev), os.minor(status.st_rdev))
    assert running.may_open("/dev/null")
    assert not running.may_open("/dev/no-such-port")
    assert host.real_path(str(tmp_path / "link")) == os.path.realpath(tmp_path / "text")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_rights_are_those_of_the_effective_user(tmp_path: Path) -> None:
    node = tmp_path / "ttyX0"
    node.touch(0o600)
    node.chmod(0o600)
    # As a set-user-id program is: what the real user may do says nothing.
    program = f"""
import os
from anyserial_discovery import may_open
before = may_open({str(node)!r})
os.seteuid(65534)
print(before, may_open({str(node)!r}))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True False\n"


@pytest.mark.parametrize("known", [True, False])
def test_rights_are_asked_for_without_opening(monkeypatch: pytest.MonkeyPatch, known: bool) -> None:
    asked: list[tuple[object, ...]] = []

    def access(path: str, mode: int, *, effective_ids: bool) -> bool:
        asked.append((path, mode, effective_ids))
        return True

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(_host, "_EFFECTIVE_IDS", known)
    assert anyserial_discovery.may_open("/dev/x")
    assert asked == [("/dev/x", os.R_OK | os.W_OK, known)]


def failing(number: int) -> Any:
    def fail(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number), "/x")

    return fail


SYSTEM = [errno.EMFILE, errno.ENFILE, errno.ENOMEM]
ABSENT = [errno.ENOENT, errno.ENOTDIR, errno.ENODEV, errno.ENXIO, errno.EIO, errno.EACCES, errno.EPERM, errno.ELOOP]
type Case = tuple[str, Callable[[Host], object], object]
CALLS: list[Case] = [
    ("open", lambda host: host.text("/text"), None),
    ("read", lambda host: host.text("/text"), None),
    ("readlink", lambda host: host.link("/link"), None),
    ("listdir", lambda host: host.names("/"), []),
    ("stat", lambda host: host.device_number("/text"), None),
    ("stat", lambda host: host.identity("/text"), None),
    ("scandir", lambda host: host.nodes(), {}),
]


@pytest.mark.parametrize("number", SYSTEM, ids=errno.errorcode.get)
@pytest.mark.parametrize("case", CALLS, ids=[row[0] for row in CALLS])
def test_out_of_descriptors_or_memory_is_no_answer(
    host: Host, monkeypatch: pytest.MonkeyPatch, case: Case, number: int
) -> None:
    name, call, _ = case
    monkeypatch.setattr(os, name, failing(number))
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        call(host)
    assert caught.value.errno == number


@pytest.mark.parametrize("number", ABSENT, ids=errno.errorcode.get)
@pytest.mark.parametrize("case", CALLS, ids=[row[0] for row in CALLS])
def test_what_cannot_be_read_is_absent(host: Host, monkeypatch: pytest.MonkeyPatch, case: Case, number: int) -> None:
    name, call, nothing = case
    monkeypatch.setattr(os, name, failing(number))
    assert call(host) == nothing


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENOENT], ids=errno.errorcode.get)
def test_a_directory_that_is_needed_and_kept_from_this_user_is_an_error(
    host: Host, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "listdir", failing(number))
    if number == errno.ENOENT:
        assert host.names("/sys/class/tty", needed=True) == []
        return
    with pytest.raises(PermissionError):
        host.names("/sys/class/tty", needed=True)


def test_nodes_by_number(tmp_path: Path) -> None:
    # Whoever may make nodes may see them found; anybody sees that nothing else is.
    for path in ("dev/serial/x", "dev/pts/0", "dev/a/b/c", "dev/plain"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert Host(str(tmp_path)).nodes() == {}
    for number, path in enumerate(["dev/z", "dev/serial/modem", "dev/pts/1", "dev/a/b/d", "dev/a/y"]):
        try:
            os.mknod(tmp_path / path, 0o600 | stat.S_IFCHR, os.makedev(1, 3 + number))
        except PermissionError:
            pytest.skip("this user may not make nodes")
    os.mknod(tmp_path / "dev/a/a", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    (tmp_path / "dev/link").symlink_to("z")
    assert Host(str(tmp_path)).nodes() == {(1, 3): "/dev/z", (1, 4): "/dev/serial/modem", (1, 7): "/dev/a/y"}


def test_a_file_of_proc_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/drivers").write_text("x" * 10000)
    (tmp_path / "attribute").write_text("x" * 10000)
    host = Host(str(tmp_path))
    assert (len(host.text("/proc/drivers") or ""), len(host.text("/attribute") or "")) == (10000, 4096)


def test_identity_differs_for_what_is_made_anew(host: Host, tmp_path: Path) -> None:
    first = host.identity("/text")
    assert first == host.identity("/link") != host.identity("/empty")
    (tmp_path / "other").touch()
    (tmp_path / "other").rename(tmp_path / "text")
    assert host.identity("/text") not in {None, first}
    assert host.identity("/missing") is None
