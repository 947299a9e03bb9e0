"""Outbox kit: `outbox list`, `retry`, `abandon` and `republish`, for versions that Kafka refused or lost."""

import argparse
import asyncio
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from kits.observability.logs import get_logger
from kits.outbox.operations import DeadVersion, VersionOperations
from kits.terminal.arguments import Commands, words
from kits.terminal.operator import system_user
from kits.terminal.printing import say

log = get_logger(__name__)

_ABANDON = """\
Gives dead events up, so that later changes of their {subject}s go on. The next change of such a {subject}
tells everything anew: every event says all that there is to tell."""
_REPUBLISH = """\
Sends the newest event of every {subject} to Kafka once more, to each topic that is written: what a topic has
lost, or what it missed while it was not written. Readers drop what they know by its version. It works
in transactions of 200 {subject}s beside running processes, and may be interrupted and repeated."""


class Republisher(Protocol):
    """The use case behind `republish`."""

    async def all(self) -> int:
        """Put the newest events of every subject back into the outbox; how many."""
        ...


class OutboxParts(Protocol):
    """What the commands need of a container."""

    def operations(self) -> VersionOperations: ...

    def republishing(self) -> Republisher: ...


class OutboxDatabase(Protocol):
    """Where the outbox lies: a program, or the module of a process's commands."""

    def database(self) -> AbstractAsyncContextManager[OutboxParts]:
        """A container whose database answers and has its tables, until the end of the block."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxCommands:
    """The commands of one outbox; `subject` says in a word whose versions it tells, as in "member"."""

    subject: str
    where: OutboxDatabase

    def add_to(self, commands: Commands) -> None:
        """Tell the parser about them."""
        outbox = commands.add_parser(
            "outbox", help="events that Kafka refused or lost: list, retry, abandon, republish"
        )
        inner = outbox.add_subparsers(metavar="action", title="actions", required=True)
        inner.add_parser("list", help="the dead events").set_defaults(command=self._list)
        retry = inner.add_parser("retry", help="let the relay send them again, after the topic was mended")
        retry.set_defaults(command=self._retry)
        abandon = inner.add_parser("abandon", help="give them up", description=self._said(_ABANDON))
        abandon.set_defaults(command=self._abandon)
        for parser in (retry, abandon):
            parser.add_argument(
                f"--{self.subject}",
                dest="subject",
                metavar="ID",
                type=words,
                help=f"of this {self.subject} (default: all)",
            )
        republish = inner.add_parser(
            "republish", help="send everything once more", description=self._said(_REPUBLISH)
        )
        republish.set_defaults(command=self._republish)
        republish.add_argument("--all", action="store_true", required=True, help=f"of every {self.subject}")
        for parser in (retry, abandon, republish):
            parser.add_argument("--by", type=words, help="who does it (default: the user of the system)")

    def _said(self, text: str) -> str:
        return text.format(subject=self.subject)

    def _list(self, _options: argparse.Namespace) -> int:
        say(*asyncio.run(self._listing()))
        return 0

    async def _listing(self) -> list[str]:
        async with self.where.database() as parts:
            return [self._line(event) for event in await parts.operations().dead()] or ["No event is dead."]

    def _retry(self, options: argparse.Namespace) -> int:
        say(f"Events that the next relay sends again: {asyncio.run(self._changing(options, 'retry'))}.")
        return 0

    def _abandon(self, options: argparse.Namespace) -> int:
        say(f"Events abandoned: {asyncio.run(self._changing(options, 'abandon'))}.")
        return 0

    async def _changing(self, options: argparse.Namespace, action: str) -> int:
        async with self.where.database() as parts:
            operations = parts.operations()
            ids = [event.event_id for event in await operations.dead(subject=options.subject)]
            count = await (operations.retry(ids) if action == "retry" else operations.abandon(ids))
        _note(options, action, count)
        return count

    def _republish(self, options: argparse.Namespace) -> int:
        count = asyncio.run(self._republishing())
        _note(options, "republish", count)
        say(f"Events that are sent once more: {count}.")
        return 0

    async def _republishing(self) -> int:
        async with self.where.database() as parts:
            return await parts.republishing().all()

    def _line(self, event: DeadVersion) -> str:
        return (
            f"{self.subject} {event.subject}  version {event.version}  {event.topic}  event {event.event_id}"
            f"  dead since {event.dead_at:%Y-%m-%dT%H:%M:%SZ}  {event.error or ''}".rstrip()
        )


def _note(options: argparse.Namespace, action: str, count: int) -> None:
    log.info("outbox_changed_by_operator", operation=action, by=options.by or system_user(), events=count)
