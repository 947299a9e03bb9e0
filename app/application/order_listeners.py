"""Use cases: what follows from an order's events, inside its transaction and after its commit."""

from collections.abc import Sequence
from logging import DEBUG

from app.application.errors import EventTooLargeError
from app.application.order_contracts import OrderContracts
from app.application.ports import EventPublisher, UnitOfWork
from app.application.transactional_events import Phase, RaisedEvent, transactional_event_listener
from kits.observability.logs import get_logger

log = get_logger(__name__)


class DataPlatformEventListener:
    """Gets every order event on its way to the data platform."""

    def __init__(self, contracts: OrderContracts, publisher: EventPublisher, *, max_event_bytes: int) -> None:
        self._contracts = contracts
        self._publisher = publisher
        self._max_event_bytes = max_event_bytes

    @transactional_event_listener(phase=Phase.BEFORE_COMMIT)
    async def record_in_outbox(self, events: Sequence[RaisedEvent], uow: UnitOfWork) -> None:
        """Store each event in its final bytes, in the order's own transaction: both commit, or neither.

        Raises:
            EventTooLargeError: an event is larger than the topic takes.
        """
        messages = [self._contracts.message(raised.event, raised.traceparent) for raised in events]
        for message in messages:
            if len(message.payload) > self._max_event_bytes:
                raise EventTooLargeError(f"An event of {len(message.payload)} bytes does not fit the topic.")
        await uow.outbox.add(messages, claimed=self._publisher.accepts())
        if log.is_enabled_for(DEBUG):
            for message in messages:
                log.debug(
                    "event_recorded",
                    order_id=message.aggregate_id,
                    event_id=message.event_id,
                    seq=message.seq,
                )

    @transactional_event_listener(phase=Phase.AFTER_COMMIT)
    async def publish_order_events(self, _events: Sequence[RaisedEvent], uow: UnitOfWork) -> None:
        """Hand the claimed events to the publisher; the request does not wait for Kafka."""
        self._publisher.offer(uow.outbox.claimed())
