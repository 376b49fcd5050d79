"""What is below `anyserial.pyserial` can be imported by name, and is one module under every name."""

import importlib

import pytest
from anyserial import pyserial

NAMES = (
    *("rfc2217", "rs485", "serialposix", "serialutil", "threaded", "tools", "urlhandler"),
    *("tools.hexlify_codec", "tools.list_ports", "tools.list_ports_common", "tools.miniterm"),
    *("urlhandler.protocol_alt", "urlhandler.protocol_loop", "urlhandler.protocol_spy"),
)


@pytest.mark.parametrize("name", NAMES)
def test_a_module_below_has_one_object_under_both_names(name: str) -> None:
    imported = importlib.import_module(f"anyserial.pyserial.{name}")
    assert imported is importlib.import_module(f"anyserial_sync._pyserial.{name}")
    found: object = pyserial
    for part in name.split("."):
        found = getattr(found, part)
    assert found is imported


def test_names_can_be_taken_from_a_module_below() -> None:
    namespace: dict[str, object] = {}
    exec(  # noqa: S102  # type checkers know the attributes alone
        "from anyserial.pyserial.tools import list_ports\n"
        "from anyserial.pyserial.tools.list_ports import comports\n"
        "from anyserial.pyserial.serialutil import SerialException\n",
        namespace,
    )
    assert namespace["SerialException"] is pyserial.SerialException
    assert namespace["list_ports"] is pyserial.tools.list_ports


@pytest.mark.parametrize("name", ["serialwin32", "tools.nonsense"])
def test_what_is_not_there_is_said_to_be_missing(name: str) -> None:
    with pytest.raises(ModuleNotFoundError, match=f"has no module 'anyserial.pyserial.{name}'"):
        importlib.import_module(f"anyserial.pyserial.{name}")
