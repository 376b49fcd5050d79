"""The log behind a shared port: for any interleaving, each reader gets the exact stream, or is told of its gap."""

import random

import pytest
from anyserial import LineError
from anyserial._looking.log import InputLostError, Log, Reader


def drained(log: Log, reader: Reader, size: int = 7) -> list[bytes | tuple[str, int]]:
    """Take everything: bytes joined, line errors and gaps in their places."""
    found: list[bytes | tuple[str, int]] = []
    while log.has_more(reader):
        try:
            data = log.take(reader, size)
        except InputLostError as exc:
            found.append(("lost", exc.missed))
            continue
        except LineError as exc:
            found.append(("error", exc.byte or 0))
            continue
        assert 1 <= len(data) <= size
        if found and isinstance(found[-1], bytes):
            found[-1] += data
        else:
            found.append(data)
    return found


@pytest.mark.parametrize(
    ("capacity", "items", "expected"),
    [
        (4, [b"abcd"], [b"abcd"]),
        (4, [b"abcde"], [("lost", 1), b"bcde"]),
        (4, [b"ab", b"cd", b"ef"], [("lost", 2), b"cdef"]),
        (1, [b"ab", b"c"], [("lost", 2), b"c"]),
        (4, [b"a", LineError(byte=7), b"b"], [b"a", ("error", 7), b"b"]),
        (4, [LineError(byte=7), LineError(byte=8)], [("error", 7), ("error", 8)]),
        (2, [b"a", LineError(byte=7), b"b"], [("lost", 1), ("error", 7), b"b"]),
        (2, [LineError(byte=7), b"ab"], [("lost", 1), b"ab"]),
        (2, [b"abcd", b"efgh"], [("lost", 6), b"gh"]),
    ],
)
def test_a_reader_that_lags_behind_loses_the_oldest(
    capacity: int, items: list[bytes | LineError], expected: list[bytes | tuple[str, int]]
) -> None:
    log = Log(capacity, "/dev/x")
    reader = log.add_reader()
    for item in items:
        log.append(item)
    assert drained(log, reader) == expected


def test_nothing_is_kept_for_nobody() -> None:
    log = Log(100, "/dev/x")
    log.append(b"before")
    reader = log.add_reader()
    assert not log.has_more(reader)
    log.append(b"abc")
    assert log.take(reader, 2) == b"ab"
    log.append(b"d")
    assert log._state[1] == b"cd"
    log.remove_reader(reader)
    log.append(b"e")
    assert log._state[1] == b""
    assert log.end == len(b"beforeabcde")


def test_each_reader_gets_a_line_error_of_its_own() -> None:
    log = Log(10, "/dev/x")
    readers = [log.add_reader(), log.add_reader()]
    original = LineError(5, "damaged", "/dev/x", kind="break", byte=0)
    log.append(original)
    errors: list[LineError] = []
    for reader in readers:
        with pytest.raises(LineError) as caught:
            log.take(reader, 1)
        errors.append(caught.value)
    assert len({id(error) for error in (*errors, original)}) == 3
    assert {(e.errno, e.strerror, e.filename, e.kind, e.byte) for e in errors} == {(5, "damaged", "/dev/x", "break", 0)}


@pytest.mark.parametrize("seed", range(60))
def test_any_interleaving_gives_the_exact_stream_or_tells_of_the_gap(seed: int) -> None:  # noqa: C901  # one scenario
    rng = random.Random(seed)  # noqa: S311  # no secrets
    capacity = rng.choice([1, 5, 64, 1000])
    log = Log(capacity, "/dev/x")
    stream: list[int | None] = []  # None is a line error
    readers: dict[Reader, int] = {}  # how far each has come, counted by the test
    for _ in range(400):
        match rng.randrange(6):
            case 0:
                reader = log.add_reader()
                readers[reader] = len(stream)
            case 1 if readers and rng.random() < 0.3:
                reader = rng.choice([*readers])
                log.remove_reader(reader)
                del readers[reader]
            case 2:
                log.append(LineError(byte=1))
                stream.append(None)
            case 3:
                data = rng.randbytes(rng.randint(1, 90))
                log.append(data)
                stream.extend(data)
            case _:
                for reader, position in readers.items():
                    if not log.has_more(reader):
                        assert position == len(stream)
                        continue
                    try:
                        data = log.take(reader, rng.randint(1, 50))
                    except InputLostError as exc:
                        assert len(stream) - position > capacity
                        readers[reader] = position + exc.missed
                        assert len(stream) - readers[reader] <= capacity
                    except LineError:
                        assert stream[position] is None
                        readers[reader] = position + 1
                    else:
                        assert [*data] == stream[position : position + len(data)]
                        readers[reader] = position + len(data)
        assert len(log._state[1]) <= capacity
        assert log.end == len(stream)
