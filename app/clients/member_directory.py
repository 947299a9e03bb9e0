"""Member API, adapter: what it said is kept for a while, and nobody asks it the same at a time."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from app.clients.member_api import MAX_CALLS, MemberApi, MemberApiError
from app.clients.member_metrics import MemberMetrics, TryOutcome
from app.domain.seller import Seller, SellerSource
from app.settings import MemberApiSettings
from kits.observability.health import CheckResult, Status
from kits.observability.logs import get_logger
from kits.observability.metrics import Metrics
from kits.resilience.breaker import Breaker
from kits.resilience.breaker_gauge import BreakerGauge
from kits.resilience.clock import Clock
from kits.resilience.retry import Backoff

log = get_logger(__name__)

FRESH_SECONDS = 60.0
MAX_KEPT = 10_000
_STOP_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class _Kept:
    """An answer; no name: there is no such member."""

    name: str | None
    as_of: datetime
    fresh_until: float


class MemberDirectory:
    """app.application.ports.Members: sellers by the Member API, or by what it said before.

    An answer counts for a minute, "no such member" too; an older name still serves while no newer one is to
    be had. The 10,000 that were used last are kept. There is one call per member at a time, which all who
    ask wait for, and 32 calls in all: who would need another one gets what is kept. The breaker's probe is a
    call that nobody waits for.
    """

    name = "member_api"

    def __init__(self, api: MemberApi, clock: Clock, metrics: MemberMetrics) -> None:
        self._api = api
        self._clock = clock
        self._metrics = metrics
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._calls: dict[str, asyncio.Task[_Kept | None]] = {}

    async def start(self) -> None:
        """Be ready to call."""
        await self._api.start()

    async def stop(self) -> None:
        """End the calls that are under way."""
        calls = list(self._calls.values())
        for call in calls:
            call.cancel()
        if calls:
            await asyncio.wait(calls, timeout=_STOP_SECONDS)
        await self._api.stop()

    async def check(self) -> CheckResult:
        """Degraded while the service is not called: products are shown all the same."""
        if self._api.answers:
            return CheckResult(Status.OK)
        return CheckResult(
            Status.DEGRADED, "The Member API is away; sellers are shown by what is known of them."
        )

    async def seller(self, member_id: str) -> Seller | None:
        """The member under the name that is to be had within a second; None: none. Never raises."""
        kept = self._kept.get(member_id)
        if kept is not None:
            self._kept.move_to_end(member_id)
            if self._clock.now() < kept.fresh_until:
                return _seller(member_id, kept, SellerSource.CACHE)
        answered = await self._answer(member_id)
        if answered is None:
            return _seller(member_id, kept, SellerSource.CACHE)
        return _seller(member_id, answered, SellerSource.MEMBER_API)

    async def _answer(self, member_id: str) -> _Kept | None:
        is_probe = not self._api.answers
        call = self._calls.get(member_id) or self._begin(member_id)
        if call is None or is_probe:
            return None
        # Who goes away leaves the call to the others, and its answer to those who come.
        return await asyncio.shield(call)

    def _begin(self, member_id: str) -> asyncio.Task[_Kept | None] | None:
        if not self._api.may_call:
            return None
        if len(self._calls) >= MAX_CALLS:
            self._metrics.called(TryOutcome.CROWDED)
            return None
        call = self._calls[member_id] = asyncio.create_task(self._call(member_id))
        return call

    async def _call(self, member_id: str) -> _Kept | None:
        try:
            name = await self._api.name(member_id)
        except MemberApiError:
            return None
        except Exception:
            log.exception("member_call_failed", action="report a bug with this trace")
            return None
        finally:
            del self._calls[member_id]
        answered = _Kept(name, datetime.now(UTC), self._clock.now() + FRESH_SECONDS)
        self._kept[member_id] = answered
        self._kept.move_to_end(member_id)
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return answered


def member_directory(
    settings: MemberApiSettings, clock: Clock, metrics: Metrics, breakers: BreakerGauge
) -> MemberDirectory:
    """With its client, whose breaker opens after five tries in a row that failed, or ten of twenty."""
    counts = MemberMetrics(metrics, breakers)
    breaker = Breaker(clock, failures=5, keys=1, window=20, wait=Backoff(1.0, 5.0))
    api = MemberApi(url=settings.url, token=settings.token, breaker=breaker, metrics=counts)
    return MemberDirectory(api, clock, counts)


def _seller(member_id: str, known: _Kept | None, source: SellerSource) -> Seller | None:
    if known is None or known.name is None:
        return None
    return Seller(member_id, known.name, source, known.as_of)
