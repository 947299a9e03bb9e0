"""Kafka kit, sending: finds out the partitions of topics, and says when there is no such topic."""

import asyncio
from collections.abc import Callable

from kits.kafka.errors import KafkaConfigurationError, KafkaError
from kits.kafka.producer_session import ProducerSession
from kits.kafka.send_book import SendBook
from kits.kafka.session_keeper import SessionKeeper
from kits.kafka.topic_routes import TopicRoutes, no_such_partition
from kits.observability.logs import get_logger

log = get_logger(__name__)

_ASK_SECONDS = 5.0
_PAUSE_SECONDS = 0.2


class TopicFinder:
    """Looks up what the routes do not know. No broker is no answer; only a broker can say "unknown topic"."""

    def __init__(
        self,
        *,
        keeper: SessionKeeper,
        routes: TopicRoutes,
        book: SendBook,
        missing_grace_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._keeper = keeper
        self._routes = routes
        self._book = book
        self._grace_seconds = missing_grace_seconds
        self._clock = clock
        self._missing_since: dict[str, float] = {}
        self.wanted = asyncio.Event()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self.wanted.wait()
            await self._look(await self._keeper.session())
            if self._routes.unknown_topics:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                self.wanted.clear()

    async def _look(self, session: ProducerSession) -> None:
        topics = self._routes.unknown_topics
        answered = await session.refresh(topics, within_seconds=_ASK_SECONDS)
        for topic in topics:
            partitions = session.partitions_of(topic)
            if partitions:
                self._missing_since.pop(topic, None)
                self._book.fail(self._routes.settle(topic, partitions), no_such_partition)
            elif answered:
                self._not_found(topic, forbidden=session.forbids(topic))

    def _not_found(self, topic: str, *, forbidden: bool) -> None:
        # A topic made a moment ago may not have reached this broker yet.
        since = self._missing_since.setdefault(topic, self._clock())
        if not forbidden and self._clock() - since < self._grace_seconds:
            return
        del self._missing_since[topic]
        reason = "this user has no right to it" if forbidden else "it does not exist"
        action = "create the topic, or give this user the right to write and describe it"
        log.error("kafka_topic_not_usable", topic=topic, reason=reason, action=action)

        def error() -> KafkaError:
            return KafkaConfigurationError(f"topic {topic}: {reason}; {action}")

        self._book.fail(self._routes.forget(topic), error)
