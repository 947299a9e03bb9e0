"""The two doors for events, single and batch, with the fault switches in front of them."""

import asyncio
import hmac
import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from devservices.data_platform.arrivals import Arrivals
from devservices.data_platform.events import OfferedEvent, read_batch, read_single
from devservices.data_platform.faults import Faults
from devservices.data_platform.journal import Journal
from devservices.data_platform.problems import Refusal

HANG_SECONDS = 120.0


class Intake:
    """Takes events. A known key is answered 409 (or `known_key_status`), and `duplicate` in a batch.

    The order of an answer: token, faults of the whole call, reading, taking, faults after the taking.
    """

    def __init__(
        self,
        arrivals: Arrivals,
        faults: Faults,
        journal: Journal,
        *,
        token: str | None,
        known_key_status: int,
    ) -> None:
        self._arrivals = arrivals
        self._faults = faults
        self._journal = journal
        self._token = token
        self._known_key_status = known_key_status

    async def single(self, request: web.Request) -> web.StreamResponse:
        """`POST /order-events`."""
        body = await request.read()
        await self._before(request)
        event = read_single(request.headers, body)
        self._fail_for([event])
        if self._rejects(event):
            raise Refusal(422, "rejected as the fault switches say")
        self._arrivals.require_room(1)
        first = self._take(event)
        await self._after(request)
        if first and not self._faults.plan.duplicate_answers:
            return web.json_response({"status": "accepted"}, status=202)
        return web.json_response({"status": "duplicate"}, status=self._known_key_status)

    async def batch(self, request: web.Request) -> web.StreamResponse:
        """`POST /order-events/batch`."""
        body = await request.read()
        await self._before(request)
        if self._faults.plan.batch_unsupported:
            raise Refusal(404, "batches are not offered here")
        events = read_batch(body)
        self._fail_for(events)
        self._arrivals.require_room(len(events))
        if self._faults.plan.apply_then_fail == "half":
            # A platform without a transaction around the batch died in the midst of it.
            events = events[: (len(events) + 1) // 2]
        results = [self._judge_in_batch(event) for event in events]
        await self._after(request)
        if self._faults.plan.duplicate_answers:
            results = [result for result in results for _ in range(2)]
        return web.json_response({"results": results})

    def _fail_for(self, events: Sequence[OfferedEvent]) -> None:
        """Some orders make every call fail that carries an event of theirs."""
        plan = self._faults.plan
        if any(event.order_id in plan.fail_order_ids for event in events):
            self._arrivals.refuse(f"status {plan.fail_orders_status}")
            raise Refusal(plan.fail_orders_status, "this order fails, as the fault switches say")

    def _judge_in_batch(self, event: OfferedEvent) -> dict[str, Any]:
        if self._rejects(event):
            reason = "rejected as the fault switches say"
            return {"eventId": event.event_id, "status": "rejected", "reason": reason}
        if self._faults.wants_batch_retry():
            return {"eventId": event.event_id, "status": "retry", "reason": "as the fault switches say"}
        accepted = self._take(event) and not self._faults.plan.duplicate_answers
        return {"eventId": event.event_id, "status": "accepted" if accepted else "duplicate"}

    def _rejects(self, event: OfferedEvent) -> bool:
        """A known key is never refused: the event is here already."""
        if self._arrivals.knows(event.event_id):
            return False
        if not self._faults.rejects(event.event_id, event.order_id):
            return False
        self._arrivals.reject(event.event_id)
        return True

    def _take(self, event: OfferedEvent) -> bool:
        arrival = self._arrivals.take(event)
        self._journal.append(arrival)
        return arrival.first

    async def _before(self, request: web.Request) -> None:
        self._check_token(request)
        now = time.monotonic()
        self._faults.expire(now)
        plan = self._faults.plan
        if plan.latency_ms:
            await asyncio.sleep(plan.latency_ms / 1000)
        if plan.timeout and not plan.apply_then_fail:
            await _hang(request)
        if outage := self._faults.outage(time.monotonic()):
            self._arrivals.refuse("outage")
            raise Refusal(
                outage.status, "an outage, as the fault switches say", retry_after=outage.retry_after
            )
        if plan.status:
            self._arrivals.refuse(f"status {plan.status}")
            raise Refusal(plan.status, "this status, as the fault switches say")

    async def _after(self, request: web.Request) -> None:
        plan = self._faults.plan
        if not plan.apply_then_fail:
            return
        if plan.timeout:
            await _hang(request)
        if plan.apply_then_fail == "close":
            _close(request)
        raise Refusal(500, "taken, and failed afterwards as the fault switches say")

    def _check_token(self, request: web.Request) -> None:
        if self._token is None:
            return
        given = request.headers.get("Authorization", "")
        if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
            raise Refusal(401, "a bearer token is needed, and this is not it")


async def _hang(request: web.Request) -> None:
    """Never answer: hold the connection for a bounded time, then close it."""
    await asyncio.sleep(HANG_SECONDS)
    _close(request)


def _close(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise Refusal(503, "the connection was closed as the fault switches say")
