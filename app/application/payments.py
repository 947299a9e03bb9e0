"""Use cases: what a payment does to its order, inside the transaction that holds the order's row."""

from dataclasses import replace
from datetime import datetime

from app.application.order_moves import Step, move_orders
from app.application.ports import UnitOfWork
from app.domain.errors import PaymentReferenceUsedError, PaymentTooLateError
from app.domain.events import OrderPaidEvent, OrderPaymentRefusedEvent
from app.domain.order import Order, OrderStatus
from app.domain.payment import Payment, PaymentOutcome, RecordedPayment, recorded, refusal_reason


async def known_payment(payment: Payment, order: Order, uow: UnitOfWork) -> Step | None:
    """What a payment did to its locked order when it came first; None: it comes first now.

    Raises:
        PaymentReferenceUsedError: its provider has used the reference for another order.
        PaymentAmountMismatchError: it is not what the order costs.
    """
    known = await uow.payments.find(payment.provider, payment.reference)
    if known is not None and known.order_id != order.id:
        raise PaymentReferenceUsedError(payment.reference)
    payment.require_total_of(order)
    if known is None:
        return None
    return Step(order.as_it_was(known.status, known.version), refusal=known.refusal, replayed=True)


async def receive_payment(
    payment: Payment, order: Order, uow: UnitOfWork, *, now: datetime, traceparent: str
) -> Step:
    """Let a locked order be paid, or refuse the payment; either is recorded, and has an event.

    If the order's time is over, it expires first: two numbers in one transaction.

    Raises:
        PaymentReferenceUsedError: another transaction has used the reference meanwhile, for another order.
    """
    if order.status is not OrderStatus.PENDING:
        return await _refuse(payment, order, uow, now=now, traceparent=traceparent)
    try:
        paid = order.moved_to(OrderStatus.PAID, now=now)
    except PaymentTooLateError:
        expired = await move_orders([order], OrderStatus.EXPIRED, uow=uow, now=now, traceparent=traceparent)
        refused = await _refuse(payment, expired[0], uow, now=now, traceparent=traceparent)
        return replace(refused, moved=expired)
    await uow.orders.update([paid])
    await _record(recorded(payment, PaymentOutcome.ACCEPTED, order=paid, recorded_at=now), uow)
    uow.publish(OrderPaidEvent(paid, now, payment), traceparent=traceparent)
    return Step(paid, moved=[paid])


async def _refuse(
    payment: Payment, order: Order, uow: UnitOfWork, *, now: datetime, traceparent: str
) -> Step:
    refused, reason = order.with_payment_refused(), refusal_reason(order)
    record = recorded(payment, PaymentOutcome.REFUSED, order=refused, recorded_at=now)
    await uow.orders.update([refused])
    await _record(record, uow)
    uow.publish(OrderPaymentRefusedEvent(refused, now, payment, reason), traceparent=traceparent)
    return Step(refused, refusal=record.refusal)


async def _record(payment: RecordedPayment, uow: UnitOfWork) -> None:
    if not await uow.payments.add(payment):
        raise PaymentReferenceUsedError(payment.reference)
