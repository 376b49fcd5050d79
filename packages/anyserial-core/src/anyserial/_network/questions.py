"""The requests of a client of RFC 2217, and which of them the server has answered; without I/O.

Theory of operation. A server answers every SET command with the same command and the value in force. An answer
has no number, so it is matched by its *key*: the command, and for SET-CONTROL the kind of its value. Two
requests with one key must not be under way at once; the caller sees to that.

Servers leave some commands without an answer. A key that was not answered in time is *mute*: the next request
with it is not waited for by itself. An answer that comes after all ends that. Requests that only ask are counted apart
from those that set: pySerial's server answers the latter alone.
"""

from typing import TYPE_CHECKING, Final

from anyserial._network.com_port import Command, Control

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ("Key", "Questions", "key_of")

type Key = tuple[Command, int]
"""A command, and the kind of a SET-CONTROL value: its first, which asks."""

# What asks for each kind of SET-CONTROL value.
_KINDS: Final[dict[int, Control]] = {
    **dict.fromkeys((0, 1, 2, 3, 17, 19), Control.ASK_FLOW),
    **dict.fromkeys((4, 5, 6), Control.ASK_BREAK),
    **dict.fromkeys((7, 8, 9), Control.ASK_DTR),
    **dict.fromkeys((10, 11, 12), Control.ASK_RTS),
    **dict.fromkeys((13, 14, 15, 16, 18), Control.ASK_INBOUND_FLOW),
}


def key_of(command: Command, value: int) -> Key | None:
    """Return the key of a request or an answer; None for a SET-CONTROL value that does not exist."""
    if command is not Command.CONTROL:
        return command, 0
    kind = _KINDS.get(value)
    return None if kind is None else (command, kind)


_HAVE_A_QUERY: Final = (Command.BAUDRATE, Command.DATA_SIZE, Command.PARITY, Command.STOP_SIZE)


def _is_query(key: Key, value: int) -> bool:
    """Return whether a request only asks. A server may answer those that set, and not those that ask."""
    command, kind = key
    return value == kind and (command is Command.CONTROL or command in _HAVE_A_QUERY)


class Questions:
    """What was asked, and what was answered."""

    __slots__ = ("_answers", "_asked", "_late", "_mute")

    def __init__(self) -> None:
        self._asked: dict[Key, int] = {}
        self._answers: dict[Key, int] = {}
        self._late: dict[Key, int] = {}
        self._mute: set[tuple[Key, bool]] = set()

    def ask(self, command: Command, value: int) -> Key:
        """Note that a request is sent now; return its key."""
        key = key_of(command, value)
        assert key is not None  # noqa: S101  # requests are made of `Control`
        self._asked[key] = value
        self._answers.pop(key, None)
        return key

    def heard(self, command: Command, value: int) -> None:
        """Note an answer."""
        key = key_of(command, value)
        if key is None:
            return
        asked = self._asked.get(key)
        late = self._late.get(key, 0)
        if asked is None:
            self._late[key] = max(late - 1, 0)
            self._mute -= {(key, False), (key, True)}
        elif late and value != asked:
            self._late[key] = late - 1  # to an earlier request
        else:
            del self._asked[key]
            self._late.pop(key, None)
            self._answers[key] = value
            self._mute.discard((key, _is_query(key, asked)))

    def is_open(self, key: Key) -> bool:
        """Return whether a request was not answered yet."""
        return key in self._asked

    def is_expected(self, key: Key) -> bool:
        """Return whether a request was not answered yet, and is of a kind that the server answers."""
        asked = self._asked.get(key)
        return asked is not None and (key, _is_query(key, asked)) not in self._mute

    def answer(self, key: Key) -> int | None:
        """Return the value in force, by the last answer; None if there was none."""
        return self._answers.get(key)

    def give_up(self, keys: "Iterable[Key]", *, mute: bool) -> None:
        """Stop waiting for those of *keys* that were not answered.

        Args:
            keys: The keys of the requests.
            mute: Whether they had their time, so that the next request with one of them is not waited for.
        """
        for key in keys:
            asked = self._asked.pop(key, None)
            if asked is not None:
                if mute:
                    self._mute.add((key, _is_query(key, asked)))
                self._late[key] = self._late.get(key, 0) + 1

    def is_mute(self, command: Command, value: int) -> bool:
        """Return whether the last request of this kind was not answered in time."""
        key = key_of(command, value)
        return key is not None and (key, _is_query(key, value)) in self._mute
