"""Domain: a coupon, when it applies and what it takes off."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from app.domain.errors import CouponExhaustedError, CouponExpiredError, CouponNotApplicableError
from app.domain.money import percent_of


class CouponKind(StrEnum):
    """How a coupon's value is meant."""

    PERCENT = "percent"
    FIXED = "fixed"


def normal_code(code: str) -> str:
    """The form in which a code is kept: without blanks around it, in capital letters."""
    return code.strip(" \t").upper()


@dataclass(slots=True)
class Coupon:
    """A discount: `value` is a percentage (1-100) or minor units; None means no limit.

    Its code is in its normal form, however it was spelled.

    `used` counts all uses, `used_by` those of each customer that this transaction asks about.
    """

    code: str
    kind: CouponKind
    value: int
    currency: str | None = None
    minimum_subtotal: int = 0
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    total_limit: int | None = None
    customer_limit: int | None = None
    used: int = 0
    used_by: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.code = normal_code(self.code)

    def discount_on(self, subtotal: int, currency: str, *, customer_id: str, now: datetime) -> int:
        """The discount in minor units, at most `subtotal`; percentages round down.

        Raises:
            CouponExpiredError, CouponNotApplicableError, CouponExhaustedError: it does not apply.
        """
        self._require_validity(now)
        self._require_order(subtotal, currency)
        self._require_uses(customer_id)
        if self.kind is CouponKind.PERCENT:
            return percent_of(subtotal, self.value)
        return min(self.value, subtotal)

    def use(self, customer_id: str) -> None:
        """Count one use by this customer."""
        self.used += 1
        self.used_by[customer_id] += 1

    def _require_validity(self, now: datetime) -> None:
        if self.valid_from is not None and now < self.valid_from:
            raise CouponExpiredError(f"Coupon {self.code} is not valid yet.", coupon=self.code)
        if self.valid_until is not None and now >= self.valid_until:
            raise CouponExpiredError(f"Coupon {self.code} is no longer valid.", coupon=self.code)

    def _require_order(self, subtotal: int, currency: str) -> None:
        if self.currency is not None and self.currency != currency:
            raise CouponNotApplicableError(
                f"Coupon {self.code} is for orders in {self.currency}.", coupon=self.code
            )
        if subtotal < self.minimum_subtotal:
            raise CouponNotApplicableError(
                f"Coupon {self.code} needs an order of at least {self.minimum_subtotal}.",
                coupon=self.code,
                minimum=self.minimum_subtotal,
            )

    def _require_uses(self, customer_id: str) -> None:
        if self.total_limit is not None and self.used >= self.total_limit:
            raise CouponExhaustedError(f"Coupon {self.code} is used up.", coupon=self.code)
        if self.customer_limit is not None and self.used_by[customer_id] >= self.customer_limit:
            raise CouponExhaustedError(
                f"This customer has used coupon {self.code} as often as allowed.", coupon=self.code
            )
