"""What the Linux modules ask of the host: attributes, links, names and nodes.

The only module that touches sysfs and /dev, so that a test puts a recorded tree in its
place. A device may vanish between any two calls, so what cannot be read counts as
absent. An error of the system itself is not an answer about a device and is raised: see
`refuse_system_error`.
"""

import errno
import os
import stat

__all__ = ("Host", "may_open", "refuse_system_error")

# One attribute is at most a page.
_PAGE = 4096

# The system could not look, so that nothing is known about what was asked.
_SYSTEM_ERRORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

# Without this, a user who may not list a class would get an empty list of ports.
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})

# Below /dev; pseudo terminals and files in memory are many, and none is a port.
_NO_PORTS = frozenset({"hugepages", "mqueue", "pts", "shm"})

_EFFECTIVE_IDS = os.access in os.supports_effective_ids


def refuse_system_error(error: OSError) -> None:
    """Raise *error* again if it says nothing about what was asked.

    Out of descriptors or memory, a call fails although the file is there. Every other
    error means that the file is absent, gone or kept from this user, which for one
    attribute is the same.

    Raises:
        OSError: *error*, when it is EMFILE, ENFILE or ENOMEM.
    """
    if error.errno in _SYSTEM_ERRORS:
        raise error


def may_open(path: str) -> bool:
    """Tell whether this process may open *path* to read and write, without opening it.

    The effective ids decide, as they do when the kernel opens; those of a set-user-id
    program differ from its caller's. Where the platform has no such check
    (faccessat(2) with AT_EACCESS), by the real ones.
    """
    return os.access(path, os.R_OK | os.W_OK, effective_ids=_EFFECTIVE_IDS)


class Host:
    """The running system, or a tree below another root.

    Every method raises OSError when the system is out of descriptors or memory.

    Args:
        root: The directory that takes the place of ``/``; no trailing slash.
    """

    __slots__ = ("_root",)

    def __init__(self, root: str = "") -> None:
        self._root = root

    def content(self, path: str) -> bytes | None:
        """Return the contents of a file as they are, None when it cannot be read."""
        try:
            fd = os.open(self._root + path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            refuse_system_error(error)
            return None
        try:
            data = os.read(fd, _PAGE)
            # An attribute is read whole; a file in /proc comes a piece at a time.
            while path.startswith("/proc/") and (more := os.read(fd, _PAGE)):
                data += more
        except OSError as error:
            refuse_system_error(error)
            return None
        finally:
            os.close(fd)
        return data

    def text(self, path: str) -> str | None:
        """Return the contents of an attribute without surrounding blanks, None when empty."""
        data = self.content(path)
        return None if data is None else data.decode("utf-8", "replace").strip() or None

    def link(self, path: str) -> str | None:
        """Return what a symbolic link holds."""
        try:
            return os.readlink(self._root + path)  # noqa: PTH115 - as names
        except OSError as error:
            refuse_system_error(error)
            return None

    def names(self, path: str, *, needed: bool = False) -> list[str]:
        """Return the names in a directory, unordered; none when it is not there.

        Args:
            path: The directory.
            needed: Whether a directory that may not be read is an error, and not empty.

        Raises:
            OSError: It is *needed*, exists and may not be read.
        """
        try:
            return os.listdir(self._root + path)  # noqa: PTH208 - names, and as few calls as can be
        except OSError as error:
            refuse_system_error(error)
            if needed and error.errno in _FORBIDDEN:
                raise
            return []

    def device_number(self, path: str) -> tuple[int, int] | None:
        """Return major and minor of the character device that `path` leads to."""
        try:
            status = os.stat(self._root + path)  # noqa: PTH116
        except ValueError:
            return None
        except OSError as error:
            refuse_system_error(error)
            return None
        if not stat.S_ISCHR(status.st_mode):
            return None
        return os.major(status.st_rdev), os.minor(status.st_rdev)

    def nodes(self) -> dict[tuple[int, int], str]:
        """Map the number of each character device in /dev, and one directory below, to its path.

        Links are left out. Of several nodes with one number the first by name is taken,
        those in /dev itself before others.
        """
        found: dict[tuple[int, int], str] = {}
        directories = ["/dev"]
        for directory in directories:
            try:
                with os.scandir(self._root + directory) as entries:
                    here = sorted(entries, key=lambda entry: entry.name)
                for entry in here:
                    if not entry.is_dir(follow_symlinks=False):
                        self._note(entry, f"{directory}/{entry.name}", found)
                    elif directory == "/dev" and entry.name not in _NO_PORTS:
                        directories.append(f"/dev/{entry.name}")
            except OSError as error:
                # A directory that is kept from this user: what is in it cannot be opened either.
                refuse_system_error(error)
        return found

    def _note(self, entry: os.DirEntry[str], path: str, found: dict[tuple[int, int], str]) -> None:
        if entry.is_symlink():
            return
        number = self.device_number(path)
        if number is not None:
            found.setdefault(number, path)

    def identity(self, path: str) -> int | None:
        """Return a number that changes when the file at `path` is replaced by another one."""
        try:
            return os.stat(self._root + path).st_ino  # noqa: PTH116
        except OSError as error:
            refuse_system_error(error)
            return None

    def may_open(self, path: str) -> bool:
        """Tell whether this process may open `path` to read and write, without opening it."""
        return may_open(self._root + path)

    def real_path(self, path: str) -> str:
        """Follow every link in `path`."""
        return os.path.realpath(path)
