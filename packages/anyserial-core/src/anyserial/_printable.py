"""Text from outside, made safe to show.

Product strings, serial numbers, process names and file names are chosen by others, who may put
escape sequences, line ends or right-to-left marks into them. Code that puts such a text into a
message, a log or a screen passes it through `printable` first. A field that a program reads keeps
the text as it is.
"""

__all__ = ("printable",)


def printable(text: str) -> str:
    r"""Return *text* with every character that is not printable written as its escape.

    Args:
        text: Any text, undecodable bytes (surrogates) included.

    Returns:
        One line that drives no terminal and encodes as UTF-8: ``"A\x1b[2J"`` becomes
        ``r"A\x1b[2J"``. A text that is printable comes back unchanged.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
