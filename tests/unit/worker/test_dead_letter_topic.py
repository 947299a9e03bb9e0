"""Copies to the dead-letter topic: acknowledged, in order, and never an obstacle for ever."""

import asyncio
from collections.abc import Callable

import pytest

from kits.kafka.errors import KafkaError, RecordRefusedError, RecordTooLargeError, SendNotDoneError
from kits.kafka.records import Acknowledgement, OutgoingRecord
from tests.unit.worker.events import Sample
from tests.unit.worker.fakes import an_event
from worker.dead_letter_topic import KafkaDeadLetterTopic
from worker.delivery.event import failure
from worker.delivery.ports import DeadLettersUnavailableError
from worker.delivery.verdicts import Status, Verdict

Answers = Callable[[OutgoingRecord, int], KafkaError | None]


class AnsweringProducer:
    """Ends every send as `answers` says; a record that is too large is not taken at all."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.sent: list[OutgoingRecord] = []

    def send(self, record: OutgoingRecord, *, not_after: float) -> asyncio.Future[Acknowledgement]:
        error = self.answers(record, len(self.sent))
        if isinstance(error, RecordTooLargeError):
            raise error
        self.sent.append(record)
        future: asyncio.Future[Acknowledgement] = asyncio.get_running_loop().create_future()
        if error is None:
            future.set_result(Acknowledgement(record.topic, 0, 0))
        else:
            future.set_exception(error)
        return future


def three_dead() -> list[Verdict]:
    reason = failure("rejected", "http_422", "no")
    return [Verdict(an_event(Sample(f"o-{n}", 1)), Status.DEAD, reason) for n in range(3)]


async def copied(answers: Answers) -> list[str]:
    """The keys that were sent, in their order."""
    producer = AnsweringProducer(answers)
    topic = KafkaDeadLetterTopic(producer, topic="dlq", group="g")  # type: ignore[arg-type]
    await topic.copy(three_dead())
    return [(record.key or b"").decode() for record in producer.sent]


async def test_copies_go_in_order_and_are_awaited() -> None:
    """One send each when all is well."""
    assert await copied(lambda _, __: None) == ["o-0", "o-1", "o-2"]


@pytest.mark.parametrize("error", [RecordTooLargeError("2 MiB"), RecordRefusedError("no")])
async def test_a_copy_that_can_never_be_taken_is_left_out(error: KafkaError) -> None:
    """The event is safe in the ledger, and the others are copied."""
    sent = await copied(lambda record, _: error if record.key == b"o-1" else None)
    assert [key for key in sent if key != "o-1"] == ["o-0", "o-2"]


async def test_what_a_refused_copy_has_held_up_is_sent_again_without_it() -> None:
    """The producer gives up what waits behind a refused record of the same key."""

    def answers(record: OutgoingRecord, sent_before: int) -> KafkaError | None:
        if record.key == b"o-0":
            return RecordRefusedError("no")
        return SendNotDoneError("behind it") if sent_before < 3 else None

    assert await copied(answers) == ["o-0", "o-1", "o-2", "o-1", "o-2"]


async def test_an_outage_is_told_and_everything_is_to_be_repeated() -> None:
    """Nothing counts as copied before it was acknowledged."""
    with pytest.raises(DeadLettersUnavailableError):
        await copied(lambda _, __: SendNotDoneError("no broker"))
