"""A process with the real queue on a simulated table and sink; it freezes and crashes."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from kits.observability.metrics import Metrics
from kits.ordered_queue.item import DONE, Claim, Item, Kind, Predecessor, Result, Settlement
from kits.ordered_queue.lane import Lanes
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.metrics import QueueMetrics
from kits.ordered_queue.ports import Looked, StoreUnavailableError
from kits.ordered_queue.queue import OrderedQueue
from kits.ordered_queue.retry import RetryPolicy
from kits.ordered_queue.write_back import WriteBack
from kits.resilience.breaker import Breaker, BreakerState
from kits.resilience.retry import Backoff
from tests.unit.ordered_queue.in_memory import InMemoryTable, Row
from tests.unit.ordered_queue.in_memory_store import LOOK, InMemoryStore
from tests.unit.ordered_queue.invariants import Invariants

T = TypeVar("T")
_COUNTS = QueueMetrics(Metrics()).of("simulated")
LEASE = Lease(5.0)


async def lasting(seconds: float) -> None:
    """Let time pass; nothing at all happens in no time."""
    if seconds:
        await asyncio.sleep(seconds)


class LoopClock:
    """The loop's virtual time."""

    def now(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass
class Around:
    """What all processes share."""

    rng: random.Random
    table: InMemoryTable
    invariants: Invariants
    database_is_up: bool = True
    loses_answers: float = 0.0
    sink_is_up: bool = True
    sink_answers: asyncio.Event = field(default_factory=asyncio.Event)
    poison: set[str] = field(default_factory=set)
    failures: dict[str, int] = field(default_factory=dict)
    """How often an item fails yet, by id."""
    poisons: float = 0.0
    """How often a new item is one that the sink refuses."""
    stalls: bool = False
    """A sink that is away gives no results at all."""
    generation: int = 0
    """Grows when the database fails over: open connections are lost."""

    def an_item(self, key: str, number: int) -> Item:
        """Its id names it; what is made anew after a fail-over is another one."""
        item = Item(f"{key}.{number}.{self.generation}", key, number, b"x" * (1 + number % 3))
        if self.rng.random() < self.poisons:
            self.poison.add(item.id)
        if self.rng.random() < 0.1:
            self.failures[item.id] = self.rng.randint(2, 4)
        return item


class ReachedStore(InMemoryStore):
    """The store as one process reaches it: slowly, by snapshot and commit, or not at all."""

    def __init__(self, process: "Process", around: Around, *, token: str) -> None:
        super().__init__(around.table, token=token, lease=LEASE, clock=LoopClock())
        self._process = process
        self._around = around
        self.renewed_at: dict[tuple[str, int], float] = {}
        self.outage_at = -LEASE.seconds
        self._asked_at = 0.0

    async def claim(self, *, limit: int, max_bytes: int) -> Looked:
        """Between the snapshot and the locks others go on."""
        asked_at = self.clock.now()
        self._process.may_claim(limit)
        await self._ask()
        looked, claimable = self.look()
        if not claimable:
            return Looked((), left=False, further=len(looked) == LOOK)
        await self._pause()
        takes_over = any(row.token not in {None, self.token} for row, _ in claimable)
        if takes_over and self.outage_at <= asked_at < self.outage_at + LEASE.grace_seconds:
            self._around.invariants.fail("items of others are taken over right after an outage")
        claims = self.take(claimable, limit, max_bytes, self.lease.until(asked_at))
        for claim in claims:
            self.renewed_at[claim.item.id, claim.nth] = asked_at
            self._has_its_head(claim, [row for row, _ in claimable])
        await self._answer()
        return Looked(claims, left=len(claimable) > len(claims), further=len(looked) == LOOK)

    async def renew(self, claims: Sequence[Claim]) -> set[tuple[str, int]]:
        """See Store."""
        self._asked_at = self.clock.now()
        return await self._one(lambda: InMemoryStore.renew(self, claims))

    async def settle(self, settlements: Sequence[Settlement]) -> int:
        """See Store."""
        return await self._one(lambda: InMemoryStore.settle(self, settlements))

    async def enqueue(
        self, items: Sequence[Item], firsts: set[str], *, claimed: bool, commit: Callable[[], bool]
    ) -> list[Claim]:
        """A transaction with an enqueueing statement; `commit` may refuse it."""
        before = self.outage_at
        try:
            return await self._transaction(items, firsts, claimed=claimed, commit=commit)
        except StoreUnavailableError:
            # The queue itself did not see it.
            self.outage_at = before
            raise

    async def _transaction(
        self, items: Sequence[Item], firsts: set[str], *, claimed: bool, commit: Callable[[], bool]
    ) -> list[Claim]:
        asked_at = self.clock.now()
        if claimed and not self._process.breaker.is_closed:
            self._around.invariants.fail("items are born claimed while the sink is away")
        await self._ask()
        known: dict[str, Predecessor] = {}
        if claimed:
            known = self.table.runs([(item, item.id in firsts) for item in items], self.token)
        await self._pause()
        if not self._around.database_is_up:
            raise self._unavailable("lost in the transaction")
        if not commit():
            return []
        claims = []
        for item in sorted(items, key=lambda item: (item.key, item.number)):
            why = known.get(item.id)
            arrival = self.table.insert(
                item, is_first=item.id in firsts, why=why, token=self.token, lease=self.lease
            )
            if arrival == "new" and why is not None:
                claims.append(Claim(item, 1, why, self.lease.until(asked_at)))
                self.renewed_at[item.id, 1] = asked_at
        await self._answer()
        return claims

    def renews(self, row: Row, claim: Claim) -> None:
        """A lease is prolonged."""
        self.writes(row, claim)
        self.renewed_at[claim.item.id, claim.nth] = self._asked_at

    def writes(self, row: Row, claim: Claim) -> None:
        """A row is changed by the holder of a claim, and of no other claim than the newest."""
        if row.token != self.token or row.claim != claim.nth:
            self._around.invariants.fail(f"{claim.item.id} is written under a claim that is lost")

    def has_done(self, row: Row) -> None:
        """It is never sent again, unless an operator asks for it."""
        self._around.invariants.settled.add(row.item.id)

    def grants(self, row: Row) -> None:
        """A row is given to this process."""
        if row.dead_at is not None:
            self._around.invariants.fail(f"{row.item.id} is dead, and claimed")

    def _has_its_head(self, claim: Claim, might_go: Sequence[Row]) -> None:
        before = self.table.at(claim.item.key, claim.item.number - 1)
        is_cut_off = before in might_go and before is not None and before.token is None and before.waits
        if claim.predecessor is Predecessor.OWN and is_cut_off:
            self._around.invariants.fail(f"{claim.item.id} is claimed without what must go before it")

    async def _one(self, statement: Callable[[], Awaitable[T]]) -> T:
        await self._ask()
        result = await statement()
        await self._answer()
        return result

    async def _ask(self) -> None:
        await self._travel()
        if not self._around.database_is_up:
            raise self._unavailable("no server")

    async def _pause(self) -> None:
        generation = self._around.generation
        await lasting(self._around.rng.choice([0.0, 0.0, 0.01, 0.3]))
        if generation != self._around.generation:
            raise self._unavailable("the connection broke")

    async def _answer(self) -> None:
        lost = self._around.rng.random() < self._around.loses_answers
        await self._travel()
        if lost or not self._around.database_is_up:
            raise self._unavailable("the connection broke")

    def _unavailable(self, reason: str) -> StoreUnavailableError:
        self.outage_at = self.clock.now()
        return StoreUnavailableError(reason)

    async def _travel(self) -> None:
        running = self._process.running
        if not running.is_set():
            await running.wait()
        await lasting(self._around.rng.choice([0.0, 0.002, 0.1]))
        if not running.is_set():
            await running.wait()


class SimulatedSink:
    """Takes items slowly; it refuses the poisoned, and may be away, in two ways."""

    def __init__(self, process: "Process", around: Around) -> None:
        self._process = process
        self._around = around
        self._sends: dict[asyncio.Task[None], float] = {}

    @property
    def oldest_seconds(self) -> float:
        """See Sink."""
        if not self._around.stalls or not self._sends:
            return 0.0
        return asyncio.get_running_loop().time() - min(self._sends.values())

    def send(self, claim: Claim) -> asyncio.Future[Result]:
        """See Sink."""
        loop = asyncio.get_running_loop()
        self._process.may_send(claim, on_their_way=len(self._sends))
        future: asyncio.Future[Result] = loop.create_future()
        task = loop.create_task(self._carry(claim, future))
        self._sends[task] = loop.time()
        task.add_done_callback(self._sends.pop)
        return future

    def vanish(self) -> None:
        """Its process is gone; what is on its way may still arrive."""
        for task in list(self._sends):
            if self._around.rng.random() < 0.5:
                task.cancel()

    async def _carry(self, claim: Claim, future: "asyncio.Future[Result]") -> None:
        around, process = self._around, self._process
        await process.running.wait()
        now = asyncio.get_running_loop().time()
        if claim.passed(now) or not process.is_alive:
            if process.is_alive:
                future.cancel()
            return
        asked_at = process.store.renewed_at[claim.item.id, claim.nth]
        around.invariants.leaves(
            process.number, claim, now=now, lease_seconds=LEASE.seconds, asked_at=asked_at
        )
        await lasting(around.rng.choice([0.0, 0.002, 0.02, 0.2]))
        if around.stalls:
            await around.sink_answers.wait()
        result = self._judge(claim)
        await lasting(around.rng.choice([0.0, 0.002, 0.02]))
        await process.running.wait()
        around.invariants.has_ended(process.number, claim)
        self._end(claim, future, result)

    def _judge(self, claim: Claim) -> Result:
        around = self._around
        dice = around.rng.random()
        if not around.sink_is_up:
            return Result(Kind.UNAVAILABLE if dice < 0.7 else Kind.FAILED, "away")
        if claim.item.id in around.poison:
            return Result(Kind.REFUSED, "poison")
        if around.failures.get(claim.item.id, 0):
            around.failures[claim.item.id] -= 1
            return Result(Kind.FAILED, "its own fault")
        if dice < 0.04:
            return Result(Kind.FAILED, "trouble")
        around.invariants.arrives(claim, asyncio.get_running_loop().time())
        return Result(Kind.FAILED, "answer lost") if dice > 0.94 else DONE

    def _end(self, claim: Claim, future: "asyncio.Future[Result]", result: Result) -> None:
        if self._process.is_alive and not future.done():
            future.set_result(result)


class Process:
    """The queue wired as a container does it."""

    _numbers = 0

    def __init__(self, around: Around, *, max_items: int) -> None:
        Process._numbers += 1
        self.number = Process._numbers
        self.around = around
        self.running = asyncio.Event()
        self.running.set()
        self.is_alive = True
        self._probed_under = -1
        self._max_items = max_items
        clock = self._clock = LoopClock()
        self.store = ReachedStore(self, around, token=f"p{self.number}")
        self.sink = SimulatedSink(self, around)
        self.breaker = Breaker(clock, failures=4, wait=Backoff(0.1, 1.0))
        self.lanes = Lanes(max_items=max_items, max_bytes=200)
        write_back = WriteBack(self.store, LEASE, clock, _COUNTS)
        self.queue = OrderedQueue(
            lanes=self.lanes,
            sink=self.sink,
            store=self.store,
            write_back=write_back,
            breaker=self.breaker,
            retry=RetryPolicy(Backoff(1.0, 3.0), stalled_seconds=1.0),
            clock=clock,
            counts=_COUNTS,
        )
        self._own: dict[asyncio.Task[None], None] = {}
        self.queue.start()

    def may_claim(self, limit: int) -> None:
        """A look begins: while the sink is away for a probe alone, and never for more than fits."""
        if limit > 1 and not self.breaker.is_closed:
            self.around.invariants.fail("more than a probe is claimed while the sink is away")

    def may_send(self, claim: Claim, *, on_their_way: int) -> None:
        """An item goes to the sink: while that is away one probe at a time, when its wait is over."""
        is_probe = self.breaker.state is BreakerState.HALF_OPEN
        if is_probe and self._clock.now() < self.breaker._not_before:
            self.around.invariants.fail("a probe before its time")
        if is_probe and self._probed_under == self.breaker.change:
            self.around.invariants.fail("a second probe")
        self._probed_under = self.breaker.change
        if self.lanes.items > self._max_items:
            self.around.invariants.fail("more is in memory than may be")
        if claim.item.id in self.queue.write_back._done and not self._is_replayed(claim):
            self.around.invariants.fail(f"{claim.item.id} is sent again, and is known as done")

    def _is_replayed(self, claim: Claim) -> bool:
        row = self.around.table.rows.get(claim.item.id)
        return row is not None and row.replayed

    def begin(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something here, unless the process dies meanwhile."""

        async def run() -> None:
            await work()

        task = asyncio.create_task(run())
        self._own[task] = None
        task.add_done_callback(self._own.pop)

    async def offer(self, claims: Sequence[Claim]) -> None:
        """What happens after a commit."""
        await self.running.wait()
        if self.is_alive:
            self.queue.offer(claims)

    async def freeze(self, seconds: float) -> None:
        """Nothing happens here for a while; what is with the sink or the database goes on there."""
        self.running.clear()
        await asyncio.sleep(seconds)
        self.running.set()

    async def crash(self) -> None:
        """Vanish at whatever await it is."""
        self.is_alive = False
        for task in list(self._own):
            task.cancel()
        self.sink.vanish()
        await self.queue._tasks.stop()

    async def stop(self) -> None:
        """End as a process does after a signal."""
        await self.queue.stop(within_seconds=3.0)
        self.is_alive = False
        for task in list(self._own):
            task.cancel()
