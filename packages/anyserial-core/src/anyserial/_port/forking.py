"""Open ports and fork(2): a child must neither use nor hold open what its parent uses.

Every port is here from the beginning of its opening until its descriptor is closed, so that one whose close is
under way is found too. In a child, all of them are marked before anything else is done: the mark
needs no descriptor and no memory to speak of. Then each descriptor is exchanged for /dev/null, since
a child that only kept it would hold the device open.

A fork while another thread is inside open(2) cannot be helped: the descriptor exists then, and nobody
knows its number yet.

Nothing here costs an operation anything.
"""

import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from anyserial.exceptions import SerialError

if TYPE_CHECKING:
    from anyserial._port.contract import Forkable

__all__ = ("forget", "watch")


# By id, and weak: a port that is open or being closed is held by whoever uses or closes it, and one that is
# forgotten must be found by the collector, also when the interpreter exits.
_owners: "dict[int, weakref.ref[Forkable]]" = {}


def watch(owner: "Forkable") -> None:
    """Have *owner* marked in every child that is forked from now on."""
    key = id(owner)
    _owners[key] = weakref.ref(owner, lambda _: _owners.pop(key, None))


def forget(owner: "Forkable") -> None:
    """Have it marked no longer: its descriptor is closed."""
    _owners.pop(id(owner), None)


def _after_fork_in_child() -> None:
    owners = [owner for reference in list(_owners.values()) if (owner := reference()) is not None]
    _owners.clear()
    for owner in owners:
        owner.fork()
    for owner in owners:
        with suppress(SerialError, OSError):
            if (number := owner.fileno()) is not None:
                _replace(number)


def _replace(number: int) -> None:
    """Make *number* refer to nothing.

    It is not simply closed, since the number would be given out again while the backend still has it.
    """
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        nothing = os.open(os.devnull, flags)
    except OSError:  # no descriptor is free: this one's own number will do
        os.close(number)
        nothing = os.open(os.devnull, flags)
    if nothing != number:
        try:
            os.dup2(nothing, number, inheritable=False)
        finally:
            os.close(nothing)


os.register_at_fork(after_in_child=_after_fork_in_child)
