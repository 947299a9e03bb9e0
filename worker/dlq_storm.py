"""Entrance: `dlq storm release`, after the storm guard has stopped the group and its cause is mended."""

import argparse
import asyncio
import getpass
import os
import sys

from kits.observability.logs import configure_logging
from kits.settings import read_settings
from worker.container import LedgerContainer
from worker.delivery.ports import LedgerUnavailableError
from worker.settings import LedgerSettings

FAILED = 1
_RELEASE = """\
Lets the group go on. Its workers notice within seconds, and send the events again that were about to become
dead letters: those that are refused once more die now. Who, when and why is kept in delivery_audit."""

Commands = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def add_commands(commands: "Commands[argparse.ArgumentParser]") -> None:
    """Tell the parser about them."""
    storm = commands.add_parser("storm", help="the storm guard").add_subparsers(
        metavar="release", required=True
    )
    release = storm.add_parser("release", help="let the group go on", description=_RELEASE)
    release.set_defaults(command=_release)
    release.add_argument("--reason", required=True, metavar="TEXT", help="why; kept in the audit")
    release.add_argument("--by", metavar="WHO", help="who does it (default: the user of the system)")


def _release(options: argparse.Namespace) -> int:
    settings = read_settings(LedgerSettings, os.environ)
    configure_logging(process="worker", settings=settings.log)
    try:
        count = asyncio.run(_releasing(settings, options.by or _system_user(), options.reason))
    except LedgerUnavailableError as error:
        print(f"{error} Nothing was released: repeat it.", file=sys.stderr)
        return FAILED
    told = "No storm stands: there is nothing to release."
    print(told if count is None else f"Released: {count} events that were about to die are sent again.")
    return 0


async def _releasing(settings: LedgerSettings, actor: str, reason: str) -> int | None:
    container = LedgerContainer(settings=settings)
    try:
        return await container.storms().release(actor=actor, reason=reason)
    finally:
        await container.engine().dispose()


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"uid {os.getuid()}"
