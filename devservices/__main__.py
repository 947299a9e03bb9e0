"""Entrance: `python -m devservices <command>`."""

from devservices.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
