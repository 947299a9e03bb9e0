"""Every error code of the shop: its status, and what it means for the caller."""

from kits.web.problems.details import ProblemKind, Problems
from kits.web.problems.http_problems import HTTP_PROBLEMS


def _kind(status: int, code: str, title: str, meaning: str, retry: int | None = None) -> ProblemKind:
    return ProblemKind(code=code, status=status, title=title, meaning=meaning, retry_after_seconds=retry)


SHOP_PROBLEMS: tuple[ProblemKind, ...] = (
    _kind(
        404,
        "order_not_found",
        "There is no such order",
        "No order has this id, or it is another customer's.",
    ),
    _kind(404, "product_not_found", "There is no such product", "The shop does not sell it."),
    _kind(404, "no_such_coupon", "There is no such coupon", "No coupon has the code of the address."),
    _kind(
        409,
        "out_of_stock",
        "Too few pieces are left",
        "`product` has only `available` pieces left. Nothing was taken: order fewer, or take fewer out.",
    ),
    _kind(
        409,
        "stock_refused",
        "There would be too many pieces",
        "`product` has `available` pieces; with the movement it would have more than 2,000,000,000. Nothing "
        "was changed.",
    ),
    _kind(
        409,
        "client_reference_used",
        "Another order has this reference",
        "The customer's order `orderId` has this `clientReference`. Nothing was ordered: look at that one, "
        "which may be the same, sent before.",
    ),
    _kind(
        409,
        "coupon_exhausted",
        "The coupon is used up",
        "It was used as often as it may be, in all or by this customer. Order without it.",
    ),
    _kind(
        409,
        "invalid_transition",
        "The order cannot go there from where it stands",
        "`current` is where it stands: somebody was first, or its time to be paid is over. Trying again "
        "changes nothing. Of a payment: it is recorded as refused, and its money is to be given back.",
    ),
    _kind(
        409,
        "payment_reference_used",
        "The reference names the payment of another order",
        "A provider gives each payment a `reference` of its own. Nothing was recorded: take another one.",
    ),
    _kind(
        422,
        "payment_amount_mismatch",
        "The payment is not what the order costs",
        "The order costs `total` in `currency`; `amount` in `sentCurrency` was paid. Nothing was recorded.",
    ),
    _kind(
        412,
        "precondition_failed",
        "What was to be changed has changed",
        "`If-Match` names nothing that it is now; of an order `version` is the one it is at, `current` where "
        "it stands. Look at it and decide again.",
    ),
    _kind(422, "unknown_product", "A product does not exist", "The shop does not sell `product`."),
    _kind(
        422,
        "mixed_currencies",
        "The products have different currencies",
        "One order has one currency. Place an order for each.",
    ),
    _kind(
        422,
        "coupon_limits_too_low",
        "The coupon is used more often already",
        "`coupon` is used `used` times; its `totalLimit` must not be lower. Nothing was changed.",
    ),
    _kind(422, "coupon_not_found", "The coupon does not exist", "No coupon has the code `couponCode`."),
    _kind(
        422,
        "coupon_expired",
        "The coupon is not valid now",
        "It is not valid yet, or no longer. Order without it.",
    ),
    _kind(
        422,
        "coupon_not_applicable",
        "The coupon does not apply to this order",
        "The order is too small for it, or has another currency.",
    ),
    _kind(
        422, "order_refused", "The order is refused", "`detail` says why. The same order is refused again."
    ),
    _kind(
        422,
        "storage_refused",
        "The order cannot be stored",
        "The database refuses a value of it. Nothing was stored, and the same order is refused again.",
    ),
    _kind(
        422,
        "event_too_large",
        "The order is too large",
        "Its event is larger than the data platform's topic takes. Split the order.",
    ),
    _kind(
        409,
        "idempotency_key_in_use",
        "A request with this key is running",
        "Send the same request again after `Retry-After` seconds: it gets the first one's answer.",
        1,
    ),
    _kind(
        422,
        "idempotency_key_reused",
        "The key was used for another request",
        "An `Idempotency-Key` names one request and its body for 24 hours. Take a new one.",
    ),
    _kind(
        429,
        "too_many_open_orders",
        "Too many orders wait for their payment",
        "As many as `limit` orders of this customer hold stock unpaid. Nothing was ordered: pay or cancel "
        "one of them, or wait until one expires.",
        60,
    ),
    _kind(
        503,
        "storage_unavailable",
        "The database cannot be used now",
        "It is away, read-only, or lacks a table or a right: `detail` says it. If it went away meanwhile, it "
        "is unknown whether the request was done. Look, or send it again after `Retry-After` seconds.",
        1,
    ),
    _kind(
        503,
        "storage_busy",
        "What the request needs is busy",
        "Somebody else holds the order, a product or the coupon that the request names, or the database took "
        "too long over it. Nothing was stored. Send the same request again after `Retry-After` seconds.",
        1,
    ),
    _kind(
        503,
        "storage_conflict",
        "The database is busy",
        "Nothing was stored. Send the same request again after `Retry-After` seconds.",
        1,
    ),
)


_PROBLEMS = Problems(HTTP_PROBLEMS, SHOP_PROBLEMS)


def shop_problems() -> Problems:
    """All problem kinds of the order service."""
    return _PROBLEMS


def open_door(*codes: str) -> list[ProblemKind]:
    """What a door that is open to everybody may answer: these and what may always happen."""
    return _PROBLEMS.kinds(*codes, "internal_error", "overloaded", "storage_unavailable", "storage_busy")


def customer_door(*codes: str) -> list[ProblemKind]:
    """What a door for customers may answer."""
    return open_door(*codes, "unauthenticated", "invalid_token", "rate_limited", "storage_conflict")


def staff_door(*codes: str) -> list[ProblemKind]:
    """What a door for the shop's staff may answer."""
    return customer_door(*codes, "forbidden", "invalid_request", "storage_refused")
