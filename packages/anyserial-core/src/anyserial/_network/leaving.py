"""The end of a connection: output may leave as long as it moves.

What is closed, and what ends with it, belongs to `channel`.
"""

from typing import TYPE_CHECKING, Final

import anyio

from anyserial.exceptions import SerialDisconnectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyserial._network.connection import Connection

__all__ = ("FIRST_PAUSE", "LONGEST_LOOK", "LONGEST_PAUSE", "READS", "let_output_leave")

READS: Final = 16  # in a row; a flood must not hold up the event loop
LONGEST_LOOK: Final = 0.01  # seconds of reading, after which the rest has to wait: hostile input is slow to parse
FIRST_PAUSE: Final = 0.001  # seconds between two looks at the kernel's queue; doubled each time
LONGEST_PAUSE: Final = 0.02


async def let_output_leave(
    connection: "Connection", push: "Callable[[], object]", unsent: "Callable[[], int]", patience: float
) -> bool:
    """Wait while output moves; return whether all of it has left, or the connection has ended.

    Args:
        connection: The connection. What it receives meanwhile is discarded.
        push: Sends what the protocol has to send.
        unsent: Returns how many bytes have not left.
        patience: Seconds to wait for output that does not move.
    """
    pause = FIRST_PAUSE
    before = unsent()
    stuck_at = anyio.current_time() + patience
    while True:
        try:
            push()
            for _ in range(READS):  # unread input would make the kernel reset the connection
                if connection.receive_now() is None:
                    break
        except SerialDisconnectedError:
            return True
        left = unsent()
        if not left:
            return True
        now = anyio.current_time()
        if left < before:
            before, stuck_at = left, now + patience
        elif now >= stuck_at:
            return False
        await anyio.sleep(min(pause, max(stuck_at - now, 0)))
        pause = min(pause * 2, LONGEST_PAUSE)
