"""Entrance: `python -m conduit.profiles`."""

import sys

from conduit.profiles.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
