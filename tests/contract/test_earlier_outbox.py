"""A build with the ordered queue and the build before it, beside each other on one database."""

import asyncio
import random
from collections import defaultdict

import asyncpg
from sqlalchemy import text

from app.outbox.recorder import SqlOutbox
from contracts.envelope import EventMessage
from kits.kafka.records import Acknowledgement, Deadline, OutgoingRecord
from kits.postgres.driver import driver_transaction
from kits.postgres.engine import create_engine
from kits.postgres.migrations import History
from tests.builders import a_message
from tests.contract.earlier_outbox import EarlierOutbox, Sent
from tests.earlier_history import EarlierHistory
from tests.fakes import FakeProducer
from tests.integration.app.outbox_pipeline import Pipeline
from tests.waiting import eventually

ORDERS, STEPS = 40, 6
LEASE_SECONDS = 30.0
UNPUBLISHED = "SELECT count(*) FROM outbox_event WHERE published_at IS NULL"
# Recorded by the earlier build and claimed by this one, and the other way round: it counts no claims, but its
# relay counts attempts.
WHOSE = """
SELECT count(*) FILTER (WHERE payload_size = 16384 AND claim > 0),
       count(*) FILTER (WHERE payload_size <> 16384 AND attempts > 0) FROM outbox_event"""
# What its lease does to the claims of a process that is dead.
TIME_PASSES = "UPDATE outbox_event SET lease_until = now() WHERE lease_until IS NOT NULL"


class SharedKafka(FakeProducer):
    """One log for both builds; answers come a moment later."""

    def __init__(self, kafka: Sent, schedule: random.Random) -> None:
        super().__init__(answers=False)
        self._kafka = kafka
        self._random = schedule

    def send(self, record: OutgoingRecord, *, not_after: float | Deadline) -> asyncio.Future[Acknowledgement]:
        answer = super().send(record, not_after=not_after)
        seq = int(dict(record.headers)["order_seq"])
        self._kafka.append(((record.key or b"").decode(), seq))
        loop, place = asyncio.get_running_loop(), Acknowledgement("order-events", 0, len(self.sent))
        loop.call_later(self._random.uniform(0.0, 0.02), answer.set_result, place)
        return answer


class Newer:
    """One process of this build."""

    def __init__(self, url: str, kafka: Sent, schedule: random.Random) -> None:
        self.engine = create_engine(url, application_name="test-newer")
        self.producer = SharedKafka(kafka, schedule)
        self.pipeline = Pipeline(self.engine, lease_seconds=LEASE_SECONDS, producer=self.producer)
        self.pipeline.queue.start()

    async def record(self, message: EventMessage) -> None:
        """One transaction of the shop, and what follows its commit."""
        async with driver_transaction(self.engine) as connection:
            outbox = SqlOutbox(connection, self.pipeline.enqueue)
            await outbox.add([message], claimed=self.pipeline.queue.accepts())
        self.pipeline.queue.offer(outbox.claimed())

    async def kill(self) -> None:
        """At any moment; nothing is written any more."""
        await self.pipeline.queue._tasks.stop()
        self.pipeline.lanes.give_back_waiting()
        await self.engine.dispose()


async def test_both_builds_publish_what_either_has_recorded_in_order(database_url: str) -> None:
    """Each step of an order may be taken by either; one process of each is killed in the middle."""
    kafka: Sent = []
    schedule = random.Random(11)  # noqa: S311 - a schedule, no secret
    processes: list[Newer | EarlierOutbox] = []

    async def start(seed: int) -> None:
        earlier = EarlierOutbox(database_url, kafka, seed=seed, lease_seconds=LEASE_SECONDS)
        await earlier.start()
        processes[:] = [Newer(database_url, kafka, schedule), earlier]

    async def live(order: str) -> None:
        for seq in range(1, STEPS + 1):
            await schedule_of(schedule)
            await schedule.choice(processes).record(a_message(order, seq))

    await start(1)
    await asyncio.gather(*(live(f"early-{number}") for number in range(ORDERS)))
    killed = list(processes)
    for number, each in enumerate(killed):
        await each.record(a_message(f"cut-{number}", 1))
        await each.kill()
    await start(2)
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval(UNPUBLISHED) > 0
        await connection.execute(TIME_PASSES)
        await asyncio.gather(*(live(f"late-{number}") for number in range(ORDERS)))

        async def all_is_published() -> bool:
            return bool(await connection.fetchval(UNPUBLISHED) == 0)

        await eventually(all_is_published)
        assert min(await connection.fetchrow(WHOSE)) > 0
    finally:
        for each in processes:
            await each.kill()
        await connection.close()
    orders = [f"{kind}-{number}" for kind in ("early", "late") for number in range(ORDERS)]
    expected = {order: list(range(1, STEPS + 1)) for order in orders}
    assert first_arrivals(kafka) == {**expected, "cut-0": [1], "cut-1": [1]}


async def test_what_waited_before_the_migration_is_published_after_it(empty_database_url: str) -> None:
    """Oldest first, those of an order in their order; what was dead is dead, what was published stays so."""
    engine = create_engine(empty_database_url, application_name="test-migration")
    await EarlierHistory("app", upto="2026_11_27_1100").migrate(engine)
    kafka: Sent = []
    earlier = EarlierOutbox(empty_database_url, kafka, seed=3, lease_seconds=LEASE_SECONDS)
    await earlier.start()
    await earlier.record(a_message("done", 1))
    async with engine.connect() as connection:

        async def is_published() -> bool:
            await connection.rollback()
            return bool((await connection.execute(text(UNPUBLISHED))).scalar_one() == 0)

        await eventually(is_published)
    await earlier.kill()
    await earlier.start()
    for seq in (1, 2, 3):
        await earlier.record(a_message("waits", seq))
    await earlier.record(a_message("dead", 1))
    await earlier.kill()
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE outbox_event SET published_at = NULL WHERE aggregate_id <> 'done'")
        )
        await connection.execute(text("UPDATE outbox_event SET lease_token = NULL, lease_until = NULL"))
        await connection.execute(text("UPDATE outbox_event SET dead_at = now() WHERE aggregate_id = 'dead'"))
    await History("app").migrate(engine)
    pipeline = Pipeline(engine)
    await pipeline.relay_all()
    assert pipeline.seqs() == [1, 2, 3]
    backlog = await pipeline.store.backlog()
    assert (backlog.waiting, backlog.dead) == (0, 1)
    await engine.dispose()


async def schedule_of(schedule: random.Random) -> None:
    """A moment between two steps of an order."""
    await asyncio.sleep(schedule.uniform(0.0, 0.05))


def first_arrivals(kafka: Sent) -> dict[str, list[int]]:
    """The numbers of each order, as they came for the first time."""
    arrived: dict[str, list[int]] = defaultdict(list)
    for order, seq in kafka:
        if seq not in arrived[order]:
            arrived[order].append(seq)
    return dict(arrived)
