"""Delivery: skip and discard. The platform is told of every number that will not come, then the ledger."""

from contracts.order_events import ORDER_EVENT_SKIPPED, encode, skip_notice_id, skipped_event
from kits.kafka.records import IncomingRecord
from worker.delivery.event import Event
from worker.delivery.failures import Outcome, code_of
from worker.delivery.ports import Clock
from worker.delivery.redrive import INTERRUPTED, LEASE_LOST, persistently
from worker.delivery.single_calls import SingleCalls
from worker.delivery.stuck import GivingUp, Lease, Note, StuckOrders


class GivesUp:
    """Carries decisions out: all notices first, then the ledger in one transaction.

    Interrupted in between, the order is as it was; the same command again repeats notices under their ids.
    """

    def __init__(
        self,
        *,
        stuck: StuckOrders,
        calls: SingleCalls,
        clock: Clock,
        group: str,
        tells_platform: bool,
    ) -> None:
        self._stuck = stuck
        self._calls = calls
        self._clock = clock
        self._group = group
        self._tells_platform = tells_platform

    async def carry_out(self, lease: Lease, decision: GivingUp, note: Note) -> str:
        """Returns "" when it is done, else a sentence that says why nothing was changed.

        Raises:
            PlatformAwayError, LedgerUnavailableError: nothing was changed.
        """
        for number, event_id in decision.numbers if self._tells_platform else ():
            if reason := await self._tell(lease, number, event_id, note.reason):
                return reason
        done = await persistently(lambda: self._stuck.give_up(lease, decision, note))
        return "" if done else LEASE_LOST

    async def _tell(self, lease: Lease, number: int, event_id: str | None, reason: str) -> str:
        notice = self._notice(lease.case.order_id or "", number, event_id, reason)
        while await self._calls.may_go():
            if not await self._stuck.renew(lease):
                return LEASE_LOST
            outcome, answer = await self._calls.send(notice)
            if outcome in {Outcome.DELIVERED, Outcome.DUPLICATE}:
                return ""
            if outcome is not Outcome.BACK_PRESSURE:
                return (
                    f"the data platform does not take {ORDER_EVENT_SKIPPED} for number {number}"
                    f" ({code_of(answer)}: {answer.reason}): nothing was changed; if it is not to be told,"
                    " set DATA_PLATFORM_SKIP_NOTICES=false"
                )
        return INTERRUPTED

    def _notice(self, order_id: str, number: int, event_id: str | None, reason: str) -> Event:
        notice_id = skip_notice_id(self._group, order_id, number)
        told = skipped_event(
            event_id=notice_id,
            order_id=order_id,
            seq=number,
            skipped_event_id=event_id,
            reason=reason,
            now=self._clock.now(),
        )
        nowhere = IncomingRecord("", -1, -1, 0, order_id.encode(), encode(told), ())
        return Event(notice_id, order_id, number, ORDER_EVENT_SKIPPED, "", nowhere, epoch=0)
