"""Open ports and fork(2): a child must not use, nor hold open, what its parent uses.

Nothing here costs an operation anything: a port is marked in the child, once, when it
is forked. What a port does about it is its own affair (`_forked`).
"""

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyserial_sync._base import BlockingPortBase

__all__ = ("replace_descriptor", "watch")

_ports: "weakref.WeakSet[BlockingPortBase]" = weakref.WeakSet()


def watch(port: "BlockingPortBase") -> None:
    """Have *port* marked in every child that is forked from now on, for as long as it lives."""
    _ports.add(port)


def replace_descriptor(number: int) -> None:
    """Make *number* refer to nothing, so that this process does not hold the device open.

    It is not closed, since its number would be given out again while a backend still has it.
    """
    nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.dup2(nothing, number, inheritable=False)
    finally:
        os.close(nothing)


def _after_fork_in_child() -> None:
    for port in tuple(_ports):
        port._forked()  # noqa: SLF001  # this package's own
    _ports.clear()


os.register_at_fork(after_in_child=_after_fork_in_child)
