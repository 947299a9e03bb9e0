"""Inbox, health: what an operator must know of it: gaps, dead letters, the limit, what holds its database."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.records import TopicPartition
from kits.observability.health import CheckResult, HealthCheck, Status
from kits.observability.logs import get_logger
from kits.ordered_queue.ports import Gap, StoreUnavailableError
from kits.postgres.driver import DriverStatement, driver_fetch
from kits.postgres.outages import outage_suppressed
from kits.postgres.schema import as_document, qualified
from kits.postgres.write_probe import WriteProbe
from kits.process.background import PeriodicTask
from worker.inbox.group_state import GroupState
from worker.inbox.metrics import InboxMetrics
from worker.inbox.receive import InboxReceiver
from worker.inbox.store import InboxStore
from worker.inbox.table import DEAD, inbox_audit, inbox_event, inbox_group, inbox_partition

log = get_logger(__name__)

_INTERVAL_SECONDS = 5.0
_GAPS = 100
_REMEMBERED = 10_000
_COUNTED = 10_001
_LONG_SECONDS = 300.0

# By their numbers, also on a plan from the time of an empty table (see arrival_statements.py).
_WAITING_AT = """
SELECT q.order_id, q.seq, q.event_id, q.topic, q.partition, q."offset"
  FROM $event q JOIN json_to_recordset(CAST(:rows AS json)) AS sent (key text, waiting bigint)
       ON q.order_id = sent.key AND q.seq = sent.waiting
 WHERE sent.key IS NOT DISTINCT FROM sent.key AND (q.consumer_group = :of_group) IS TRUE
 ORDER BY q.topic, q.partition, q."offset"
"""
_DEAD_BY_CLASS = f"""
SELECT coalesce(error_class, 'unknown'), count(*)
  FROM (SELECT error_class FROM $event WHERE consumer_group = :of_group AND {DEAD.text}
         LIMIT CAST(:counted AS bigint)) dead
 GROUP BY 1 ORDER BY 2 DESC, 1
"""  # noqa: S608 - of constants
# What others' sessions do is hidden from a role without pg_read_all_stats.
_OLDEST = """
SELECT CAST(extract(epoch FROM clock_timestamp() - began) AS double precision), who FROM (
    SELECT xact_start, format('session %s of %s (%s, %s)', pid, usename, application_name, state)
      FROM pg_stat_activity
     WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
    UNION ALL
    SELECT prepared, format('the prepared transaction %L of %s', gid, owner)
      FROM pg_prepared_xacts WHERE database = current_database()) old (began, who)
 ORDER BY began LIMIT 1
"""


def inbox_probe(group: str) -> WriteProbe:
    """What a worker must be able to write (kits.postgres.readiness.DatabaseHealth)."""
    everything = ("SELECT", "INSERT", "UPDATE", "DELETE")
    kept = ("SELECT", "INSERT", "UPDATE")
    row = inbox_group.c
    return WriteProbe(
        {inbox_event: everything, inbox_partition: kept, inbox_group: kept, inbox_audit: ("INSERT",)},
        update(inbox_group).where(row.consumer_group == group).values(judged=row.judged),
    )


class InboxWatch:
    """Looks every five seconds; the probes are answered from what was seen last."""

    def __init__(
        self, engine: AsyncEngine, store: InboxStore, state: GroupState, group: str, metrics: InboxMetrics
    ) -> None:
        self._engine = engine
        self._store = store
        self._state = state
        self._group = {"of_group": group}
        self._oldest_seconds = metrics.oldest_transaction
        name = qualified(inbox_event, engine)
        self._waiting_at, self._dead_by_class = (
            DriverStatement(text(template.replace("$event", name)))
            for template in (_WAITING_AT, _DEAD_BY_CLASS)
        )
        self._oldest = DriverStatement(text(_OLDEST))
        self._known: dict[tuple[str, int], None] = {}
        self._task = PeriodicTask(self.look, interval_seconds=_INTERVAL_SECONDS)
        self.found: dict[str, CheckResult] = dict.fromkeys(
            ("gaps", "dead_letters", "oldest_transaction"), CheckResult(Status.OK)
        )

    async def run(self) -> None:
        """Look until cancelled."""
        await self._task.run()

    async def look(self) -> None:
        """Look once; while the database is away everything stays as it was seen."""
        with outage_suppressed():
            try:
                self.found["gaps"] = await self._find_gaps()
            except StoreUnavailableError:
                return
            self.found["dead_letters"] = await self._count_dead()
            self.found["oldest_transaction"] = await self._find_oldest()

    def checks(self) -> list[HealthCheck]:
        """What the probes ask."""
        return [WatchCheck(name, self.found) for name in self.found] + [LimitCheck(self._state)]

    async def _find_gaps(self) -> CheckResult:
        gaps = await self._store.gaps(_GAPS)
        if not gaps:
            return CheckResult(Status.OK)
        by_number = {(gap.key, gap.waiting): gap for gap in gaps}
        values = {**self._group, **as_document(gaps)}
        for order_id, seq, event_id, topic, partition, offset in await driver_fetch(
            self._engine, self._waiting_at, values
        ):
            self._warn_once(
                by_number[order_id, seq],
                {"event_id": event_id, "topic": topic, "partition": partition, "offset": offset},
            )
        missing = ", ".join(f"{_numbers(gap)} of order {gap.key}" for gap in gaps[:3])
        more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        return CheckResult(
            Status.OK,
            f"Numbers are missing for longer than a moment: {missing}{more}; see `worker dlq list`.",
        )

    def _warn_once(self, gap: Gap, place: Mapping[str, Any]) -> None:
        if (gap.key, gap.waiting) in self._known:
            return
        self._known[gap.key, gap.waiting] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        names = {"order_id": gap.key, "missing": _numbers(gap), "waiting": gap.waiting, **place}
        action = "look for it in the outbox and in the topic, or skip it; the rest of the order waits"
        log.warning("number_missing", **names, waited_seconds=round(gap.age_seconds), action=action)

    async def _count_dead(self) -> CheckResult:
        rows = await driver_fetch(self._engine, self._dead_by_class, {**self._group, "counted": _COUNTED})
        total = sum(count for _, count in rows)
        if not total:
            return CheckResult(Status.OK)
        number = "over 10,000" if total >= _COUNTED else str(total)
        classes = ", ".join(f"{count} {error_class}" for error_class, count in rows)
        return CheckResult(Status.OK, f"Dead letters: {number} ({classes}); see `python -m worker dlq list`.")

    async def _find_oldest(self) -> CheckResult:
        rows: Sequence[Any] = await driver_fetch(self._engine, self._oldest)
        seconds, who = rows[0] if rows else (0.0, "")
        self._oldest_seconds.set(max(0.0, seconds))
        if seconds < _LONG_SECONDS:
            return CheckResult(Status.OK)
        return CheckResult(
            Status.DEGRADED,
            f"A transaction has been open for {seconds:.0f} s ({who}): until it ends dead rows stay, and the"
            " inbox grows slow. End it, or see the runbook.",
        )


class WatchCheck:
    """One thing that the watch has seen."""

    def __init__(self, name: str, found: Mapping[str, CheckResult]) -> None:
        self.name = name
        self._found = found

    async def check(self) -> CheckResult:
        """From memory."""
        return self._found[self.name]


class LimitCheck:
    """Unready while the dead-letter limit stands: nothing is sent."""

    name = "dead_letter_limit"

    def __init__(self, state: GroupState) -> None:
        self._state = state

    async def check(self) -> CheckResult:
        """From memory."""
        if not self._state.is_tripped:
            return CheckResult(Status.OK)
        tally = "; ".join(
            f"{each['count']} x {each['error_class']} {each['code']}"
            for each in self._state.trip.get("tally", ())[:3]
        )
        return CheckResult(
            Status.UNREADY,
            f"Too many events would be dead letters ({tally}): nothing is sent until"
            " `python -m worker dlq release --reason TEXT`.",
        )


class PartitionsCheck:
    """Unready while a partition may not be read: its sentence says which, from where, and what mends it."""

    name = "partitions"

    def __init__(self, receiver: InboxReceiver) -> None:
        self._receiver = receiver

    async def check(self) -> CheckResult:
        """From memory."""
        standing: Mapping[TopicPartition, str] = self._receiver.unplaced
        if not standing:
            return CheckResult(Status.OK)
        sentences = "; ".join(
            f"{at.topic}, partition {at.partition}: {why}" for at, why in sorted(standing.items())
        )
        return CheckResult(Status.UNREADY, f"Partitions stand, the others go on: {sentences}.")


def _numbers(gap: Gap) -> str:
    return f"number {gap.first}" if gap.first == gap.last else f"numbers {gap.first} to {gap.last}"
