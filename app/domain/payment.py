"""Domain: money that somebody has taken for an order, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from app.domain.errors import PaymentAmountMismatchError, PaymentRefusedError, PaymentTooLateError
from app.domain.order import Order, OrderStatus

SELF = "self"
"""The provider of payments that customers make themselves, without anybody who takes money."""


class PaymentOutcome(StrEnum):
    """Whether the order was paid by it, or the money is to be given back."""

    ACCEPTED = "accepted"
    REFUSED = "refused"


class RefusalReason(StrEnum):
    """Why the money is to be given back."""

    TOO_LATE = "too_late"
    CANCELLED = "cancelled"
    PAID_ALREADY = "paid_already"


_REASONS = {
    OrderStatus.EXPIRED: RefusalReason.TOO_LATE,
    OrderStatus.CANCELLED: RefusalReason.CANCELLED,
    OrderStatus.PAID: RefusalReason.PAID_ALREADY,
    OrderStatus.FULFILLED: RefusalReason.PAID_ALREADY,
}


@dataclass(frozen=True, slots=True)
class Payment:
    """What a provider says it has taken, in minor units; `reference` is its own name for it, used once."""

    provider: str
    reference: str
    amount: int
    currency: str

    def require_total_of(self, order: Order) -> None:
        """Raises PaymentAmountMismatchError: it is not what the order costs."""
        if (self.amount, self.currency) != (order.total, order.currency):
            raise PaymentAmountMismatchError(
                total=order.total, currency=order.currency, amount=self.amount, sent_currency=self.currency
            )


def own_payment(order: Order) -> Payment:
    """What a customer pays who pays without a provider: the total, once per order."""
    return Payment(SELF, order.id, order.total, order.currency)


def refusal_reason(order: Order) -> RefusalReason:
    """Why an order that stands here takes no payment; it is not PENDING."""
    return _REASONS[order.status]


@dataclass(frozen=True, slots=True)
class RecordedPayment:
    """A payment as it was recorded: of which order, and where that stood right after it."""

    provider: str
    reference: str
    order_id: str
    amount: int
    currency: str
    outcome: PaymentOutcome
    status: OrderStatus
    version: int
    recorded_at: datetime

    @property
    def refusal(self) -> PaymentRefusedError | None:
        """What its provider is told of a refused one, however often it asks."""
        if self.outcome is PaymentOutcome.ACCEPTED:
            return None
        return (
            PaymentTooLateError() if self.status is OrderStatus.EXPIRED else PaymentRefusedError(self.status)
        )


def recorded(
    payment: Payment, outcome: PaymentOutcome, *, order: Order, recorded_at: datetime
) -> RecordedPayment:
    """The record of a payment; `order` is the order as it was right after it."""
    return RecordedPayment(
        provider=payment.provider,
        reference=payment.reference,
        order_id=order.id,
        amount=payment.amount,
        currency=payment.currency,
        outcome=outcome,
        status=order.status,
        version=order.version,
        recorded_at=recorded_at,
    )
