"""Kafka kit, receiving: notices that a topic was made anew, while records are being read."""

import asyncio
import time
from collections.abc import Mapping
from uuid import UUID

from aiokafka import errors as client

from kits.kafka.connections import Connections
from kits.kafka.topic_ids import topic_ids

_LOOK_SECONDS = 1.0
_STEP_SECONDS = 2.0


class TopicWatch:
    """Asks the brokers once a second, in the background: no record waits for the answer."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._known: dict[str, UUID] = {}
        self._looking: asyncio.Task[Mapping[str, UUID]] | None = None
        self._look_at = 0.0

    def know(self, ids: Mapping[str, UUID]) -> None:
        """Positions are those of the topics with these ids."""
        self._known |= ids

    def made_anew(self) -> Mapping[str, UUID]:
        """The topics that have another id since they were asked for last; nothing is waited for."""
        found: Mapping[str, UUID] = {}
        if self._looking is not None and self._looking.done():
            looked, self._looking = self._looking, None
            found = {topic: now for topic, now in looked.result().items() if now != self._known[topic]}
            self._known |= found
        if self._looking is None and time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + _LOOK_SECONDS
            self._looking = asyncio.create_task(self._ids_now(), name="kafka-topic-ids")
        return found

    def close(self) -> None:
        """Ask nothing any more."""
        if self._looking is not None:
            self._looking.cancel()

    async def _ids_now(self) -> Mapping[str, UUID]:
        try:
            async with asyncio.timeout(_STEP_SECONDS):
                return await topic_ids(self._connections, self._known)
        except (client.KafkaError, OSError, TimeoutError):
            return {}
