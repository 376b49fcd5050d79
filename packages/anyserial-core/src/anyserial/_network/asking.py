"""Asking a server of RFC 2217: sending requests and waiting for their answers, but never for long.

Theory of operation. Many servers leave some requests without an answer. So that nobody waits long for those, a
request that is known to be answered (what the baud rate is) follows them as a *fence*: once the fence is
answered, the requests before it have had their time. A kind of request that was not answered once is not waited
for by itself again.

Which answer belongs to which request is `questions`' business, what it means the caller's.
"""

import errno
from typing import TYPE_CHECKING, Final

import anyio

from anyserial._network.com_port import ASK, Command
from anyserial.exceptions import SerialError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyserial._network.channel import Channel
    from anyserial._network.session import Session

__all__ = ("FENCE", "GRACE", "Asker", "Commands")

type Commands = Sequence[tuple[Command, int]]

FENCE: Final = (Command.BAUDRATE, ASK)
GRACE: Final = 0.1  # seconds that an answer may come after that of its fence


class Asker:
    """Asks over one connection; one call at a time.

    Args:
        channel: The connection.
        session: What is said over it.
        timeout: Seconds that an answer may take.
        ignores_control: Whether SET-CONTROL counts as obeyed without an answer.
        path: The port's path.
    """

    def __init__(
        self, channel: "Channel", session: "Session", timeout: float, *, ignores_control: bool, path: str
    ) -> None:
        self._channel = channel
        self._session = session
        self._timeout = timeout
        self._ignores_control = ignores_control
        self._path = path
        self._is_asking = False

    async def ask(self, commands: Commands, *, fenced: bool = False, patience: float | None = None) -> list[int | None]:
        """Send requests, and return the values of their answers; None for each that has none.

        Args:
            commands: The requests.
            fenced: Whether to send a fence after them, because servers are known not to answer.
            patience: Seconds that the answers may take; None for the timeout.

        Raises:
            SerialError: No answer can be seen, because input is in the way that nobody has received.
            SerialClosedError: The connection was closed.
            SerialDisconnectedError: The connection has ended.
        """
        channel, session = self._channel, self._session
        await channel.until(lambda: not self._is_asking)
        channel.check()
        self._is_asking = True
        questions = session.questions
        keys = [session.ask(command, value) for command, value in commands]
        fence = session.ask(*FENCE) if fenced and not questions.is_mute(*FENCE) else None
        awaited = [key for key in keys if not (self._ignores_control and key[0] is Command.CONTROL)]
        is_missing = questions.is_expected if fence is None else questions.is_open
        in_time = False
        try:
            with anyio.move_on_after(self._timeout if patience is None else patience):
                await channel.flush()
                await channel.until(
                    lambda: not any(map(is_missing, awaited)) or (fence is not None and not questions.is_open(fence))
                )
            if fence is not None:
                with anyio.move_on_after(GRACE):
                    await channel.until(lambda: not any(map(questions.is_expected, awaited)))
            in_time = not session.inbox.is_full
        finally:
            questions.give_up(keys if fence is None else [*keys, fence], mute=in_time)
            self._is_asking = False
            channel.tell()
        answers = [questions.answer(key) for key in keys]
        if None in answers and not in_time:
            raise SerialError(
                errno.ENOBUFS,
                f"the server's answer is behind {session.inbox.size} bytes of input: receive them, or call"
                " reset_input_buffer()",
                self._path,
            )
        if self._ignores_control:
            answers = [
                value if answer is None and command is Command.CONTROL else answer
                for answer, (command, value) in zip(answers, commands, strict=True)
            ]
        return answers
