"""What is left after a run, for the checker: rows, events and what clients were told."""

from dataclasses import dataclass, field

from contracts.order_events import ORDER_EVENT_SKIPPED, skip_notice_id
from contracts.topics import DATA_PLATFORM_GROUP


@dataclass(frozen=True, slots=True)
class Event:
    """One event, wherever it was seen; `digest` stands for its content, empty where nobody looked."""

    event_id: str
    order_id: str
    seq: int
    digest: str = ""
    event_type: str = ""

    @property
    def is_skip_notice(self) -> bool:
        """Whether the worker told by it that an operator has given a number up."""
        notice_id = skip_notice_id(DATA_PLATFORM_GROUP, self.order_id, self.seq)
        return self.event_type == ORDER_EVENT_SKIPPED and self.event_id == notice_id


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as the database has it: its version, and the pieces per product."""

    order_id: str
    status: str
    version: int
    coupon_code: str | None
    pieces: dict[str, int]
    overdue: bool = False
    """PENDING, long after it should have expired."""


@dataclass(frozen=True, slots=True)
class PaymentRow:
    """A payment as the database has it, beside what its order costs."""

    reference: str
    order_id: str
    amount: int
    total: int
    accepted: bool
    version: int


@dataclass(slots=True)
class Evidence:
    """All that is left after a run. Lists stand in the order of the place they come from."""

    accepted: set[str] = field(default_factory=set)
    """Orders that were answered 202."""
    statuses: dict[str, str] = field(default_factory=dict)
    """The last status that a client was told, by order id."""
    keys: dict[str, set[str]] = field(default_factory=dict)
    """Every Idempotency-Key that was sent, with the orders that it was answered with."""
    key_owners: dict[str, str] = field(default_factory=dict)
    """The order that a key belongs to, as the database has it."""
    orders: list[OrderRow] = field(default_factory=list)
    outbox: list[Event] = field(default_factory=list)
    unpublished: set[str] = field(default_factory=set)
    """Event ids that are in the outbox and not marked published."""
    topic: list[Event] = field(default_factory=list)
    """In log order within each partition; a key lives in one partition."""
    inbox: dict[str, str] = field(default_factory=dict)
    """Status by event id."""
    arrivals: list[Event] = field(default_factory=list)
    """As the data platform took them, repeats included."""
    dead_letters: list[Event] = field(default_factory=list)
    """The dead-letter topic."""
    payments: list[PaymentRow] | None = None
    """None: nobody looked."""
    payments_told: dict[str, bool] = field(default_factory=dict)
    """By reference, whether its provider was told that the payment is accepted."""
    initial_stock: dict[str, int] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=dict)
    coupon_used: dict[str, int] = field(default_factory=dict)
    coupon_uses: dict[str, int] = field(default_factory=dict)
    coupon_limits: dict[str, int] = field(default_factory=dict)
    coupon_customer_uses: dict[str, int] = field(default_factory=dict)
    """The most uses of the coupon by one customer."""
    coupon_customer_limits: dict[str, int] = field(default_factory=dict)
