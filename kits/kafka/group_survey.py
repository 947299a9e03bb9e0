"""Kafka kit, administration: which living groups read a topic."""

import struct
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata

from kits.kafka.admin import admin_connection
from kits.kafka.security import KafkaSecurity, asking_options

_CONSUMERS = "consumer"
# Where DescribeGroups has these, see aiokafka.protocol.admin.
_MEMBERS, _METADATA = 5, 3


class GroupSurvey:
    """Looks at all groups that this user may see. Each call ends within `within_seconds`.

    Raises:
        KafkaUnavailableError: no broker answered in time.
        KafkaConfigurationError: the right to look is missing.
    """

    def __init__(
        self, *, bootstrap_servers: str, security: KafkaSecurity, client_id: str, within_seconds: float = 10.0
    ) -> None:
        self._options = asking_options(bootstrap_servers, security, client_id, within_seconds)
        self._within_seconds = within_seconds

    async def readers_of(self, topics: Collection[str]) -> Mapping[str, set[str]]:
        """Per topic the groups that have a living member which subscribes to it."""
        doing = "looking who reads the request topics"
        async with admin_connection(self._options, doing, within_seconds=self._within_seconds) as admin:
            names = [group for group, kind in await admin.list_consumer_groups() if kind == _CONSUMERS]
            found: dict[str, set[str]] = defaultdict(set)
            for name in names:
                # One by one: the client reads an answer about several with the layout of another version.
                for answer in await admin.describe_consumer_groups([name]):
                    for topic in set(subscribed_by(answer.groups[0])) & set(topics):
                        found[topic].add(name)
            return found


def subscribed_by(group: Any) -> Iterator[str]:
    """The topics of its members, with repeats."""
    for member in group[_MEMBERS]:
        # Empty while the group is being shared out anew; what a stranger's client wrote need not be any.
        with suppress(ValueError, struct.error):
            if metadata := member[_METADATA]:
                yield from ConsumerProtocolMemberMetadata.decode(metadata).subscription or ()
