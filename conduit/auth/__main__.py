"""Entrance: `python -m conduit.auth`."""

import sys

from conduit.auth.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
