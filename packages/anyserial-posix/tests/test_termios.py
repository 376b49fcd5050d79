"""Configs as attributes and back, for every platform's table."""

from itertools import pairwise
from typing import Any

import pytest
from anyserial.config import ByteSize, FlowControl, LineErrors, Parity, SerialConfig, StopBits
from anyserial.exceptions import ConfigurationError
from anyserial_posix import _bsd, _darwin, _generic, _linux, _termios
from anyserial_posix._termios import Attributes
from hypothesis import given
from hypothesis import strategies as st

TABLES = [*_linux.FAMILIES.values(), *_bsd.PLATFORMS.values(), _darwin.PLATFORM, _generic.platform("sunos5")]

configs = st.builds(
    SerialConfig,
    baudrate=st.integers(1, 2**32 - 1),
    byte_size=st.sampled_from(ByteSize),
    parity=st.sampled_from(Parity),
    stop_bits=st.sampled_from(StopBits),
    flow_control=st.builds(FlowControl, xon_xoff=st.booleans(), rts_cts=st.booleans(), dtr_dsr=st.booleans()),
    hangup_on_close=st.booleans(),
    line_errors=st.sampled_from(LineErrors),
)
words = st.integers(0, 2**32 - 1)


@st.composite
def attributes(draw: st.DrawFn, table: Any) -> Attributes:
    """Draw attributes that anything may have left behind."""
    size = 32 if table.only_coded_rates else len(table.layout.unpack(bytes(table.layout.struct.size)).cc)
    return Attributes(
        draw(words),
        draw(words),
        draw(words),
        draw(words),
        draw(st.integers(0, 255)) if table.layout.line else 0,
        draw(st.binary(min_size=size, max_size=size)),
        draw(words),
        draw(words),
    )


@pytest.mark.parametrize("table", TABLES)
@given(data=st.data(), config=configs)
def test_every_config_comes_back(table: Any, data: st.DataObject, config: SerialConfig) -> None:
    before = data.draw(attributes(table))
    want = _termios.wanted(config, table.flags)
    after = _termios.build(before, want, table.flags, table.rate_codes)
    assert _termios.decode(after, table.flags) == want
    assert _termios.dropped(want, _termios.decode(after, table.flags)) == []
    if not _termios.lacking(config, table.flags, table.name):
        assert want.parity is config.parity
        assert want.rts_cts is config.flow_control.rts_cts
        assert want.dtr_dsr is config.flow_control.dtr_dsr
        assert (want.stop_bits is StopBits.ONE) is (config.stop_bits is StopBits.ONE)
    assert (want.baudrate, want.byte_size) == (config.baudrate, config.byte_size)
    # Building on its own result changes nothing, and foreign control flags stay.
    assert _termios.build(after, want, table.flags, table.rate_codes) == after
    flags = table.flags
    ours = flags.cread | flags.clocal | flags.csize | flags.cstopb | flags.parenb | flags.parodd | flags.hupcl
    ours |= flags.crtscts | flags.cmspar | flags.dtr_dsr | flags.cbaud | flags.cibaud
    assert after.cflag & ~ours == before.cflag & ~ours
    assert after.cflag & flags.cread
    assert after.cflag & flags.clocal
    assert (after.oflag, after.lflag) == (0, 0)
    assert (after.cc[flags.vmin], after.cc[flags.vtime]) == (1, 0)
    assert (after.cc[flags.vstart], after.cc[flags.vstop]) == (0x11, 0x13)
    if config.line_errors is not LineErrors.IGNORE:
        assert after.iflag & flags.inpck
        assert after.iflag & flags.parmrk
    assert after.iflag & ~(flags.inpck | flags.parmrk | flags.ixon | flags.ixoff) == 0


@pytest.mark.parametrize("table", [table for table in TABLES if not table.only_coded_rates])
@given(data=st.data())
def test_every_structure_comes_back(table: Any, data: st.DataObject) -> None:
    before = data.draw(attributes(table))
    raw = table.layout.pack(before)
    assert len(raw) == table.layout.struct.size
    assert table.layout.unpack(raw) == before


@pytest.mark.parametrize("table", TABLES)
def test_no_two_settings_share_their_bits(table: Any) -> None:
    flags = table.flags._asdict()
    masks = [
        flags[name]
        for name in ("csize", "cstopb", "cread", "parenb", "parodd", "hupcl", "clocal", "crtscts", "cmspar", "dtr_dsr")
    ]
    masks += [flags["cbaud"], flags["cibaud"]]
    seen = 0
    for mask in masks:
        assert seen & mask == 0
        seen |= mask
    assert sorted((flags["cs5"], flags["cs6"], flags["cs7"], flags["cs8"])) == [flags[f"cs{n}"] for n in (5, 6, 7, 8)]
    assert all(low < high for low, high in pairwise([flags[f"cs{n}"] for n in (5, 6, 7, 8)]))


junk: list[st.SearchStrategy[Any]] = [
    st.none(),
    st.booleans(),
    st.binary(max_size=3),
    st.lists(st.integers(), max_size=1),
    st.floats().filter(lambda number: number not in (1.0, 1.5, 2.0, 5.0, 6.0, 7.0, 8.0)),
    st.integers(min_value=2**32),
    st.integers(max_value=0),
    st.text(max_size=3).filter(lambda text: text.lower() not in {*"noems125678", "1.5", "odd"}),
]
INVALID: dict[str, st.SearchStrategy[Any]] = {
    "baudrate": st.one_of(*junk),
    "byte_size": st.one_of(*junk, st.sampled_from([1, 4, 9, "4", "9"])),
    "parity": st.one_of(*junk, st.sampled_from(["EVENS", "NO", "X", 1])),
    "stop_bits": st.one_of(*junk, st.sampled_from([3, 1.6, "1.50", "3"])),
    "flow_control": st.one_of(*junk[1:], st.just("rts_cts")),
    "rs485": st.one_of(*junk[1:], st.just({"enabled": True})),
    "line_errors": st.one_of(*junk, st.just("drop")),
    "hangup_on_close": st.one_of(*junk[2:]),
    "low_latency": st.one_of(*junk[:1], *junk[2:]),
    "dtr_on_open": st.one_of(*junk[2:]),
}


@pytest.mark.parametrize("table", TABLES)
@given(data=st.data(), config=configs)
def test_the_hang_up_on_close_can_be_left_alone(table: Any, data: st.DataObject, config: SerialConfig) -> None:
    before = data.draw(attributes(table))
    want = _termios.wanted(config.with_changes(hangup_on_close=None), table.flags)
    after = _termios.build(before, want, table.flags, table.rate_codes)
    assert after.cflag & table.flags.hupcl == before.cflag & table.flags.hupcl
    assert _termios.dropped(want, _termios.decode(after, table.flags)) == []


@pytest.mark.parametrize("field", INVALID)
@given(data=st.data())
def test_no_invalid_value_gets_as_far_as_the_driver(field: str, data: st.DataObject) -> None:
    fields: dict[str, Any] = {field: data.draw(INVALID[field])}
    with pytest.raises(ConfigurationError, match=field):
        SerialConfig(**fields)


def test_what_the_driver_dropped_is_named_with_both_values() -> None:
    flags = _linux.FAMILIES["generic"].flags
    want = _termios.wanted(
        SerialConfig(
            baudrate=250000, byte_size=7, parity="E", stop_bits=2, flow_control=FlowControl(xon_xoff=True, rts_cts=True)
        ),
        flags,
    )
    have = _termios.wanted(SerialConfig(baudrate=115200), flags)
    assert _termios.dropped(want, have) == [
        "baudrate=250000 (it set 115200)",
        "byte_size='7' (it set '8')",
        "parity='even' (it set 'none')",
        "stop_bits='2' (it set '1')",
        "flow_control.xon_xoff=True (it set False)",
        "flow_control.rts_cts=True (it set False)",
    ]


@pytest.mark.parametrize(("rate", "taken"), [(9600, True), (9792, True), (9408, True), (9793, False), (9407, False)])
def test_a_rate_within_two_percent_is_taken(rate: int, taken: bool) -> None:
    flags = _linux.FAMILIES["generic"].flags
    want = _termios.wanted(SerialConfig(baudrate=9600), flags)
    assert (_termios.dropped(want, want._replace(baudrate=rate)) == []) is taken
