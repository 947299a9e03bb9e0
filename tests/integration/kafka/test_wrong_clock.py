"""A producer on a machine whose wall clock is wrong: the records are as good as any others."""

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka.producer.message_accumulator import BatchBuilder

from contracts.topics import TOPIC_CONFIG
from kits.kafka.admin import TopicSpec
from kits.kafka.errors import KafkaConfigurationError
from tests.integration.kafka.clients import producing, record, soon, topic_admin, whole_log

TWO_HOURS_MS = 2 * 3600 * 1000


@pytest.fixture
def two_hours_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the hour by which a broker lets a record be ahead of its own clock."""
    append = BatchBuilder.append

    def append_from_the_future(builder: BatchBuilder, *, timestamp: int | None, **record: Any) -> Any:
        assert timestamp is None, "the client takes the time of its machine"
        return append(builder, timestamp=int(time.time() * 1000) + TWO_HOURS_MS, **record)

    monkeypatch.setattr(BatchBuilder, "append", append_from_the_future)


@pytest.fixture
async def our_topic(kafka_servers: str, topic: str) -> AsyncIterator[str]:
    """A topic as the processes create theirs."""
    name = f"{topic}-ours"
    admin = topic_admin(kafka_servers)
    await admin.ensure_topics([TopicSpec(name, 1, config=dict(TOPIC_CONFIG))])
    yield name
    await admin.delete_topics([name])


@pytest.mark.usefixtures("two_hours_fast")
async def test_on_a_topic_with_the_writers_time_it_is_a_matter_of_configuration(
    kafka_servers: str, topic: str
) -> None:
    """Never the record's fault: it goes again, from a process with a better clock or from this one."""
    async with producing(kafka_servers) as producer:
        with pytest.raises(KafkaConfigurationError, match="InvalidTimestamp"):
            await producer.send(record(topic, "key", 1), not_after=soon())


@pytest.mark.usefixtures("two_hours_fast")
async def test_our_own_topics_keep_the_brokers_time_so_it_does_not_matter(
    kafka_servers: str, our_topic: str
) -> None:
    """The broker stamps each record when it comes."""
    async with producing(kafka_servers) as producer:
        await producer.send(record(our_topic, "key", 1), not_after=soon())
    assert await whole_log(kafka_servers, our_topic) == [("key", 1)]
