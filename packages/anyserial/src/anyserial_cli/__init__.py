"""The ``anyserial`` command: its entry point, and nothing that a program would import.

Nothing of `anyserial` is imported here: the command must start, and say what to do, in an
installation whose core is missing or broken.
"""

from anyserial_cli._main import main

__all__ = ("main",)
