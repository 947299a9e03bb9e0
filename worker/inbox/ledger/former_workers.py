"""Inbox, start: the former build lets go first; what its ledger holds open is the inbox's then."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from kits.kafka.errors import KafkaError
from kits.kafka.group_standing import GroupStanding
from kits.kafka.records import TopicPartition
from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.postgres.outages import outage_suppressed
from kits.process.waiting import wait_for
from worker.inbox.ledger.migration import LedgerInUseError

log = get_logger(__name__)

OLD_CLIENT_ID = "order-worker"
"""How the members of the former build name themselves; it is told from ours by nothing else."""
_LOOK_SECONDS = 2.0


class Watch(Protocol):
    """kits.kafka.group_watch.GroupWatch of the group."""

    latest: GroupStanding | None

    async def measure(self) -> GroupStanding:
        """Raises: KafkaError."""
        ...


class Migration(Protocol):
    """worker.inbox.ledger.migration.LedgerMigration of the group."""

    async def move(self) -> Mapping[str, int]:
        """Raises: LedgerInUseError."""
        ...

    async def positions(self) -> Mapping[TopicPartition, int]:
        """Where the group reads on."""
        ...


class FormerWorkers:
    """Holds the group's work back while a worker of the former build is a member: never both at once.

    One that was killed counts until its session has run out. While no broker answers, the work waits too, if
    this build has never read in the group; later there is nothing left that a former worker could hold.
    """

    name = "former_workers"

    def __init__(self, watch: Watch, migration: Migration) -> None:
        self._watch = watch
        self._migration = migration
        self._waits_for = "Whether a worker of the former build is in the group is not known yet."
        self._told = ""

    async def hand_over(self, stop: asyncio.Event) -> None:
        """Return when no former worker is there and what it left open is in the inbox, or at `stop`."""
        while not stop.is_set():
            with outage_suppressed("hand_over_waits"):
                if not (reason := await self._hindrance() or await self._left_in_ledger()):
                    self._waits_for = ""
                    return
                self._tell(reason)
            await wait_for(stop, _LOOK_SECONDS)

    async def check(self) -> CheckResult:
        """Unready while the work waits; degraded when a former worker has come back beside it."""
        if self._waits_for:
            return CheckResult(Status.UNREADY, self._waits_for)
        if self._watch.latest is not None and (found := _old(self._watch.latest)):
            return CheckResult(Status.DEGRADED, f"{found} Stop it: two builds share the partitions.")
        return CheckResult(Status.OK)

    async def _hindrance(self) -> str:
        try:
            standing = await self._watch.measure()
        except KafkaError as error:
            if await self._migration.positions():
                return ""
            return f"Whether a worker of the former build is in the group is not known: {error}"
        found = _old(standing)
        return f"{found} Stop it: this one waits until it has left." if found else ""

    async def _left_in_ledger(self) -> str:
        try:
            moved = await self._migration.move()
        except LedgerInUseError as error:
            return str(error)
        if moved:
            log.info("ledger_taken_over", **moved)
        return ""

    def _tell(self, reason: str) -> None:
        self._waits_for = reason
        if reason != self._told:
            self._told = reason
            log.warning("former_worker_awaited", reason=reason, action="do what the reason says")


def _old(standing: GroupStanding) -> str:
    hosts = sorted(member.host for member in standing.members if member.client_id == OLD_CLIENT_ID)
    if not hosts:
        return ""
    return f"A worker of the former build is in the group {standing.group} ({', '.join(hosts)})."
