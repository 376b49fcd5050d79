"""Why a port may not be opened: whose it is, and whether the user's group would do.

Needed only when opening has failed, so nothing here is imported before, and nothing here may
fail: an explanation that cannot be had is left out.
"""

import grp
import os
import pwd
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyserial_posix._syscalls import Syscalls

__all__ = ("explain",)


def explain(system: "Syscalls", path: str) -> str | None:
    """Say who may open *path* and what this user is missing; None if even that is hidden."""
    try:
        status = system.stat(path)
    except OSError:
        return None
    owner, group = _user(status.st_uid), _group(status.st_gid)
    text = f"it belongs to owner {owner}, group {group}, mode {stat.filemode(status.st_mode)}"
    user = _user(os.geteuid())
    if not status.st_mode & stat.S_IWGRP or status.st_gid in (os.getegid(), *os.getgroups()):
        return text
    if status.st_gid in _memberships(user):
        return (
            f"{text}; user {user} is in group {group}, but has not logged in again since:"
            f" log out and in, or run: newgrp {group}"
        )
    return f"{text}; user {user} is not in group {group}: sudo usermod -aG {group} {user}, then log in again"


def _memberships(user: str) -> set[int]:
    found = {entry.gr_gid for entry in grp.getgrall() if user in entry.gr_mem}
    with suppress(KeyError):
        found.add(pwd.getpwnam(user).pw_gid)
    return found


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
