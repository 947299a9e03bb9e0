"""Table, followers: one for every build that has not been removed, as long as the process serves."""

import asyncio

from kits.kafka.log_reader import LogReader
from kits.kafka.security import KafkaSettings
from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.process.background import Supervisor
from services.sales.builds import CLIENT_ID, Build
from services.sales.metrics import TableMetrics
from services.sales.table.build_registry import IN_FORCE, REMOVED, BuildRegistry
from services.sales.table.follower import Follower
from services.sales.table.storage_errors import StorageError
from services.sales.table.store import SalesStore

log = get_logger(__name__)

_LOOK_SECONDS = 1.0


class Followers:
    """kits.process.lifecycle.Part, and a health check: the sales are served while the topic is away."""

    name = "sales_table"

    def __init__(
        self,
        registry: BuildRegistry,
        store: SalesStore,
        metrics: TableMetrics,
        kafka: KafkaSettings,
        source: str,
    ) -> None:
        """Args: source: the topic of the shop's events, after which the builds' topics are called."""
        self._registry = registry
        self._store = store
        self._metrics = metrics
        self._kafka = kafka
        self._source = source
        self._looking = Supervisor()
        self._following: dict[str, tuple[Follower, asyncio.Task[None]]] = {}
        self._in_force = ""

    async def start(self) -> None:
        """Begin to follow what there is."""
        self._looking.start("sales-builds", self._look_again_and_again)

    async def stop(self) -> None:
        """End all of them."""
        await self._looking.stop()
        await self._end(list(self._following))

    async def check(self) -> CheckResult:
        """Degraded while the build in force is not followed: what is shown gets old."""
        found = self._following.get(self._in_force)
        if found is None:
            return CheckResult(Status.DEGRADED, "It is not known (yet) which build is in force.")
        if trouble := found[0].trouble:
            return CheckResult(Status.DEGRADED, f"The table gets old: {trouble}")
        return CheckResult(Status.OK)

    async def _look_again_and_again(self) -> None:
        while True:
            try:
                await self._look()
            except StorageError as error:
                log.debug("builds_not_read", code=error.code, reason=str(error))
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        states = await self._registry.states()
        self._in_force = next((name for name, state in states.items() if state == IN_FORCE), "")
        wanted = {name for name, state in states.items() if state != REMOVED}
        for name in wanted - self._following.keys():
            follower = follower_of(Build(name, self._source), self._kafka, self._store, self._metrics)
            self._following[name] = follower, asyncio.create_task(follower.run(), name=f"follower-{name}")
        # One that failed by a bug of ours begins anew at the next look.
        ended = [name for name, (_, task) in self._following.items() if task.done()]
        await self._end([*(self._following.keys() - wanted), *ended])

    async def _end(self, names: list[str]) -> None:
        for name in names:
            if (found := self._following.pop(name, None)) is None:
                continue
            _, task = found
            task.cancel()
            await asyncio.wait({task}, timeout=5.0)
            if task.done() and not task.cancelled() and (error := task.exception()):
                log.error(
                    "follower_failed", build=name, error=repr(error), action="report a bug", exc_info=error
                )
            self._metrics.forget(name)


def follower_of(build: Build, kafka: KafkaSettings, store: SalesStore, metrics: TableMetrics) -> Follower:
    """One follower with a connection of its own."""
    reader = LogReader(bootstrap_servers=kafka.bootstrap_servers, security=kafka, client_id=CLIENT_ID)
    return Follower(build, reader, store, metrics)
