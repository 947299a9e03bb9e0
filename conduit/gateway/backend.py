"""Backend: a service as the doors see it: all of a request ends by one deadline, in RealWorld's words."""

import time
from logging import DEBUG
from typing import TypeVar

from conduit.gateway.errors import refused
from kits.observability.logs import get_logger
from kits.rpc.deadlines import current_deadline
from kits.rpc.errors import RpcError
from kits.rpc.neighbour import Neighbour
from kits.rpc.patterns import Pattern

log = get_logger(__name__)
Q = TypeVar("Q")
R = TypeVar("R")


def forget_deadline() -> None:
    """Another request begins; the server may run it in the context of the one before."""
    current_deadline.set(None)


def begin_deadline(seconds: float) -> None:
    """From now on all that is asked for this request has to end within these seconds, together."""
    if current_deadline.get() is None:
        current_deadline.set(time.time() + seconds)


class Backend:
    """Asks one service. The first question of a request begins the deadline of them all."""

    def __init__(self, neighbour: Neighbour, timeout_seconds: float) -> None:
        self.name = neighbour.name
        self._neighbour = neighbour
        self._timeout_seconds = timeout_seconds

    async def ask(
        self, pattern: Pattern[Q, R], request: Q, *, key: str | None = None, within: float | None = None
    ) -> R:
        """The service's reply.

        Args:
            key: requests of one key reach the service in their order.
            within: seconds, for what can be done without.

        Raises:
            RefusedError: in the service's words.
            ServiceAwayError: it did not answer, is not asked now, or cannot work.
        """
        begin_deadline(self._timeout_seconds)
        try:
            return await self._neighbour.ask(pattern, request, key=key, timeout=within)
        except RpcError as error:
            told = refused(self.name, error)
            if log.is_enabled_for(DEBUG):
                log.debug("service_refused", service=self.name, pattern=pattern.topic, status=told.status)
            raise told from error
