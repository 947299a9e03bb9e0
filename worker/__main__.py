"""Entrance: `python -m worker`."""

import sys

from worker.cli.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
