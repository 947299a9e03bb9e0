"""A group is counted and moved from outside, and only while none of its members lives."""

import pytest

from kits.kafka.errors import KafkaError, KafkaUnavailableError
from kits.kafka.group_admin import GroupAdmin
from tests.integration.kafka.clients import PLAIN, new_group
from tests.integration.kafka.reading import assigned, reading
from tests.waiting import patient


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
    assert await admin.members() == 0
    async with reading(kafka_servers, topic, group) as reader:
        await assigned(reader)
        partitions = reader.unplaced
        assert await admin.members() == 1
        with pytest.raises(KafkaError):
            await admin.commit(dict.fromkeys(partitions, 1))
        assert {each.committed for each in (await reader.places(partitions)).values()} == {None}
    await admin.commit(dict.fromkeys(partitions, 2))
    async with reading(kafka_servers, topic, group) as reader:
        await assigned(reader)
        assert {each.committed for each in (await reader.places(partitions)).values()} == {2}


async def test_a_broker_that_does_not_answer_is_told() -> None:
    with pytest.raises(KafkaUnavailableError):
        await group_admin("127.0.0.1:1", "nobody").members()
