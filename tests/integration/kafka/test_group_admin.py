"""A group is looked at and moved from outside, and only while none of its members lives."""

import pytest

from kits.kafka.errors import KafkaConfigurationError, KafkaError, KafkaUnavailableError
from kits.kafka.group_admin import GroupAdmin
from kits.kafka.records import TopicPartition
from tests.integration.kafka.clients import PLAIN, Diary, consuming, new_group, producing, record, soon
from tests.waiting import eventually, patient


def group_admin(servers: str, group: str) -> GroupAdmin:
    return GroupAdmin(
        bootstrap_servers=servers,
        security=PLAIN,
        client_id="test-admin",
        group=group,
        within_seconds=patient(10),
    )


async def test_a_group_is_moved_while_no_member_lives_and_refused_while_one_does(
    kafka_servers: str, topic: str
) -> None:
    """The broker itself refuses it: who joins in the last moment cannot be overtaken."""
    group = new_group()
    admin = group_admin(kafka_servers, group)
    async with producing(kafka_servers) as producer:
        sent = [await producer.send(record(topic, "k", number), not_after=soon()) for number in range(3)]
    at = TopicPartition(topic, sent[0].partition)
    assert await admin.members() == 0
    assert {(each.committed, each.lag) for each in await admin.positions(topic)} == {(None, None)}
    await admin.commit({at: 2})
    (found,) = [each for each in await admin.positions(topic) if each.partition == at]
    assert (found.committed, found.log_start, found.log_end, found.lag) == (2, 0, 3, 1)
    diary = Diary()
    async with consuming(kafka_servers, topic, group, diary) as member:

        async def is_assigned() -> bool:
            await member.poll(timeout_ms=50, max_records=1)
            return bool(diary.events)

        await eventually(is_assigned)
        assert await admin.members() == 1
        with pytest.raises(KafkaError):
            await admin.commit({at: 0})
    (found,) = [each for each in await admin.positions(topic) if each.partition == at]
    assert found.committed == 2


async def test_a_topic_that_is_not_there_and_a_broker_that_does_not_answer_are_told(
    kafka_servers: str,
) -> None:
    with pytest.raises(KafkaConfigurationError):
        await group_admin(kafka_servers, "nobody").positions("no-such-topic")
    with pytest.raises(KafkaUnavailableError):
        await group_admin("127.0.0.1:1", "nobody").members()
