"""The pages' tables of settings are the tables in the code."""

import re
from typing import Any

import anyserial
import pytest
from anyserial import FlowControl, RS485Config, SerialConfig
from source_tree import ROOT

TABLES = [
    (SerialConfig, "configuration.md"),
    (FlowControl, "configuration.md"),
    (RS485Config, "rs485.md"),
]
ROW = re.compile(r"^\| `(\w+)` \| `([^|]+)` \| (.+) \|$", re.MULTILINE)
LINK = re.compile(r" See \[[^]]+\]\([^)]+\)\.$")


@pytest.mark.parametrize(("cls", "page"), TABLES)
def test_a_table_has_the_fields_with_defaults_and_texts(cls: Any, page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    tables = [ROW.findall(table) for table in text.split("|---|---|---|\n")[1:]]
    rows = next(table for table in tables if table and table[0][0] == next(iter(cls.__rows__)))
    assert [name for name, _, _ in rows] == list(cls.__rows__)
    for name, default, told in rows:
        value, check, doc, _ = cls.__rows__[name]
        assert LINK.sub("", told) == doc
        assert check(name, eval(default, vars(anyserial) | {"FlowControl": FlowControl})) == value  # noqa: S307
