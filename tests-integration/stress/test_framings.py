"""A million random streams: what they mean does not depend on how they are split, and frames come out equal."""

import random
from collections.abc import Callable
from itertools import pairwise

import pytest
from anyserial.framing import Cobs, Delimited, FixedSize, Framing, FramingError, LengthPrefixed, Silence, Slip

SPECIAL = bytes([0, 1, 3, 10, 13, 0xC0, 0xDB, 0xDC, 0xDD, 0xFF])
MAKERS: dict[str, Callable[[], Framing]] = {
    "delimited": lambda: Delimited(b"\r\n", max_size=30),
    "fixed": lambda: FixedSize(5),
    "prefixed": lambda: LengthPrefixed(1, header=2, trailer=1, max_size=30),
    "slip": lambda: Slip(max_size=30),
    "cobs": lambda: Cobs(max_size=30),
    "silence": lambda: Silence(seconds=1, max_size=30),
}


def split(rng: random.Random, data: bytes) -> list[bytes]:
    places = sorted({0, len(data), *(rng.randint(0, len(data)) for _ in range(rng.randrange(4)))})
    return [data[a:b] for a, b in pairwise(places)]


def some_bytes(rng: random.Random, size: int) -> bytes:
    return bytes(rng.choices(SPECIAL, k=size)) if rng.random() < 0.5 else rng.randbytes(size)


def fed(framing: Framing, pieces: list[bytes]) -> list[bytes | tuple[type, bytes]]:
    found = [item for piece in pieces for item in framing.feed(piece)]
    return [(type(item), item.partial) if isinstance(item, FramingError) else item for item in found]


@pytest.mark.parametrize("name", MAKERS)
def test_random_streams(name: str, rng: random.Random, count: Callable[[int, int], int]) -> None:
    make = MAKERS[name]
    for _ in range(count(1_000, 1_000_000) // len(MAKERS)):
        data = some_bytes(rng, rng.randrange(60))
        assert fed(make(), split(rng, data)) == fed(make(), [data] if data else []), data
        frames = [some_bytes(rng, 5 if name == "fixed" else rng.randint(3, 12)) for _ in range(rng.randrange(4))]
        if name == "delimited":
            frames = [frame.replace(b"\r", b"").replace(b"\n", b"") for frame in frames]
        framing = make()
        encoded = [framing.encode(frame) for frame in frames]
        if name == "silence":
            pieces = [piece for part in encoded for piece in (*split(rng, part), b"")]
        else:
            pieces = split(rng, b"".join(encoded))
        assert fed(framing, pieces) == frames
