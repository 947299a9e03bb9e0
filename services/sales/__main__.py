"""Entrance: `python -m services.sales`."""

import sys

from services.sales.cli.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
