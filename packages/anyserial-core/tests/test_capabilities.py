"""The plain values: what can be done, lines, counters."""

import dataclasses
import pickle
from typing import Any

import pytest
from anyserial.capabilities import (
    Capability,
    CommEvent,
    ControlLines,
    LineCounters,
    ModemLines,
    PortStatistics,
    SerialCapabilities,
)
from backends import CAPABILITIES

VALUES: list[Any] = [
    CAPABILITIES,
    ModemLines(cts=True, dsr=False, ri=False, cd=True),
    ControlLines(rts=True, dtr=False),
    CommEvent(),
    CommEvent(ring=True),
    PortStatistics(bytes_sent=1, bytes_received=2),
    LineCounters(cts=1, dsr=2, ri=3, cd=4, rx=5, tx=6, frame=7, overrun=8, parity=9, brk=10, buf_overrun=11),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_value_is_frozen_hashable_and_picklable(value: Any) -> None:
    same = pickle.loads(pickle.dumps(value))  # noqa: S301
    assert same == value
    assert hash(same) == hash(value)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, dataclasses.fields(value)[0].name, None)
    assert not hasattr(value, "__dict__")
    with pytest.raises(TypeError):
        type(value)(True)


def test_the_states_of_a_capability() -> None:
    assert {member.name: str(member) for member in Capability} == {
        "SUPPORTED": "supported",
        "UNSUPPORTED": "unsupported",
        "UNKNOWN": "unknown",
    }


def test_the_names_of_the_capabilities_are_the_contract_s() -> None:
    assert [field.name for field in dataclasses.fields(SerialCapabilities)] == [
        "platform",
        "backend",
        "custom_baudrate",
        "mark_space_parity",
        "one_point_five_stop_bits",
        "xon_xoff",
        "rts_cts",
        "dtr_dsr",
        "modem_lines",
        "break_signal",
        "exclusive_access",
        "low_latency",
        "rs485",
        "input_waiting",
        "output_waiting",
        "port_discovery",
    ]
