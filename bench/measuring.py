"""Measures in rounds: every workload once per round, so that a disturbance meets all of them."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median

from bench.conservation import Conservation
from bench.load import Load
from bench.results import Run
from bench.shop import Shop
from bench.workloads import RANDOM, Workload

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How often and how long."""

    workloads: Sequence[Workload]
    rounds: int = 3
    seconds: float = 8.0
    warm_up_seconds: float = 3.0
    half_load: bool = True


@dataclass(slots=True)
class Measured:
    """The runs by `process/workload`, the open loop's apart, and what went wrong."""

    runs: dict[str, list[Run]] = field(default_factory=lambda: defaultdict(list))
    half_load: list[Run] = field(default_factory=list)
    half_load_per_second: list[float] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


class Measuring:
    """One bench: which process gets which workload, in which order."""

    def __init__(
        self, load: Load, conservation: Conservation, *, grouped: Sequence[Shop], alone: Shop, say: Say
    ) -> None:
        self._load = load
        self._conservation = conservation
        self._grouped = grouped
        self._alone = alone
        self._say = say
        self._measured = Measured()

    async def warm_up(self, plan: Plan) -> None:
        """Fill caches and pools; nothing of it counts as a measurement."""
        for shop in (*self._grouped, self._alone):
            self._say(f"warm-up of {shop.name}")
            await self._load.closed(shop, RANDOM, plan.warm_up_seconds)
            await self._settle()

    async def run(self, plan: Plan) -> Measured:
        """All rounds."""
        for number in range(1, plan.rounds + 1):
            for workload in plan.workloads:
                for shop in self._grouped if workload.group_commit else [self._alone]:
                    await self._closed(shop, workload, plan, number)
            if plan.half_load:
                await self._paced(plan, number)
        return self._measured

    async def _closed(self, shop: Shop, workload: Workload, plan: Plan, number: int) -> None:
        before = (await shop.counts()).cpu_seconds
        run = await self._load.closed(shop, workload, plan.seconds)
        run.topic_complete_seconds = await self._settle() if workload.orders else 0.0
        run.cpu_us = ((await shop.counts()).cpu_seconds - before) / max(1, run.answers) * 1e6
        self._measured.runs[f"{shop.name}/{workload.key}"].append(run)
        self._check(run, f"{workload.title} on {shop.name}")
        self._tell(f"round {number}/{plan.rounds}  {shop.name}  {workload.title}", run)

    async def _paced(self, plan: Plan, number: int) -> None:
        shop = self._grouped[0]
        speed = median(run.per_second for run in self._measured.runs[f"{shop.name}/{RANDOM.key}"]) / 2
        before = await self._conservation.accepted()
        run = await self._load.paced(shop, speed, plan.seconds)
        run.topic_complete_seconds = await self._settle()
        # Nothing was hung up on here, so the client's own count must be the server's.
        accepted = await self._conservation.accepted() - before
        if accepted != run.answers:
            self._measured.complaints.append(
                f"Open loop: {run.answers} answers were read, {accepted} were given."
            )
        self._measured.half_load.append(run)
        self._measured.half_load_per_second.append(speed)
        self._check(run, f"open loop on {shop.name}")
        self._tell(f"round {number}/{plan.rounds}  {shop.name}  open loop at half of (a)", run)

    async def _settle(self) -> float:
        seconds = await self._conservation.topic_complete_seconds()
        if seconds is None:
            self._measured.complaints.append("The topic was not complete within 60 s.")
            return 60.0
        return seconds

    def _check(self, run: Run, what: str) -> None:
        if run.refused or run.broken:
            self._measured.complaints.append(
                f"{what}: {run.refused} answers were no 202, {run.broken} requests broke."
            )

    def _tell(self, what: str, run: Run) -> None:
        self._say(
            f"{what}: {run.per_second:,.0f}/s, p50 {run.p50_ms:.1f} ms, p99 {run.p99_ms:.1f} ms,"
            f" topic complete after {run.topic_complete_seconds:.2f} s"
        )
