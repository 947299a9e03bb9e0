"""What happens to a batch that fails: sent again in order by the next session, refused alone, or given up."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiokafka import errors as client

from kits.kafka.errors import KafkaConfigurationError, RecordRefusedError, SendNotDoneError
from kits.kafka.partition_pump import PartitionPump
from kits.kafka.producer_session import ProducerSession, SessionEndedError
from kits.kafka.records import Deadline, OutgoingRecord, TopicPartition
from kits.kafka.send_book import SendBook
from kits.kafka.send_queue import Pending, SendQueue, record_size
from kits.kafka.session_keeper import SessionKeeper
from kits.kafka.topic_routes import TopicRoutes
from kits.resilience.retry import Backoff
from tests.waiting import eventually, patient

AT = TopicPartition("topic", 0)
Judge = Callable[[list[int]], Exception | None]


class ScriptedSession(ProducerSession):
    """A session whose broker is a function from the numbers of a batch to an error, or to none."""

    def __init__(self, judge: Judge, batches: list[list[int]]) -> None:
        super().__init__(None)
        self._judge, self._batches = judge, batches

    def partitions_of(self, topic: str) -> list[int]:
        return [0]

    def has_leader(self, at: TopicPartition) -> bool:
        return True

    async def deliver(self, at: TopicPartition, records: Sequence[OutgoingRecord]) -> int:
        numbers = [int(record.value or b"") for record in records]
        self._batches.append(numbers)
        await asyncio.sleep(0)
        if error := self._judge(numbers):
            raise error
        self.answered = True
        return len(self._batches) * 100

    async def discard(self) -> None:
        self.broken.set()


@dataclass
class Bench:
    """One partition's queue and pump, sessions from a script."""

    judge: Judge
    now: float = 0.0
    spacing_seconds: float = 0.02
    batches: list[list[int]] = field(default_factory=list)
    sessions: int = 0

    def __post_init__(self) -> None:
        self.book = SendBook(max_records=100, max_bytes=100_000, clock=lambda: self.now)
        self.queue = SendQueue()
        self.routes = TopicRoutes(lambda _at, _queue: None)
        self.keeper = SessionKeeper(self._open, replace_again=Backoff(base_seconds=0.0, cap_seconds=0.0))

    async def _open(self) -> ProducerSession:
        self.sessions += 1
        return ScriptedSession(self.judge, self.batches)

    def send(self, key: str, number: int, *, not_after: float = 1_000.0) -> Pending:
        record = OutgoingRecord("topic", key.encode(), str(number).encode())
        pending = self.book.open(record, Deadline(not_after), record_size(record))
        self.queue.append(pending)
        return pending

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        pump = PartitionPump(
            at=AT,
            queue=self.queue,
            keeper=self.keeper,
            book=self.book,
            routes=self.routes,
            limit=lambda _topic: 64_000,
            spacing_seconds=self.spacing_seconds,
            clock=lambda: self.now,
        )
        tasks = [asyncio.create_task(self.keeper.run()), asyncio.create_task(pump.run())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=patient(60))


def failing_once(error: Exception) -> Judge:
    """The first batch fails with `error`, every later one is taken."""
    errors = [error]
    return lambda _numbers: errors.pop() if errors else None


@pytest.mark.parametrize("error", [client.OutOfOrderSequenceNumber(), client.LeaderNotAvailableError()])
async def test_after_a_failure_everything_goes_again_in_order_through_a_new_session(error: Exception) -> None:
    bench = Bench(failing_once(error))
    sends = [bench.send(f"key-{n % 2}", n) for n in range(4)]
    async with bench.running():
        await asyncio.gather(*(each.future for each in sends))
    assert bench.batches == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert bench.sessions == 2


async def test_what_a_discarded_session_left_without_an_answer_goes_again_in_order() -> None:
    bench = Bench(failing_once(SessionEndedError("discarded")))
    sends = [bench.send("key", n) for n in range(2)]
    async with bench.running():
        await asyncio.gather(*(each.future for each in sends))
    assert bench.batches == [[0, 1], [0, 1]]


async def test_a_record_whose_deadline_passed_is_not_sent_again_by_the_new_session() -> None:
    bench = Bench(lambda _numbers: None)
    late, follower, other = (
        bench.send("late", 0, not_after=5.0),
        bench.send("late", 1),
        bench.send("other", 2),
    )

    def fail_and_let_time_pass(_numbers: list[int]) -> Exception | None:
        if bench.now:
            return None
        bench.now = 6.0
        error: Exception = client.OutOfOrderSequenceNumber()
        return error

    bench.judge = fail_and_let_time_pass
    async with bench.running():
        await eventually(lambda: not len(bench.book))
    assert bench.batches == [[0, 1, 2], [2]]
    assert isinstance(late.future.exception(), SendNotDoneError)
    assert isinstance(follower.future.exception(), SendNotDoneError)
    assert other.future.result().partition == 0


async def test_an_acknowledgement_after_the_deadline_is_an_acknowledgement() -> None:
    bench = Bench(lambda _numbers: None)

    def slowly(_numbers: list[int]) -> Exception | None:
        bench.now = 6.0
        return None

    bench.judge = slowly
    slow = bench.send("key", 0, not_after=5.0)
    async with bench.running():
        await eventually(slow.future.done)
    assert slow.future.result().offset == 100


async def test_a_refused_batch_goes_again_one_by_one_until_the_culprit_is_found() -> None:
    bench = Bench(lambda numbers: client.MessageSizeTooLargeError() if 1 in numbers else None)
    sends = [bench.send(key, n) for n, key in enumerate(("a", "bad", "b", "bad"))]
    async with bench.running():
        await eventually(lambda: not len(bench.book))
    assert bench.batches == [[0, 1, 2, 3], [0], [1], [2]]
    outcomes = [each.future.exception() for each in sends]
    assert [type(outcome) for outcome in outcomes] == [
        type(None),
        RecordRefusedError,
        type(None),
        SendNotDoneError,
    ]


async def test_a_reason_the_client_cannot_read_is_no_refusal_while_nothing_else_succeeds() -> None:
    bench = Bench(lambda _numbers: client.UnknownError() if len(bench.batches) < 8 else None)
    only = bench.send("key", 0)
    async with bench.running():
        await eventually(only.future.done)
    assert only.future.exception() is None
    assert len(bench.batches) == 8


async def test_a_missing_right_ends_all_that_waits_for_the_topic_and_refuses_no_record() -> None:
    bench = Bench(lambda _numbers: client.TopicAuthorizationFailedError("topic"))
    send = bench.send("key", 0)
    async with bench.running():
        await eventually(send.future.done)
    assert isinstance(send.future.exception(), KafkaConfigurationError)
    assert len(bench.batches) == 1


@pytest.mark.parametrize(("spacing_seconds", "sent"), [(0.0, [[1], [2]]), (1_000.0, [[1]])])
async def test_a_batch_keeps_its_distance_to_the_one_before(
    spacing_seconds: float, sent: list[list[int]]
) -> None:
    bench = Bench(lambda _numbers: None, spacing_seconds=spacing_seconds)
    async with bench.running():
        await bench.send("key", 1).future
        bench.send("key", 2)
        for _ in range(20):
            await asyncio.sleep(0)
    assert bench.batches == sent
