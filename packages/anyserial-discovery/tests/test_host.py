"""The running system, below a directory: nothing raises, whatever is or is not there."""

import os
import stat
from pathlib import Path

import pytest
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


def test_identity_differs_for_what_is_made_anew(host: Host, tmp_path: Path) -> None:
    first = host.identity("/text")
    assert first == host.identity("/link") != host.identity("/empty")
    (tmp_path / "other").touch()
    (tmp_path / "other").rename(tmp_path / "text")
    assert host.identity("/text") not in {None, first}
    assert host.identity("/missing") is None
