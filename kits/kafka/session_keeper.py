"""Kafka kit, sending: keeps one producer session alive, and replaces it when it is spoiled."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from kits.kafka.errors import KafkaError
from kits.kafka.producer_session import ProducerSession
from kits.observability.logs import get_logger
from kits.resilience.retry import Backoff

log = get_logger(__name__)

_CONNECT_AGAIN = Backoff(base_seconds=0.2, cap_seconds=2.0)
_REPLACE_AGAIN = Backoff(base_seconds=0.2, cap_seconds=5.0)
_SAY_AGAIN_SECONDS = 30.0


class SessionKeeper:
    """At most one session at a time: the old one is certainly at its end before a new one begins."""

    def __init__(
        self,
        open_session: Callable[[], Awaitable[ProducerSession]],
        *,
        connect_again: Backoff = _CONNECT_AGAIN,
        replace_again: Backoff = _REPLACE_AGAIN,
    ) -> None:
        self._open_session = open_session
        self._connect_again = connect_again
        self._replace_again = replace_again
        self._available = asyncio.Event()
        self._failures = 0
        self._said_at = float("-inf")
        self.current: ProducerSession | None = None

    async def session(self) -> ProducerSession:
        """The session to use now; waits until there is one that is not spoiled."""
        while self.current is None or self.current.broken.is_set():
            self._available.clear()
            await self._available.wait()
        return self.current

    async def run(self) -> None:
        """Open, watch, discard, again; until cancelled. Pauses grow to 5 s while nothing is achieved."""
        while True:
            session = await self._connect()
            self.current = session
            self._available.set()
            try:
                await session.broken.wait()
            finally:
                self.current = None
                await session.discard()
            self._failures = 0 if session.answered else self._failures + 1
            if self._failures:
                await asyncio.sleep(self._replace_again.wait_seconds(self._failures))

    async def _connect(self) -> ProducerSession:
        attempt = 0
        while True:
            try:
                session = await self._open_session()
            except KafkaError as error:
                self._say(error)
                await asyncio.sleep(self._connect_again.wait_seconds(attempt))
                attempt += 1
            else:
                self._said_at = float("-inf")
                log.info("kafka_producer_connected", attempts=attempt + 1)
                return session

    def _say(self, error: KafkaError) -> None:
        if time.monotonic() - self._said_at < _SAY_AGAIN_SECONDS:
            return
        self._said_at = time.monotonic()
        log.warning(
            "kafka_producer_not_connected",
            code=error.code,
            error=str(error),
            action="check the broker and the KAFKA_* settings; it is tried again until it works",
        )
