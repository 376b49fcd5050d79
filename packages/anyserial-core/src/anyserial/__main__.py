"""``python -m anyserial``: the command of the metapackage.

No command belongs here.
"""

import sys

from anyserial._parts import load_part

if __name__ == "__main__":
    try:
        main = load_part("anyserial_cli").main
    except ImportError as exc:
        sys.exit(f"anyserial: {exc}")
    sys.exit(main())
