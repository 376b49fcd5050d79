"""Why a port may not be opened, and what helps: whose it is, what refuses, what the user is missing.

Advice is given only where it is right and safe: to join the group that a distribution gives its
serial ports to, if that is all that is missing. Otherwise the facts are stated. Needed only when
opening has failed, so nothing here is imported before, and nothing here may fail: an
explanation that cannot be found is left out.
"""

import errno
import grp
import os
import pwd
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial_posix._syscalls import Syscalls

__all__ = ("explain", "group_name", "user_name")

# Groups that give access to serial ports and little else: Debian, Fedora and SUSE; Arch and
# Gentoo; the BSDs; some boards and distributions. To join any other may mean much more.
PORT_GROUPS: Final = frozenset({"dialout", "uucp", "dialer", "serial", "plugdev"})
# What a user namespace shows for an id of outside; see user_namespaces(7).
_OVERFLOW: Final = 65534
# The place of each class's bits in a mode.
_OWNER, _GROUP, _OTHERS = 6, 3, 0
_NOT_THE_MODE: Final = "it is not the mode that refuses, but the device rules of a container or a security module, say"


def explain(system: "Syscalls", platform: str, path: str, number: int) -> str | None:
    """Say why *path* may not be opened, and what helps if that is certain; None if nothing can be found out.

    Args:
        system: The system calls.
        platform: The platform's name, for the command.
        path: The port's path.
        number: The errno of the refusal.
    """
    try:
        status = system.stat(path)
    except PermissionError:
        return "a directory on the way to it may not be searched"
    except OSError:
        return None
    owner, group = user_name(status.st_uid), group_name(status.st_gid)
    text = f"it belongs to owner {owner}, group {group}, mode {stat.filemode(status.st_mode)}"
    return f"{text}; {_cause(system, platform, path, number, status)}"


def _cause(system: "Syscalls", platform: str, path: str, number: int, status: os.stat_result) -> str:
    with suppress(OSError):
        if not system.allows_devices(path):
            return "its file system is mounted nodev, so no device on it can be opened"
    uid = os.geteuid()
    # The kernel refuses with EACCES for the mode (may_open), with EPERM for what else may refuse.
    if number == errno.EPERM or (uid == 0 and _OVERFLOW not in (status.st_uid, status.st_gid)):
        return _NOT_THE_MODE
    is_member = status.st_gid in (os.getegid(), *os.getgroups())
    # Of the three classes one alone counts, also where another would allow more.
    bits = _OWNER if uid == status.st_uid else _GROUP if is_member else _OTHERS
    if not (missing := _missing(status.st_mode, bits)):
        return _NOT_THE_MODE
    if bits == _OWNER:
        return f"its owner may not {missing} it"
    return _not_the_owner(platform, path, status, missing if is_member else None)


def _not_the_owner(platform: str, path: str, status: os.stat_result, group_lacks: str | None) -> str:
    if _has_access_list(path):
        # The bits of the group are the list's mask then.
        return "it has an access control list, which decides (see getfacl)"
    group = group_name(status.st_gid)
    if group_lacks is not None:
        return f"group {group} may not {group_lacks} it"
    if _missing(status.st_mode, _GROUP):
        return "only its owner may read and write it"
    return _outside(platform, group, status.st_gid)


def _outside(platform: str, group: str, gid: int) -> str:
    """Say what a user lacks who is not in the group that may use the port."""
    uid = os.geteuid()
    user = _user(uid)
    if user is not None and gid in _memberships(user):
        return (
            f"user {user} is in group {group}, but has not logged in again since:"
            f" log out and in, or run: newgrp {group}"
        )
    # Whatever runs as nobody would get the port with it.
    if user is None or uid in {0, _OVERFLOW} or gid in {0, _OVERFLOW} or group not in PORT_GROUPS:
        return f"only its owner and group {group} may read and write it"
    if platform != "linux":
        return f"user {user} is not in group {group}: add it there, then log in again"
    return f"user {user} is not in group {group}: sudo usermod -aG {group} {user}, then log in again"


def _missing(mode: int, shift: int) -> str:
    """Name the rights that one of the three classes lacks; empty if it has both."""
    bits = mode >> shift
    return " and ".join(name for name, bit in (("read", 4), ("write", 2)) if not bits & bit)


def _has_access_list(path: str) -> bool:
    read = cast("Callable[[str, str], bytes] | None", getattr(os, "getxattr", None))  # Linux alone has it
    try:
        return read is not None and bool(read(path, "system.posix_acl_access"))
    except OSError:
        return False


def _memberships(user: str) -> set[int]:
    found = {entry.gr_gid for entry in grp.getgrall() if user in entry.gr_mem}
    with suppress(KeyError):
        found.add(pwd.getpwnam(user).pw_gid)
    return found


def _user(uid: int) -> str | None:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return None


def user_name(uid: int) -> str:
    """Return the user's name; the number if it has none."""
    return _user(uid) or str(uid)


def group_name(gid: int) -> str:
    """Return the group's name; the number if it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
