"""Entrance: `python -m services.members`."""

import sys

from services.members.cli.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
