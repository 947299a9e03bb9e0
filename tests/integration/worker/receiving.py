"""An inbox without Kafka: a log in memory, and the parts of any number of workers on one database."""

import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from kits.kafka.places import Place
from kits.kafka.records import IncomingRecord, TopicPartition
from kits.observability.metrics import Metrics
from kits.ordered_queue.item import Claim, Kind, Result, Settlement
from kits.ordered_queue.lease import Lease
from kits.ordered_queue.sql_store import Enqueue
from kits.postgres.engine import create_engine
from kits.resilience.breaker import Breaker
from tests.unit.worker.events import TOPIC, Sample
from worker.inbox.group_state import GroupState
from worker.inbox.metrics import InboxMetrics
from worker.inbox.positions import Positions
from worker.inbox.queue_table import inbox_queue
from worker.inbox.receive import InboxReceiver
from worker.inbox.store import InboxStore

GROUP = "data-platform"
LEASE = Lease(10.0)
DONE = Result(Kind.DONE)
FAILED = Result(Kind.FAILED, "500", "it is broken")
REFUSED = Result(Kind.REFUSED, "422", "no such field")


class Log:
    """A topic: each partition's records from `start` on; made anew it has another id."""

    def __init__(self, partitions: int = 3) -> None:
        self.make_anew(partitions)

    def make_anew(self, partitions: int = 3) -> None:
        """An empty topic of the same name."""
        self.topic_id = uuid.uuid4()
        self.starts = dict.fromkeys(range(partitions), 0)
        self.records: dict[int, list[IncomingRecord]] = {number: [] for number in range(partitions)}

    def append(self, *samples: Sample, partition: int = 0) -> None:
        """Write events."""
        for sample in samples:
            offset = self.starts[partition] + len(self.records[partition])
            self.records[partition].append(sample.incoming(offset, partition=partition))

    def expire(self, partition: int, count: int) -> None:
        """Delete the oldest records."""
        self.starts[partition] += count
        del self.records[partition][:count]

    def place(self, partition: int, committed: int | None = None) -> Place:
        """What a broker says of it."""
        start = self.starts[partition]
        return Place(self.topic_id, start, start + len(self.records[partition]), committed)

    def read(self, partition: int, offset: int, count: int = 1000) -> list[IncomingRecord]:
        """The records from this offset on."""
        first = offset - self.starts[partition]
        return self.records[partition][first : first + count]


class Claims:
    """Takes claims instead of a queue."""

    def __init__(self) -> None:
        self.is_full = False
        self.accepting = True
        self.fills_up = False
        """Whether anything that is taken fills it."""
        self.taken: list[Claim] = []

    def accepts(self) -> bool:
        """Whether events may be born claimed."""
        return self.accepting

    def offer(self, claims: Iterable[Claim]) -> None:
        """Keep them."""
        self.taken += claims
        self.is_full |= self.fills_up


class Time:
    """The holder's clock, as the test sets it."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> float:
        """Seconds since some moment."""
        return self.seconds


class Worker:
    """The inbox of one worker process."""

    def __init__(self, engine: AsyncEngine, **rules: Any) -> None:
        self.clock = Time()
        token = str(uuid.uuid4())
        table = inbox_queue(GROUP, engine, **rules)
        self.breaker = Breaker(self.clock)
        self.state = GroupState(engine, GROUP, self.breaker, self.clock)
        self.store = InboxStore(engine, table, self.state, token=token, lease=LEASE, clock=self.clock)
        self.claims = Claims()
        self.metrics = InboxMetrics(Metrics())
        self.positions = Positions(engine, GROUP)
        self.receiver = InboxReceiver(
            engine=engine,
            group=GROUP,
            enqueue=Enqueue(table, token=token, lease=LEASE, clock=self.clock),
            queue=self.claims,
            positions=self.positions,
            metrics=self.metrics,
        )
        self.next: dict[int, int] = {}

    @property
    def repeats(self) -> int:
        """Records that were dropped as known."""
        return self.metrics.repeats.labels(GROUP).value

    async def begin(self, log: Log, *partitions: int, **committed: Any) -> dict[int, int]:
        """Be given these partitions (all without any); where each begins."""
        places = {TopicPartition(TOPIC, p): log.place(p, **committed) for p in partitions or log.records}
        started = await self.receiver.begin(places)
        self.next |= {at.partition: offset for at, offset in started.items()}
        return {at.partition: offset for at, offset in started.items()}

    async def read(self, log: Log, *partitions: int, count: int = 1000) -> dict[int, int | None]:
        """One poll of what is placed."""
        batches = {
            TopicPartition(TOPIC, number): batch
            for number, offset in self.next.items()
            if (not partitions or number in partitions) and (batch := log.read(number, offset, count))
        }
        answer = await self.receiver.handle(batches)
        for at, offset in answer.items():
            if offset is None:
                self.next.pop(at.partition, None)
            else:
                self.next[at.partition] = offset
        return {at.partition: offset for at, offset in answer.items()}

    async def look(self, limit: int = 100) -> list[Claim]:
        """Claim what may go."""
        return list((await self.store.claim(limit=limit, max_bytes=10**9)).claims)

    async def answer(self, *claims: Claim, result: Result, age: float = 0.0) -> None:
        """Write how these calls ended, that began `age` seconds ago."""
        ends = [Settlement(claim, result, began=self.clock.now() - age) for claim in claims]
        await self.store.settle(ends)


class Inbox:
    """A database with inboxes, seen from beside the product."""

    def __init__(self, url: str, engine: AsyncEngine) -> None:
        self.url = url
        self.engine = engine

    def worker(self, **rules: Any) -> Worker:
        """Another worker process."""
        return Worker(self.engine, **rules)

    async def ask(self, query: str, *values: Any) -> list[Any]:
        """Ask the database, or change it."""
        connection = await asyncpg.connect(self.url)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def rows(self, columns: str = "event_id, order_id, seq") -> list[tuple[Any, ...]]:
        """All events, by place."""
        asked = f'SELECT {columns} FROM delivery.inbox_event ORDER BY partition, "offset", event_id'  # noqa: S608
        return [tuple(row) for row in await self.ask(asked)]

    async def row(self, event_id: str) -> Any:
        """One event."""
        (row,) = await self.ask("SELECT * FROM delivery.inbox_event WHERE event_id = $1", event_id)
        return row

    async def change(self, assignments: str, where: str = "TRUE") -> None:
        """Change events."""
        await self.ask(f"UPDATE delivery.inbox_event SET {assignments} WHERE {where}")  # noqa: S608

    async def position(self, partition: int = 0) -> int:
        """Where the group goes on."""
        ((offset,),) = await self.ask(
            "SELECT next_offset FROM delivery.inbox_partition WHERE partition = $1", partition
        )
        return int(offset)


@asynccontextmanager
async def inbox_in(database_url: str) -> AsyncIterator[Inbox]:
    """The inboxes of a database that was migrated."""
    engine = create_engine(database_url, application_name="test-inbox", pool_size=5)
    try:
        yield Inbox(database_url, engine)
    finally:
        await engine.dispose()


def names(claims: Sequence[Claim]) -> list[tuple[str, int]]:
    """Key and number of each."""
    return [(claim.item.key, claim.item.number) for claim in claims]
