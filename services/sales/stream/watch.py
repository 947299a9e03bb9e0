"""Stream: how the group stands, by the brokers' word: its lag, and whether it moves."""

import asyncio
import time

from kits.kafka.admin import TopicAdmin
from kits.kafka.errors import KafkaConfigurationError, KafkaError
from kits.kafka.group_metrics import GroupMetrics
from kits.kafka.group_watch import GroupWatch
from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.observability.repeats import Repeats
from services.sales.builds import Build
from services.sales.metrics import StreamMetrics
from services.sales.stream.process import EngineProcess

log = get_logger(__name__)

_EVERY_SECONDS = 2.0
STILL_SECONDS = 60.0
"""From when on a group that does not move counts as standing: longer than a recovery takes."""


class StreamWatch:
    """Measures again and again; a check reads the latest from memory."""

    name = "stream"

    def __init__(
        self, watch: GroupWatch, engine: EngineProcess, group_metrics: GroupMetrics, metrics: StreamMetrics
    ) -> None:
        self._watch = watch
        self._engine = engine
        self._group_metrics = group_metrics
        self._metrics = metrics
        self._seen: dict[str, int] = {}
        self._moved_at = time.monotonic()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._watch.look(self._group_metrics)
            self._notice()
            self._metrics.commit_age.set(self.still_seconds)
            await asyncio.sleep(_EVERY_SECONDS)

    @property
    def still_seconds(self) -> float:
        """How long the group has not moved although records wait."""
        return time.monotonic() - self._moved_at

    async def check(self) -> CheckResult:
        """Unready while no broker answers, no engine runs, or records wait and the group stands."""
        latest = self._watch.latest
        if latest is None:
            return CheckResult(Status.UNREADY, "No broker answers (yet): everything waits in the topic.")
        if self._engine.pid is None:
            return CheckResult(Status.UNREADY, self._engine.last_words or "The engine does not run yet.")
        if not latest.members:
            return CheckResult(Status.UNREADY, "The group has no member (yet).")
        if self.still_seconds > STILL_SECONDS:
            said = f"Records wait ({latest.lag}), and the group has not moved for {self.still_seconds:.0f} s."
            return CheckResult(Status.UNREADY, said)
        return CheckResult(Status.OK)

    def _notice(self) -> None:
        latest = self._watch.latest
        if latest is None:
            return
        found = {str(each.partition): each.committed or 0 for each in latest.partitions}
        if latest.lag == 0 or found != self._seen:
            self._moved_at = time.monotonic()
        self._seen = found


class StreamTopics:
    """Made if they are missing; what differs is told once."""

    def __init__(self, admin: TopicAdmin, build: Build) -> None:
        self._admin = admin
        self._build = build

    async def ensure(self) -> None:
        """Try until it is done; what the broker refuses is left to the operator."""
        repeats = Repeats(every_seconds=60.0)
        while True:
            try:
                differences = await self._admin.ensure_topics(self._build.topic_specs())
            except KafkaConfigurationError as error:
                action = "grant Describe, DescribeConfigs and Create, or make the topics by hand"
                log.warning("topics_not_checked", error=str(error), action=action)
                return
            except KafkaError as error:
                if repeats.due(error.code):
                    action = "none if Kafka comes back; else check KAFKA_BOOTSTRAP_SERVERS"
                    log.warning("topics_not_checked", error=str(error), action=action)
                await asyncio.sleep(_EVERY_SECONDS)
                continue
            for difference in differences:
                log.warning("topic_differs", difference=difference.sentence, action=difference.action)
            return
