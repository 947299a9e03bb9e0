"""Entrance: `python -m conduit.articles`."""

import sys

from conduit.articles.program import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
