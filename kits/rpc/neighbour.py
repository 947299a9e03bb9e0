"""Request-reply, neighbour: a service as its callers see it: a deadline, a breaker, a name in errors."""

from logging import DEBUG
from typing import TypeVar

from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.resilience.breaker import Breaker
from kits.resilience.breaker_gauge import BreakerGauge
from kits.resilience.clock import Clock
from kits.rpc.client import RpcClient
from kits.rpc.deadlines import seconds_left
from kits.rpc.errors import RpcError, RpcOverloadedError, RpcTimeoutError, RpcUnavailableError
from kits.rpc.patterns import Pattern

log = get_logger(__name__)
Q = TypeVar("Q")
R = TypeVar("R")
_FAILURES = 5
_AWAY = "storage_unavailable"


class NeighbourAwayError(RpcError):
    """503: the service of this name, in `path`, did not answer, or was not asked since it does not at all."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(503, "service_unavailable", f"{name} {reason}; try again in a moment.", path=name)


class Neighbour:
    """Asks one service; a health check too: degraded while it is away, since others go on.

    After five calls in a row without an answer it is not asked any more, and callers are told at once; one
    call at a time finds out when it is back (kits.resilience.breaker). A refusal is an answer.
    """

    def __init__(
        self, name: str, rpc: RpcClient, clock: Clock, gauge: BreakerGauge, *, timeout_seconds: float
    ) -> None:
        self.name = name
        self._rpc = rpc
        self._breaker = Breaker(clock, failures=_FAILURES, keys=1)
        self._gauge = gauge
        self._timeout_seconds = timeout_seconds
        gauge.show(name, self._breaker.state)

    async def ask(
        self, pattern: Pattern[Q, R], request: Q, *, key: str | None = None, timeout: float | None = None
    ) -> R:
        """Its reply, within `timeout` seconds if that is less than usual, for what can be done without.

        A call that its own caller left less than half of that says nothing of the service if it fails.

        Raises:
            NeighbourAwayError: no reply in time, and whether it was carried out is not known, unless its text
                says that it was not asked. RpcError: as the service refuses; RpcOverloadedError.
        """
        if not self._breaker.admits():
            raise NeighbourAwayError(self.name, "does not answer and was not asked")
        wanted = self._timeout_seconds if timeout is None else min(timeout, self._timeout_seconds)
        is_fair = seconds_left() >= wanted / 2
        begun_under = self._breaker.begin_call()
        is_judged = False
        try:
            reply = await self._rpc.send(pattern, request, key=key, timeout=wanted)
        except (RpcTimeoutError, RpcUnavailableError) as error:
            is_judged = is_fair
            if is_fair:
                self._note_failure(begun_under, error)
            raise NeighbourAwayError(self.name, "did not answer in time") from error
        except RpcOverloadedError:
            # Nothing was sent.
            raise
        except RpcError as error:
            is_judged = True
            self._note_refusal(begun_under, error)
            raise
        else:
            is_judged = True
            self._breaker.succeeded(begun_under)
            if log.is_enabled_for(DEBUG):
                log.debug("neighbour_answered", name=self.name, topic=pattern.topic)
            return reply
        finally:
            if not is_judged:
                self._breaker.no_result(begun_under)
            self._gauge.show(self.name, self._breaker.state)

    async def check(self) -> CheckResult:
        """From memory."""
        if self._breaker.is_closed:
            return CheckResult(Status.OK)
        return CheckResult(Status.DEGRADED, f"{self.name} does not answer; the others are asked as before.")

    def _note_failure(self, begun_under: int, error: RpcError) -> None:
        if self._breaker.failed(begun_under):
            action = f"see whether {self.name} runs, and its /readyz; it is asked again by itself"
            log.warning("neighbour_away", name=self.name, reason=error.detail, action=action)

    def _note_refusal(self, begun_under: int, error: RpcError) -> None:
        if error.code == _AWAY:
            self._note_failure(begun_under, error)
        else:
            self._breaker.succeeded(begun_under)
