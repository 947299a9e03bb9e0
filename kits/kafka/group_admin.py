"""Kafka kit, administration: moves a consumer group while none of its members lives."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka import errors as client
from aiokafka.admin import AIOKafkaAdminClient

from kits.kafka.admin import admin_connection
from kits.kafka.client_values import in_client
from kits.kafka.diagnosis import explained
from kits.kafka.ending import end_client
from kits.kafka.internals import start_client
from kits.kafka.records import TopicPartition
from kits.kafka.security import KafkaSecurity, asking_options

_COORDINATOR_SECONDS = 0.2
_MEMBERS = 5
"""Where DescribeGroups has the members of a group, see aiokafka.protocol.admin."""


class GroupAdmin:
    """Counts and moves a group from outside, without joining it. A call ends within `within_seconds`, or so.

    Raises, from every call:
        KafkaUnavailableError: no broker answered in time.
        KafkaConfigurationError: a right is missing.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        security: KafkaSecurity,
        client_id: str,
        group: str,
        within_seconds: float = 15.0,
    ) -> None:
        self._options = asking_options(bootstrap_servers, security, client_id, within_seconds)
        self._group = group
        self._within_seconds = within_seconds

    async def members(self) -> int:
        """How many members live; one that was killed counts until its session has run out."""
        doing = f"looking at group {self._group}"
        async with admin_connection(self._options, doing, within_seconds=self._within_seconds) as admin:
            # The brokers choose the coordinator at the first use of a group, and anew after a restart.
            while (answers := await self._described(admin)) is None:  # noqa: ASYNC110 - nobody tells when
                await asyncio.sleep(_COORDINATOR_SECONDS)
            return sum(len(group[_MEMBERS]) for answer in answers for group in answer.groups)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Move the group. The broker refuses it while a member lives (KafkaUnavailableError)."""
        async with self._outsider(f"moving the offsets of group {self._group}") as consumer:
            inside = {in_client(at): offset for at, offset in offsets.items()}
            consumer.assign(list(inside))
            await consumer.commit(inside)

    async def _described(self, admin: AIOKafkaAdminClient) -> list[Any] | None:
        try:
            described: list[Any] = await admin.describe_consumer_groups([self._group])
        except client.GroupCoordinatorNotAvailableError:
            return None
        return described

    @asynccontextmanager
    async def _outsider(self, doing: str) -> AsyncIterator[AIOKafkaConsumer]:
        consumer = AIOKafkaConsumer(**self._options, group_id=self._group, enable_auto_commit=False)
        try:
            async with asyncio.timeout(self._within_seconds):
                await start_client(consumer)
                yield consumer
        except (client.KafkaError, OSError, TimeoutError) as error:
            raise await explained(error, doing, self._options) from error
        finally:
            await end_client(consumer, within_seconds=2.0)
