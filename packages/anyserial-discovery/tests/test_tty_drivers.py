from pathlib import Path

import pytest
from anyserial_discovery._tty_drivers import Driver, driver_of, parse_drivers

DRIVERS = parse_drivers((Path(__file__).parent / "trees/drivers.proc.txt").read_text())


def test_every_line_is_understood() -> None:
    assert len(DRIVERS) == 15
    assert DRIVERS[6] == Driver("Digi RealPort Driver", 234, 0, 65, "serial")
    assert DRIVERS[5] == Driver("ttyprintk", 5, 3, 3, "console")
    assert {driver.kind for driver in DRIVERS} == {"system", "serial", "console", "pty", "type"}


@pytest.mark.parametrize(
    ("number", "name"),
    [
        ((4, 64), "serial"),
        ((4, 63), "unknown"),
        ((4, 95), "serial"),
        ((4, 96), None),
        ((30, 255), "npreal2"),
        ((8, 0), None),
    ],
)
def test_the_driver_of_a_number(number: tuple[int, int], name: str | None) -> None:
    driver = driver_of(number, DRIVERS)
    assert (None if driver is None else driver.name) == name


@pytest.mark.parametrize("line", ["", "one two", "a /dev/b x 0-1 serial", "a /dev/b 1 0-x serial", "/dev/b 1 0 serial"])
def test_a_line_that_is_not_understood_is_left_out(line: str) -> None:
    assert parse_drivers(f"{line}\nserial /dev/ttyS 4 64 serial\n{line}") == [Driver("serial", 4, 64, 64, "serial")]
