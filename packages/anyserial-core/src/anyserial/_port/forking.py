"""Open ports and fork(2): a child must neither use nor hold open the ports of its parent.

Every port is registered here from the beginning of its opening until its descriptor is closed, so a port
whose close is under way is found too. In a child, all registered ports are marked before anything else
happens, because marking needs no descriptor and hardly any memory. Then each descriptor is replaced by
/dev/null: a child that merely kept it would hold the device open.

One case cannot be handled: a fork while another thread is inside open(2). The descriptor exists then, but
its number is not known yet.

None of this costs an operation anything.
"""

import os
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING

from anyserial.exceptions import SerialError

if TYPE_CHECKING:
    from anyserial._port.contract import Forkable

__all__ = ("forget", "watch")


# By id, and weakly: the program or the closing job keeps alive a port that is open or being closed, and the
# garbage collector must be able to collect a forgotten port, also when the interpreter exits.
_owners: "dict[int, weakref.ref[Forkable]]" = {}


def watch(owner: "Forkable") -> None:
    """Mark *owner* in every child that is forked from now on."""
    key = id(owner)
    _owners[key] = weakref.ref(owner, lambda _: _owners.pop(key, None))


def forget(owner: "Forkable") -> None:
    """Stop marking *owner*: its descriptor is closed."""
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

    The number is not simply closed, because the system would give it to another file while the backend still
    uses it.
    """
    flags = os.O_RDWR | os.O_CLOEXEC
    try:
        nothing = os.open(os.devnull, flags)
    except OSError:  # no descriptor is free, so reuse this number
        os.close(number)
        nothing = os.open(os.devnull, flags)
    if nothing != number:
        try:
            os.dup2(nothing, number, inheritable=False)
        finally:
            os.close(nothing)


os.register_at_fork(after_in_child=_after_fork_in_child)
