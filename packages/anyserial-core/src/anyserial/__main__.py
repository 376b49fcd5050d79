"""``python -m anyserial``: the command of the metapackage.

No command belongs here.
"""

import sys

from anyserial._parts import load_part


def _main() -> int | str:
    try:
        command = load_part("anyserial_cli")
    except ImportError as exc:
        return f"anyserial: {exc}"
    status: int = command.main()
    return status


if __name__ == "__main__":
    sys.exit(_main())
