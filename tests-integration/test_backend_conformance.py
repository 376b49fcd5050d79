"""The platform's driver on a pty, and what looks on at it, keep the contract of backends."""

import os
import re
import tty
from collections.abc import Callable
from typing import cast

import pytest
from anyserial import RS485Config, SerialConfig
from anyserial._looking.observing import ObservedBackend
from anyserial._looking.watching import Hub
from anyserial.backend import SerialBackend
from anyserial.testing import BackendBench, check_backend
from anyserial_posix import create_backend
from anyserial_testing._conformance.clauses import CLAUSES, NOT_CHECKED
from source_tree import ROOT


def observed() -> SerialBackend:
    return cast("SerialBackend", ObservedBackend(create_backend(), Hub()))


def on_a_pty(make: Callable[[], SerialBackend]) -> BackendBench:
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    ends = [master, slave]

    def receive(count: int) -> bytes:
        try:
            return os.read(master, count)
        except BlockingIOError:
            return b""

    def close() -> None:
        while ends:
            os.close(ends.pop(0))

    return BackendBench(
        backend=make(),
        path=os.ttyname(slave),
        send=lambda data: os.write(master, data),
        receive=receive,
        hang_up=lambda: os.close(ends.pop(0)),
        close=close,
        missing="/dev/no-such-port",
        refused=SerialConfig(baudrate=9600, rs485=RS485Config()),
    )


@pytest.mark.parametrize("make", [create_backend, observed])
def test_the_driver_passes_on_a_pty(make: Callable[[], SerialBackend]) -> None:
    report = check_backend(lambda: on_a_pty(make))
    skipped = {result.clause for result in report.results if result.outcome == "skipped"}
    assert skipped == {"B13"}


def test_the_page_lists_the_clauses() -> None:
    page = (ROOT / "docs/backends.md").read_text()
    rows = re.findall(r"^\| ([BDS]\d+) \| (.+?) \| ?(not checked)? *\|$", page, re.MULTILINE)
    assert {number: text for number, text, _ in rows} == CLAUSES
    assert {number for number, _, unchecked in rows if unchecked} == NOT_CHECKED.keys()
