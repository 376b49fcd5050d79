"""Forked children for tests: a child that fails a check fails the test, and none outlives it."""

import os
import select
import signal
import traceback
import warnings
from collections.abc import Callable

__all__ = ("fork", "join", "run_in_child")


def fork() -> int:
    """Fork without the warning about other threads: what happens to them is what is tried here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def join(child: int, seconds: float = 10) -> int:
    """Wait for *child* and return its exit code; kill it if it takes longer than *seconds*."""
    pidfd = os.pidfd_open(child)
    try:
        ended = select.select([pidfd], [], [], seconds)[0]
    finally:
        os.close(pidfd)
    if not ended:
        os.kill(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended, f"the child was not over within {seconds} s"
    return code


def run_in_child(check: Callable[[], object]) -> None:
    """Call *check* in a forked child, and fail with what it raises there."""
    readable, writable = os.pipe()
    child = fork()
    if not child:
        try:
            check()
        except BaseException:  # noqa: BLE001  # told to the parent
            # Not by a file: the number may be the only one that is free.
            os.write(writable, traceback.format_exc().encode()[-4000:])
        finally:
            os._exit(0)
    os.close(writable)
    try:
        join(child)
        failure = os.read(readable, 4096).decode()
    finally:
        os.close(readable)
    assert not failure, failure
