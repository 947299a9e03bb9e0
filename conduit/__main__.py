"""Entrance: `python -m conduit gateway | auth | articles | profiles [COMMAND]`."""

import runpy
import sys

from kits.terminal.printing import complain

ROLES = ("gateway", "auth", "articles", "profiles")
_USAGE_ERROR = 2


def main() -> int:
    """Run the process that the first argument names; none of the others is imported."""
    role = sys.argv[1] if len(sys.argv) > 1 else ""
    if role not in ROLES:
        complain(f"Name the process: python -m conduit {' | '.join(ROLES)} [command]; see --help of each.")
        return _USAGE_ERROR
    del sys.argv[1]
    runpy.run_module(f"conduit.{role}", run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
