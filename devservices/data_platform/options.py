"""How the reference data platform is called from a command line."""

import argparse
from collections.abc import Mapping
from pathlib import Path

from devservices.data_platform.server import PlatformOptions
from devservices.environment import port_from

DEFAULT_PORT = 8002


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; the token comes from DATA_PLATFORM_TOKEN: everyone can read a command line."""
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, help="default: PLATFORM_PORT, or 8002; 0 chooses a free one")
    parser.add_argument("--journal", type=Path, help="keep arrivals in this file across restarts")
    parser.add_argument(
        "--known-key-status",
        type=int,
        choices=(200, 409),
        default=409,
        help="answer to a repeated single event",
    )


def from_arguments(arguments: argparse.Namespace, environ: Mapping[str, str]) -> PlatformOptions:
    """What the receiver is started with."""
    given = arguments.port
    return PlatformOptions(
        port=port_from(environ, "PLATFORM_PORT", DEFAULT_PORT) if given is None else given,
        host=arguments.host.removeprefix("[").removesuffix("]"),
        token=environ.get("DATA_PLATFORM_TOKEN") or None,
        journal=arguments.journal,
        known_key_status=arguments.known_key_status,
    )
