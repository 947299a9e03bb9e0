"""Consumer groups: one process's member of a group, measured from outside while it runs."""

import asyncio
from dataclasses import dataclass

from kits.kafka.group_metrics import GroupMetrics
from kits.kafka.group_reader import GroupReader
from kits.kafka.group_watch import GroupWatch
from kits.kafka.security import KafkaSettings
from kits.observability.health import CheckResult, HealthCheck, Status
from kits.process.background import PeriodicTask, Supervisor
from worker.group import ConsumerGroup, Topics
from worker.handler import Handler, RecordValues
from worker.metrics import ConsumerMetrics
from worker.settings import CLIENT_ID, WorkerSettings

_WATCH_SECONDS = 5.0
_COUNT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class GroupReaders:
    """worker.group.Readers of one group."""

    kafka: KafkaSettings
    group: str
    topic: str
    instance_id: str = ""
    is_compacted: bool = False

    def new(self, *, in_slot: bool) -> GroupReader:
        """See Readers."""
        return GroupReader(
            bootstrap_servers=self.kafka.bootstrap_servers,
            security=self.kafka,
            group=self.group,
            topics=[self.topic],
            compacted_topics=[self.topic] if self.is_compacted else [],
            client_id=CLIENT_ID,
            instance_id=(self.instance_id or None) if in_slot else None,
        )


class WatchedGroup:
    """worker.runner.Group: a member of a group, with the group's lag as a metric."""

    def __init__(
        self, member: ConsumerGroup, watch: GroupWatch, group_metrics: GroupMetrics, metrics: ConsumerMetrics
    ) -> None:
        self.name = member.name
        self._member = member
        self._watch = watch
        self._group_metrics = group_metrics
        self._metrics = metrics
        self._rebalances = metrics.rebalances.labels(member.name)
        self._seen_rebalances = 0
        self._counting = PeriodicTask(self._count, interval_seconds=_COUNT_SECONDS)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until `stop` is set."""
        watching = Supervisor()
        watching.start("group-watch", self._measure)
        watching.start("group-counts", self._counting.run)
        try:
            await self._member.run(stop)
        finally:
            await watching.stop()
            await self._member.close()

    def checks(self) -> list[HealthCheck]:
        """What the probes ask: the member, and the brokers."""
        return [*self._member.checks(), KafkaCheck(self._member.name, self._watch)]

    async def _measure(self) -> None:
        await self._watch.run(self._group_metrics, every_seconds=_WATCH_SECONDS)

    async def _count(self) -> None:
        reader = self._member.reader
        now, before = reader.rebalances if reader else 0, self._seen_rebalances
        # A new reader counts from 0.
        self._rebalances.inc(now - before if now >= before else now)
        self._seen_rebalances = now
        for code, count in self._member.rebuilds.items():
            self._metrics.rebuilds.labels(self._member.name, code).value = count


class KafkaCheck:
    """Whether the latest measurement of the group could be made, from memory."""

    def __init__(self, group: str, watch: GroupWatch) -> None:
        self.name = f"kafka_{group.replace('-', '_')}"
        self._watch = watch

    async def check(self) -> CheckResult:
        """Unready while no broker answers: an outage of the brokers shows as empty polls only."""
        if self._watch.latest is None:
            return CheckResult(Status.UNREADY, "No broker answers (yet): everything waits in the topic.")
        return CheckResult(Status.OK)


def watched_group(
    settings: WorkerSettings,
    *,
    name: str,
    topic: str,
    values: RecordValues,
    handler: Handler,
    watch: GroupWatch,
    topics: Topics,
    group_metrics: GroupMetrics,
    metrics: ConsumerMetrics,
    is_compacted: bool = False,
) -> WatchedGroup:
    """This process's member of a group that hands its records to `handler`."""
    readers = GroupReaders(settings.kafka, name, topic, settings.worker.instance_id, is_compacted)
    return WatchedGroup(ConsumerGroup(name, readers, values, handler, topics), watch, group_metrics, metrics)
