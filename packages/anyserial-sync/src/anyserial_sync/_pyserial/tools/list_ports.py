"""Listing ports: `comports` and `grep`, and the command ``python -m serial.tools.list_ports``."""

import argparse
import re
import sys
from typing import TYPE_CHECKING

from anyserial_sync._pyserial.tools.list_ports_posix import comports

if TYPE_CHECKING:
    from collections.abc import Generator

    from anyserial_sync._pyserial.tools.list_ports_common import ListPortInfo

__all__ = ("comports", "grep", "main")


def grep(regexp: "str | re.Pattern[str]", include_links: bool = False) -> "Generator[ListPortInfo]":
    """Return an iterator over the ports whose device, description or hwid matches.

    Args:
        regexp: A regular expression; upper and lower case are the same. It may match anywhere.
        include_links: As for `comports`.
    """
    pattern = re.compile(regexp, re.IGNORECASE) if isinstance(regexp, str) else regexp
    for port in comports(include_links):
        if any(pattern.search(text) for text in port):
            yield port


def main() -> None:
    """Print the ports, one a line, as the arguments of the command ask."""
    parser = argparse.ArgumentParser(prog="serial.tools.list_ports", description="List the serial ports.")
    parser.add_argument("regexp", nargs="?", help="only the ports whose device, description or hwid matches")
    parser.add_argument("-v", "--verbose", action="store_true", help="print description and hwid too")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the devices and no summary")
    parser.add_argument("-n", type=int, metavar="N", help="only the N-th port, from 1")
    parser.add_argument("-s", "--include-links", action="store_true", help="also symbolic links that lead to a port")
    arguments = parser.parse_args()
    links: bool = arguments.include_links
    ports = sorted(grep(arguments.regexp, links) if arguments.regexp else comports(links))
    for number, port in enumerate(ports, 1):
        if arguments.n is not None and arguments.n != number:
            continue
        sys.stdout.write(f"{port.device:20}\n")
        if arguments.verbose:
            sys.stdout.write(f"    desc: {port.description}\n    hwid: {port.hwid}\n")
    if not arguments.quiet:
        sys.stderr.write(f"{len(ports) or 'no'} ports found\n")


if __name__ == "__main__":
    main()
