"""Routing: the Java client's partitions, and a lobby that keeps the order of what comes too early."""

import pytest

from kits.kafka.errors import KafkaConfigurationError
from kits.kafka.records import TopicPartition
from kits.kafka.send_queue import SendQueue
from kits.kafka.topic_routes import TopicRoutes, partition_for
from tests.unit.kafka.pending import numbers, pending


def routes() -> tuple[TopicRoutes, dict[TopicPartition, SendQueue]]:
    queues: dict[TopicPartition, SendQueue] = {}
    return TopicRoutes(queues.__setitem__), queues


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [(b"21", -973932308), (b"foobar", -790332482), (b"a-little-bit-long-string", -985981536)],
)
def test_a_key_goes_to_the_partition_that_the_java_client_would_choose(key: bytes, murmur2: int) -> None:
    """The hashes are those of Kafka's own UtilsTest."""
    assert partition_for(key, range(1_000)) == (murmur2 & 0x7FFFFFFF) % 1_000


async def test_records_without_a_key_fill_one_batch_and_then_go_elsewhere() -> None:
    """A partition is kept until what waits for it was taken; in the long run all get their share."""
    found, queues = routes()
    found.settle("topic", [4, 5, 6])
    for number in range(60):
        found.add(pending(None, number))
        if number % 2:
            (filled,) = [queue for queue in queues.values() if len(queue)]
            assert numbers(filled.drain()) == [number - 1, number]
    assert {at.partition for at in queues} == {4, 5, 6}


async def test_what_came_before_the_partitions_were_known_goes_before_what_comes_after() -> None:
    found, queues = routes()
    for number in range(3):
        found.add(pending("key", number))
    assert found.unknown_topics == {"topic"}
    found.settle("topic", [2, 0, 1])
    found.add(pending("key", 3))
    ((at, queue),) = queues.items()
    assert at.partition == partition_for(b"key", [0, 1, 2])
    assert numbers(queue.drain()) == [0, 1, 2, 3]
    assert found.unknown_topics == set()


async def test_a_topic_that_vanishes_keeps_its_records_in_order_until_it_is_back() -> None:
    found, queues = routes()
    found.settle("topic", [0])
    found.add(pending("key", 0))
    found.unsettle("topic")
    found.add(pending("key", 1))
    assert not queues[TopicPartition("topic", 0)].work.is_set()
    found.settle("topic", [0])
    assert numbers(queues[TopicPartition("topic", 0)].drain()) == [0, 1]


async def test_a_topic_that_cannot_be_used_gives_back_all_that_waits_for_it_and_nothing_else() -> None:
    found, queues = routes()
    found.settle("topic", [0])
    found.add(pending("key", 0))
    found.add(pending("key", 1, topic="lost"))
    assert numbers(found.forget("lost")) == [1]
    assert found.forget("lost") == []
    assert numbers(found.clear("topic")) == [0]
    assert found.topics == {"topic"}
    assert sum(len(queue) for queue in queues.values()) == 0


async def test_a_topic_that_is_expected_is_one_to_be_found_out() -> None:
    found, _ = routes()
    found.expect("topic")
    assert found.unknown_topics == {"topic"}
    found.settle("topic", [0])
    found.expect("topic")
    assert found.unknown_topics == set()


async def test_a_record_that_names_its_partition_goes_there_and_one_that_is_not_there_is_handed_back() -> (
    None
):
    found, queues = routes()
    named = [pending("key", number, partition=number) for number in (2, 5, 0)]
    for each in named:
        found.add(each)
    assert found.settle("topic", [0, 1, 2]) == [named[1]]
    assert {at.partition: numbers(queue.drain()) for at, queue in queues.items()} == {2: [2], 0: [0]}
    found.check(named[0].record)
    with pytest.raises(KafkaConfigurationError, match="no such partition"):
        found.check(named[1].record)
