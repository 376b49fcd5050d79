import itertools

from anyserial.exceptions import LineError
from anyserial_testing._marks import DecodeMarks
from hypothesis import given, settings
from hypothesis import strategies as st

# A piece of the line: good data, or one damaged byte.
PIECES = st.lists(st.one_of(st.binary(min_size=1), st.integers(0, 255)))


def encoded(pieces: list[bytes | int]) -> bytes:
    """Mark the pieces as termios(3) says of PARMRK."""
    return b"".join(
        piece.replace(b"\xff", b"\xff\xff") if isinstance(piece, bytes) else bytes((0xFF, 0x00, piece))
        for piece in pieces
    )


def joined(found: list[bytes | LineError]) -> list[bytes | int]:
    """Bring data that lies side by side together, and errors to their byte."""
    pieces: list[bytes | int] = []
    for item in found:
        piece = item if isinstance(item, bytes) else item.byte
        assert piece is not None
        if isinstance(piece, bytes) and pieces and isinstance(last := pieces[-1], bytes):
            pieces[-1] = last + piece
        else:
            pieces.append(piece)
    return pieces


@settings(deadline=None)  # a busy machine is not a defect
@given(PIECES, st.lists(st.integers(0, 400)))
def test_decoding_finds_what_was_marked_however_it_is_cut(pieces: list[bytes | int], cuts: list[int]) -> None:
    line = encoded(pieces)
    decode = DecodeMarks("/dev/mockA")
    places = [0, *sorted(cut for cut in cuts if cut < len(line)), len(line)]
    found = [item for start, end in itertools.pairwise(places) for item in decode(line[start:end])]
    assert b"" not in found
    wanted: list[bytes | LineError] = [piece if isinstance(piece, bytes) else LineError(byte=piece) for piece in pieces]
    assert joined(found) == joined(wanted)
