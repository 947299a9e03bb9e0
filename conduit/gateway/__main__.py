"""Entrance: `python -m conduit gateway`."""

import sys

from conduit.gateway.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
