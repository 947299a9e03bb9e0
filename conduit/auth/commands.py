"""Entrance: `keys`, which comes before the first start."""

import argparse
from pathlib import Path

from conduit.auth.keys import PRIVATE_FILE, PUBLIC_FILE, key_files, write_keys
from kits.terminal.arguments import Commands
from kits.terminal.printing import say

_KEYS = f"""\
Writes two JSON Web Key Sets: DIR/{PRIVATE_FILE}, with which auth signs tokens and opens passwords, and
DIR/{PUBLIC_FILE}, with which the gateway verifies and seals. Where both are there it changes nothing, and it
overwrites neither. To rotate: make keys in another folder, add the public ones behind those that the gateway
has, then the private ones before those that auth has, restart auth, put the public ones first too, and take
the former away when the last token has expired."""


def add_keys_command(commands: Commands) -> None:
    """Tell the parser about it."""
    keys = commands.add_parser("keys", help="make the keys of auth and the gateway", description=_KEYS)
    keys.add_argument("folder", metavar="DIR", type=Path, help="is made if it is not there")
    keys.set_defaults(command=_keys)


def _keys(options: argparse.Namespace) -> int:
    private_file, public_file = key_files(options.folder)
    if private_file.exists() and public_file.exists():
        say("Both files are there: nothing was changed.")
    else:
        write_keys(options.folder)
    say(f"CONDUIT_AUTH_KEYS_FILE={private_file}", f"CONDUIT_GATEWAY_KEYS_FILE={public_file}")
    return 0
