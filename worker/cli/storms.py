"""Entrance: `dlq storm release`, after the storm guard has stopped the group and its cause is mended."""

import argparse
import asyncio

from kits.terminal.arguments import Commands, words
from kits.terminal.operator import system_user
from kits.terminal.printing import say
from worker.cli.environment import opened, settings_of
from worker.container import LedgerContainer
from worker.settings import LedgerSettings

_RELEASE = """\
Lets the group go on. Its workers notice within seconds, and send the events again that were about to become
dead letters: those that are refused once more die now. Who, when and why is kept in delivery_audit."""


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    storm = commands.add_parser("storm", help="the storm guard").add_subparsers(
        metavar="release", required=True
    )
    release = storm.add_parser("release", help="let the group go on", description=_RELEASE)
    release.set_defaults(command=_release)
    release.add_argument("--reason", required=True, type=words, metavar="TEXT", help="why; kept in the audit")
    release.add_argument("--by", type=words, metavar="WHO", help="who does it (default: the system's user)")


def _release(options: argparse.Namespace) -> int:
    settings = settings_of(LedgerSettings)
    count = asyncio.run(_releasing(settings, options.by or system_user(), options.reason))
    told = "No storm stands: there is nothing to release."
    say(told if count is None else f"Released: {count} events that were about to die are sent again.")
    return 0


async def _releasing(settings: LedgerSettings, actor: str, reason: str) -> int | None:
    async with opened(LedgerContainer(settings=settings)) as container:
        return await container.storms().release(actor=actor, reason=reason)
