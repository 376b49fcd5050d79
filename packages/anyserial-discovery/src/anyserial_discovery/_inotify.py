"""Changes in a directory, by inotify(7), which the standard library has no binding for.

Loads ctypes, so that it is imported by a watch and by nothing else. What a change means
is not known here: that is `_linux_watch`.
"""

import ctypes
import os
import struct

__all__ = ("DirectoryChanges",)

# sys/inotify.h
_IN_ATTRIB = 0x4
_IN_MOVED_FROM = 0x40
_IN_MOVED_TO = 0x80
_IN_CREATE = 0x100
_IN_DELETE = 0x200
_IN_Q_OVERFLOW = 0x4000
_IN_ONLYDIR = 0x1000000
_MASK = _IN_ATTRIB | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE | _IN_ONLYDIR

# struct inotify_event: wd, mask, cookie, len; then len bytes of name, padded with NUL.
_EVENT = struct.Struct("iIII")
_BUFFER = 16384


class DirectoryChanges:
    """The names in a directory that were made, removed, renamed or given to other users.

    Args:
        path: The directory.

    Raises:
        OSError: The directory cannot be watched, or the user's limit of watches
            (``fs.inotify.max_user_instances``) is reached.
    """

    __slots__ = ("_file",)

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        init = libc.inotify_init1
        init.argtypes, init.restype = (ctypes.c_int,), ctypes.c_int
        add_watch = libc.inotify_add_watch
        add_watch.argtypes, add_watch.restype = (ctypes.c_int, ctypes.c_char_p, ctypes.c_uint32), ctypes.c_int

        # IN_NONBLOCK and IN_CLOEXEC are defined as the flags of open(2).
        fd = init(os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            raise _last_error("inotify_init1")
        # A file object, so that a forgotten watch is closed, with a warning.
        self._file = open(fd, "rb", buffering=0)  # noqa: SIM115, PTH123 - closed by close()
        if add_watch(fd, os.fsencode(path), _MASK) < 0:
            error = _last_error(path)
            self._file.close()
            raise error

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._file.fileno()

    def read(self) -> list[str] | None:
        """Return the names that something happened to, None when events were lost."""
        data = self._file.read(_BUFFER)
        names: list[str] = []
        offset = 0
        while data and offset < len(data):
            _, mask, _, length = _EVENT.unpack_from(data, offset)
            offset += _EVENT.size
            if mask & _IN_Q_OVERFLOW:
                return None
            name = data[offset : offset + length].rstrip(b"\0")
            offset += length
            if name:
                names.append(os.fsdecode(name))
        return names

    def close(self) -> None:
        """Close the descriptor."""
        self._file.close()


def _last_error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)
