"""Kafka kit: a client's ways to its brokers, beside those on which its fetches wait."""

from typing import Any

from aiokafka import errors as client
from aiokafka.client import ConnectionGroup


class Connections:
    """Sends any request. A broker answers those of one connection one by one, and a fetch may take 500 ms.

    Raises, from every call: aiokafka.errors.KafkaError: no answer.
    """

    def __init__(self, owner: Any) -> None:
        """Args: owner: the client's consumer or admin client, which has to be started."""
        self._client = owner._client  # noqa: SLF001
        self.cluster = self._client.cluster

    async def send(self, node: int, request: Any) -> Any:
        """The answer of this broker."""
        return await self._client.send(node, request, group=ConnectionGroup.COORDINATION)

    async def send_to_any(self, request: Any) -> Any:
        """The answer of some broker."""
        return await self.send(self._client.get_random_node(), request)

    async def know(self, topics: set[str]) -> None:
        """Find out the partitions of these topics and their leaders, and of no others."""
        self._client.set_topics(topics)
        if not await self._client.force_metadata_update():
            raise client.NodeNotReadyError("no broker answers")

    def look_again(self) -> None:
        """Have partitions and leaders looked up anew, in the background."""
        self._client.force_metadata_update()
