"""What the Linux modules ask of the host: attributes, links, names and nodes.

The only module that touches sysfs and /dev, so that a test puts a recorded tree in its
place. Nothing here raises: what cannot be read is not there, because a device may
vanish between any two calls.
"""

import os
import stat

__all__ = ("Host",)

# One attribute is at most a page.
_PAGE = 4096


class Host:
    """The running system, or a tree below another root.

    Args:
        root: What stands for ``/``; no trailing slash.
    """

    __slots__ = ("_root",)

    def __init__(self, root: str = "") -> None:
        self._root = root

    def text(self, path: str) -> str | None:
        """Return the contents of an attribute without surrounding blanks, None when empty."""
        try:
            fd = os.open(self._root + path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            data = os.read(fd, _PAGE)
        except OSError:
            return None
        finally:
            os.close(fd)
        return data.decode("utf-8", "replace").strip() or None

    def link(self, path: str) -> str | None:
        """Return what a symbolic link holds."""
        try:
            return os.readlink(self._root + path)  # noqa: PTH115 - as names
        except OSError:
            return None

    def names(self, path: str) -> list[str]:
        """Return the names in a directory, unordered; none when it is not there."""
        try:
            return os.listdir(self._root + path)  # noqa: PTH208 - names, and as few calls as can be
        except OSError:
            return []

    def device_number(self, path: str) -> tuple[int, int] | None:
        """Return major and minor of the character device that `path` leads to."""
        try:
            status = os.stat(self._root + path)  # noqa: PTH116
        except (OSError, ValueError):
            return None
        if not stat.S_ISCHR(status.st_mode):
            return None
        return os.major(status.st_rdev), os.minor(status.st_rdev)

    def identity(self, path: str) -> int | None:
        """Return a number that differs when what stands at `path` is made anew."""
        try:
            return os.stat(self._root + path).st_ino  # noqa: PTH116
        except OSError:
            return None

    def may_open(self, path: str) -> bool:
        """Tell whether this process may open `path` to read and write, without opening it."""
        return os.access(self._root + path, os.R_OK | os.W_OK, effective_ids=True)

    def real_path(self, path: str) -> str:
        """Follow every link in `path`."""
        return os.path.realpath(path)
