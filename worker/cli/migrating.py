"""Entrance: `migrate`, which comes before the first start of a build, and its way back."""

import argparse
import asyncio
from collections.abc import Mapping

from kits.kafka.group_admin import GroupAdmin
from kits.terminal.arguments import Commands
from kits.terminal.printing import complain, say
from worker.cli.environment import FAILED, opened, settings_of
from worker.command_container import InboxContainer
from worker.inbox.ledger.migration import LedgerInUseError
from worker.settings import ADMIN_CLIENT_ID, InboxSettings, OffsetsSettings

_MIGRATE = """\
Brings the tables to this build's schema, and takes what the ledger of the last build before the inbox holds
open (dead, held, retrying) into the inbox, with the audit. It may be repeated and interrupted."""
_BACK = "give the last build before the inbox its ledger back; no worker may run (needs Kafka's address)"


def add_commands(commands: Commands) -> None:
    """Tell the parser about them."""
    migrate = commands.add_parser(
        "migrate", help="bring the inbox's tables to this build's schema", description=_MIGRATE
    )
    migrate.add_argument("--back", action="store_true", help=_BACK)
    migrate.set_defaults(command=_migrate)


def _migrate(options: argparse.Namespace) -> int:
    try:
        if options.back:
            return asyncio.run(_going_back(settings_of(OffsetsSettings)))
        return asyncio.run(_migrating(settings_of(InboxSettings)))
    except LedgerInUseError as error:
        complain(error)
        return FAILED


async def _migrating(settings: InboxSettings) -> int:
    async with opened(InboxContainer(settings=settings), migrated=False) as container:
        say(await container.history().migrate(container.engine()))
        if moved := await container.ledger_migration().move():
            say(f"Taken over from the ledger: {_counted(moved)}.")
    return 0


async def _going_back(settings: OffsetsSettings) -> int:
    async with opened(InboxContainer(settings=settings)) as container:
        group = GroupAdmin(
            bootstrap_servers=settings.kafka.bootstrap_servers,
            security=settings.kafka,
            client_id=ADMIN_CLIENT_ID,
            group=container.group(),
        )
        if members := await group.members():
            complain(
                f"Group {container.group()} has {members} living members: stop all workers, then repeat it."
            )
            return FAILED
        migration = container.ledger_migration()
        # The former build begins where Kafka says: this comes first, since the inbox forgets it.
        if positions := await migration.positions():
            await group.commit(positions)
        moved = await migration.back()
        say(f"Given back to the ledger: {_counted(moved) or 'nothing'}. Start the former build now.")
    return 0


def _counted(moved: Mapping[str, int]) -> str:
    events = ", ".join(f"{number} {kind}" for kind, number in moved.items() if kind != "audited")
    audited = f"{moved['audited']} entries of the audit" if moved.get("audited") else ""
    return "; ".join(part for part in (events and f"events: {events}", audited) if part)
