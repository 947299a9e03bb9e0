"""The queue of a partition: its order, its batches, and whom a record that is given up takes along."""

from kits.kafka.records import OutgoingRecord
from kits.kafka.send_queue import BATCH_OVERHEAD_BYTES, SendQueue, record_size
from tests.unit.kafka.pending import numbers, pending

PLENTY = 1_000_000


async def test_batches_leave_in_the_order_of_arrival_and_stay_below_the_limit() -> None:
    queue = SendQueue()
    for number in range(5):
        queue.append(pending("key", number))
    two = BATCH_OVERHEAD_BYTES + 2 * pending("key", 0).size
    batches = [numbers(queue.take(now=0.0, max_bytes=two)) for _ in range(4)]
    assert batches == [[0, 1], [2, 3], [4], []]
    assert not queue.work.is_set()


async def test_a_record_larger_than_a_batch_goes_by_itself() -> None:
    queue = SendQueue()
    for number in range(2):
        queue.append(pending("key", number))
    assert numbers(queue.take(now=0.0, max_bytes=1)) == [0]


async def test_what_is_put_back_goes_before_everything_newer() -> None:
    queue = SendQueue()
    for number in range(2):
        queue.append(pending("key", number))
    batch = queue.take(now=0.0, max_bytes=PLENTY)
    queue.append(pending("key", 2))
    queue.put_back(batch)
    assert queue.work.is_set()
    assert numbers(queue.take(now=0.0, max_bytes=PLENTY)) == [0, 1, 2]


async def test_a_record_that_is_to_go_alone_has_a_batch_to_itself() -> None:
    queue = SendQueue()
    waiting = [pending("key", number) for number in range(4)]
    waiting[1].alone = True
    for each in waiting:
        queue.append(each)
    assert [numbers(queue.take(now=0.0, max_bytes=PLENTY)) for _ in range(3)] == [[0], [1], [2, 3]]


async def test_an_expired_record_is_never_taken_and_takes_the_later_ones_of_its_key_along() -> None:
    queue = SendQueue()
    for each in (
        pending("a", 0),
        pending("b", 1, not_after=5.0),
        pending("a", 2),
        pending("b", 3),
        pending(None, 4, not_after=5.0),
        pending(None, 5),
    ):
        queue.append(each)
    assert numbers(queue.take(now=5.0, max_bytes=PLENTY)) == [0]
    assert queue.take(now=5.0, max_bytes=PLENTY) == []
    assert numbers(queue.expire(5.0)) == [1, 3, 4]
    assert numbers(queue.take(now=5.0, max_bytes=PLENTY)) == [2, 5]


async def test_a_renewed_deadline_counts_when_the_record_is_taken() -> None:
    queue = SendQueue()
    renewed = pending("key", 0, not_after=1.0)
    queue.append(renewed)
    renewed.deadline.not_after = 10.0
    assert queue.expire(5.0) == []
    assert numbers(queue.take(now=5.0, max_bytes=PLENTY)) == [0]


async def test_dropping_a_key_leaves_other_keys_and_records_without_a_key() -> None:
    queue = SendQueue()
    for number, key in enumerate(("a", "b", None, "a")):
        queue.append(pending(key, number))
    assert numbers(queue.drop_keys([b"a", None])) == [0, 3]
    assert numbers(queue.drain()) == [1, 2]
    assert len(queue) == 0


def test_the_size_of_a_record_counts_key_value_and_headers() -> None:
    bare = record_size(OutgoingRecord("topic", None, None))
    assert (
        record_size(OutgoingRecord("topic", b"12", b"345", (("näm", b"6789"),))) == bare + 2 + 3 + 4 + 4 + 10
    )
