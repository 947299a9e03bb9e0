"""What a server or a client finds out about its topics and their other readers before it begins."""

from collections.abc import Collection, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from kits.kafka.admin import TopicDifference, TopicSpec
from kits.kafka.errors import KafkaConfigurationError, KafkaUnavailableError
from kits.kafka.group_survey import subscribed_by
from kits.rpc.topics import GroupRivals, RpcTopics, request_spec
from tests.virtual_time import run_virtually


class Admin:
    """A TopicAdmin that makes what is missing, and says how often it was asked."""

    def __init__(self) -> None:
        self.there: set[str] = set()

    async def ensure_topics(self, wanted: Sequence[TopicSpec]) -> list[TopicDifference]:
        self.there |= {each.name for each in wanted}
        return []


def test_a_topic_that_was_deleted_is_made_again() -> None:
    """A client or server that lost it looks again, and does not wait for its restart."""

    async def run() -> None:
        admin = Admin()
        topics = RpcTopics(cast("Any", admin), [request_spec("ask")])
        await topics.ensure()
        admin.there.clear()
        await topics.ensure()
        assert admin.there == {"ask"}

    run_virtually(run())


class Survey:
    """A GroupSurvey that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def readers_of(self, topics: Collection[str]) -> Mapping[str, set[str]]:
        raise self.error


@pytest.mark.parametrize("error", [KafkaConfigurationError("no right"), KafkaUnavailableError("no time")])
def test_groups_that_cannot_be_looked_at_keep_nobody_from_serving(error: Exception) -> None:
    async def run() -> None:
        handler = SimpleNamespace(topic="ask", is_event=False)
        await GroupRivals(cast("Any", Survey(error)), "own", cast("Any", [handler])).refuse()

    run_virtually(run())


@pytest.mark.parametrize("rubbish", [b"\xff", b"\0\0\0\0\0\xff", b"\0\0\0\0\0\1\0\2\xff\xff", b"x" * 50])
def test_what_a_strange_member_says_of_itself_hides_no_other(rubbish: bytes) -> None:
    """Any client may join a group of its own with any bytes."""
    good = ConsumerProtocolMemberMetadata(0, ["ask"], b"").encode()
    members = [("", "", "", each, b"") for each in (rubbish, b"", good)]
    assert list(subscribed_by((0, "strange", "Stable", "consumer", "range", members))) == ["ask"]
