"""Entrance of the receiver alone: `python -m devservices.data_platform` needs no server package."""

import argparse
import sys

from devservices.data_platform.options import add_arguments, from_arguments
from devservices.data_platform.server import serve
from devservices.environment import environment
from devservices.errors import DevServicesError


def main() -> int:
    """Serve until a signal; 1 after one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m devservices.data_platform", description=__doc__)
    add_arguments(parser)
    try:
        serve(from_arguments(parser.parse_args(), environment()))
    except DevServicesError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
