"""Entrance: `python -m contracts`: writes the schemas anew, checks them, registers them."""

import sys

from contracts.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
