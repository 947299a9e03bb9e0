"""What the shop's clients were told: the only truth that the pipeline can be held to."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

ACCEPTED = 202


@dataclass(slots=True)
class ClientRecord:
    """Filled by the load, compared by the checker."""

    keys: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Every Idempotency-Key that was sent; the orders that it was answered with."""
    statuses: dict[str, str] = field(default_factory=dict)
    """The last status that an order was told to have, by order id."""
    payments: dict[str, bool] = field(default_factory=dict)
    """By reference: whether the payment was answered as accepted or as refused."""
    answers: Counter[str] = field(default_factory=Counter)
    """By status and code; `lost` when nobody answered."""
    newest: list[str] = field(default_factory=list)
    """Accepted orders, oldest first; one whose first answer was lost stands where it was told."""

    @property
    def accepted(self) -> set[str]:
        """Orders that were answered 202."""
        return set(self.newest)

    def placed(self, key: str, order_id: str) -> None:
        """An answer 202."""
        if order_id not in self.statuses:
            self.newest.append(order_id)
            self.statuses[order_id] = "PENDING"
        self.keys[key].add(order_id)

    def moved(self, order_id: str, status: str) -> None:
        """An answer 200 to a step of the order's life."""
        self.statuses[order_id] = status
