"""Why a port may not be opened: what is prescribed, and when only the facts are stated."""

import errno
import grp
import os
import pwd
import stat
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from anyserial.exceptions import PortPermissionError
from anyserial_posix import _access

PATH = "/dev/ttyTEST0"
NODE = stat.S_IFCHR
USERMOD = "sudo usermod -aG"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Be somebody: ``account(uid=1000, groups={1000}, members=["ada"])``."""

    def become(
        *,
        uid: int = 1000,
        gid: int = 1000,
        groups: set[int] = frozenset(),  # type: ignore[assignment]
        members: tuple[str, ...] = (),
        users: dict[int, str] | None = None,
        names: dict[int, str] | None = None,
    ) -> None:
        known_users = {0: "root", 1000: "ada"} if users is None else users
        known_groups = {0: "root", 4: "adm", 20: "dialout", 1000: "ada", 65534: "nogroup"} if names is None else names

        def user(uid: int) -> Any:
            return SimpleNamespace(pw_name=known_users[uid], pw_gid=uid)

        def by_name(name: str) -> Any:
            return user({name: uid for uid, name in known_users.items()}[name])

        def group(gid: int) -> Any:
            return SimpleNamespace(gr_name=known_groups[gid], gr_gid=gid, gr_mem=list(members) if gid == 20 else [])

        monkeypatch.setattr(pwd, "getpwuid", user)
        monkeypatch.setattr(pwd, "getpwnam", by_name)
        monkeypatch.setattr(grp, "getgrgid", group)
        monkeypatch.setattr(grp, "getgrall", lambda: [group(gid) for gid in known_groups])
        monkeypatch.setattr(os, "geteuid", lambda: uid)
        monkeypatch.setattr(os, "getegid", lambda: gid)
        monkeypatch.setattr(os, "getgroups", lambda: list(groups))
        # Whoever started the program does not matter: the effective ids decide.
        monkeypatch.setattr(os, "getuid", lambda: 0)
        monkeypatch.setattr(os, "getgid", lambda: 0)

    become()
    return become


def refusal(
    kernel: Any, *, mode: int = 0o660, owner: int = 0, group: int = 20, number: int = errno.EACCES, nodev: bool = False
) -> str:
    """Return the message of a refused open."""
    kernel.mode, kernel.owner, kernel.group, kernel.nodev = NODE | mode, owner, group, nodev
    kernel.refused["open"] = number
    with pytest.raises(PortPermissionError) as caught:
        kernel.open_backend()
    assert caught.value.filename == PATH
    assert isinstance(caught.value, PermissionError)
    return str(caught.value.strerror)


def test_a_user_who_is_not_in_the_group_of_serial_ports_is_told_to_join(simulated: Any, account: Any) -> None:
    message = refusal(simulated())
    assert "it belongs to owner root, group dialout, mode crw-rw----" in message
    assert message.endswith("user ada is not in group dialout: sudo usermod -aG dialout ada, then log in again")


def test_a_user_who_has_joined_but_not_logged_in_is_told_to(simulated: Any, account: Any) -> None:
    account(members=("ada",))
    message = refusal(simulated())
    assert USERMOD not in message
    assert message.endswith("has not logged in again since: log out and in, or run: newgrp dialout")


@pytest.mark.parametrize("name", ["darwin", "freebsd", "netbsd", "openbsd"])
def test_only_linux_is_told_a_command_of_linux(simulated: Any, account: Any, name: str) -> None:
    message = refusal(simulated(name))
    assert "usermod" not in message
    assert message.endswith("user ada is not in group dialout: add it there, then log in again")


@pytest.mark.parametrize(
    ("who", "node", "says"),
    [
        # A user namespace shows every id of outside as nogroup.
        ({}, {"owner": 65534, "group": 65534}, "group nogroup"),
        ({}, {"group": 0}, "group root"),
        ({}, {"group": 4}, "group adm"),
        # docker --user 986: neither has a name here.
        ({"uid": 986, "gid": 986, "users": {}, "names": {}}, {"group": 4242}, "owner 0, group 4242"),
        ({"uid": 986, "gid": 986, "users": {}}, {}, "group dialout"),
        ({"names": {}}, {}, "group 20"),
        # Root is refused by none of the bits.
        ({"uid": 65534, "gid": 65534, "users": {65534: "nobody"}}, {}, "only its owner and group dialout may"),
        ({"uid": 0, "gid": 0}, {}, "not the mode"),
        ({"uid": 0, "gid": 0}, {"mode": 0o666}, "not the mode"),
        ({}, {"mode": 0o666}, "not the mode"),
        ({"groups": {20}}, {}, "not the mode"),
        ({"gid": 20}, {}, "not the mode"),
        ({}, {"number": errno.EPERM}, "not the mode"),
        ({}, {"nodev": True}, "nodev"),
        ({"uid": 0, "gid": 0}, {"nodev": True, "mode": 0o666}, "nodev"),
        # Of an owner, the owner's bits alone count, and of a member the group's.
        ({}, {"owner": 1000, "mode": 0o060}, "its owner may not read and write it"),
        ({}, {"owner": 1000, "mode": 0o466}, "its owner may not write it"),
        ({"groups": {20}}, {"mode": 0o606}, "group dialout may not read and write it"),
        # Joining would not do.
        ({}, {"mode": 0o600}, "only its owner may"),
        ({}, {"mode": 0o640}, "only its owner may"),
        ({}, {"mode": 0o620}, "only its owner may"),
    ],
)
def test_otherwise_only_the_facts_are_stated(
    simulated: Any, account: Any, who: dict[str, Any], node: dict[str, Any], says: str
) -> None:
    account(**who)
    message = refusal(simulated(), **node)
    assert says in message
    for advice in ("usermod", "newgrp", "sudo", "join", "log in"):
        assert advice not in message


def test_a_list_of_access_rights_is_told(simulated: Any, account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one, the group's bits are the mask of it, and say nothing about the group."""

    def getxattr(_path: str, _name: str) -> bytes:
        return b"\x02\0\0\0"

    monkeypatch.setattr(os, "getxattr", getxattr, raising=False)
    message = refusal(simulated())
    assert "access control list" in message
    assert USERMOD not in message


def test_a_directory_on_the_way_is_told(simulated: Any, account: Any) -> None:
    kernel = simulated()
    kernel.refused["stat"] = errno.EACCES
    with pytest.raises(PortPermissionError, match="a directory on the way to it may not be searched"):
        kernel.open_backend()


def test_an_explanation_that_cannot_be_had_is_left_out(simulated: Any, account: Any) -> None:
    kernel = simulated()
    kernel.refused["stat"] = errno.ENOENT
    assert _access.explain(kernel, "linux", PATH, errno.EACCES) is None
