"""The screens in docs/terminal.md are those of the program."""

import pytest
from term_screens import PAGE, SCREENS, replaced, take


def test_the_pages_screens_are_the_programs() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert replaced(page, take()) == page


def test_a_screen_without_a_block_is_named() -> None:
    with pytest.raises(ValueError, match=r"has the screens \[\], there are \['help'"):
        replaced("", dict.fromkeys(SCREENS, ""))
