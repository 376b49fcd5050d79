"""What `--serial-pair` finds out about two ports before it tests one of them."""

import os

import pytest
from pair_link import LACKS, PairError, PairLink
from uart_links import UartLink
from usb_links import AcmLink


@pytest.mark.drivers("8250")
def test_two_uarts_in_a_null_modem_have_everything(link: UartLink) -> None:
    pair = PairLink(link.path, link.far_path)
    try:
        assert pair.lacks(LACKS) is None
        assert pair.inputs == (("cts",), ("dsr", "cd"))
        assert pair.always_on == frozenset()
        # The two keep back a FIFO, and what is on its way between them; the driver has room for 4 KiB.
        assert 0 < pair.stuck < 12_000
    finally:
        pair.close()


@pytest.mark.drivers("cdc_acm")
def test_what_two_ports_lack_is_said(link: AcmLink) -> None:
    pair = PairLink(link.path, link.far_path)
    try:
        assert pair.lacks(()) is None
        assert pair.lacks(("cts",)) == f"RTS of {link.far_path} does not arrive as CTS of {link.path}"
        assert {name for name in LACKS if not pair.lacks((name,))} == {"break_in"}
        assert pair.inputs == ()
        pair.reset()
        pair.send(b"in")
        fd = os.open(link.path, os.O_RDWR | os.O_NOCTTY)
        try:
            assert os.read(fd, 2) == b"in"
        finally:
            os.close(fd)
    finally:
        pair.close()


@pytest.mark.drivers("8250")
def test_two_ports_that_are_not_joined_are_refused(link: UartLink) -> None:
    master, slave = os.openpty()
    try:
        with pytest.raises(PairError, match=f"of what {link.path} sends, b'' arrives at {os.ttyname(slave)}"):
            PairLink(link.path, os.ttyname(slave))
    finally:
        os.close(master)
        os.close(slave)
