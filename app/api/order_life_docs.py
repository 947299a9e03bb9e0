"""What the documentation says about the doors through which an order goes on."""

from app.api.examples import CANCELLED_ORDER, FULFILLED_ORDER, ORDER, ORDER_PAGE, PAID_ORDER
from app.api.idempotency import HEADER, KEY_HEADER, REPLAYED_HEADER
from app.api.order_docs import ALWAYS, IF_NONE_MATCH, UNCHANGED
from app.api.schemas import OrderBody, OrderPage, OrderQuery
from kits.web.openapi import Answer, Operation

_REFUSALS = (
    "order_not_found",
    "invalid_transition",
    "precondition_failed",
    "invalid_request",
    "storage_refused",
    "payload_too_large",
    "idempotency_key_in_use",
    "idempotency_key_reused",
    *ALWAYS,
)
_KEYED = (
    "With an `Idempotency-Key` the request may be repeated: the same key for the same order, `If-Match` and "
    "body gets the same answer for 24 hours, also when the order has gone on."
)
_IF_MATCH = {
    "type": "string",
    "description": "The ETag of the order as the caller knows it; if it has changed since, nothing is done.",
    "examples": ['"1"'],
}


def _transition(summary: str, description: str, example: OrderBody, *problems: str) -> Operation:
    return Operation(
        summary=summary,
        description=f"{description} {_KEYED}",
        tag="orders",
        secured=True,
        path={"order_id": {"type": "string", "format": "uuid", "examples": [ORDER.order_id]}},
        request_headers={"If-Match": _IF_MATCH, HEADER: KEY_HEADER},
        answers=(
            Answer(
                200,
                "The order as it is now, or as it was right after an earlier request with the same key.",
                OrderBody,
                example,
                {"ETag": "The order's version, in quotes."},
                {REPLAYED_HEADER: "`true` when an earlier request with this key has taken this step."},
            ),
        ),
        problems=(*problems, *_REFUSALS),
    )


PAY_ORDER = _transition(
    "Pay an order",
    "PENDING -> PAID, for one of the caller's own orders, before its `expiresAt`. A payment that comes later "
    "is refused, and the order expires at once.",
    PAID_ORDER,
)

CANCEL_ORDER = _transition(
    "Cancel an order",
    "PENDING -> CANCELLED, for one of the caller's own orders. Its pieces are for sale again, and its coupon "
    "use counts no more. An order that is paid cannot be cancelled.",
    CANCELLED_ORDER,
)

FULFIL_ORDER = _transition(
    "Fulfil an order",
    "PAID -> FULFILLED, for the order of any customer. The token needs the scope `orders:fulfil`.",
    FULFILLED_ORDER,
    "forbidden",
)

LIST_ORDERS = Operation(
    summary="List one's own orders",
    description="Page by page, newest first. Follow `next` until it is null; orders placed meanwhile shift "
    "no page.",
    tag="orders",
    secured=True,
    query=OrderQuery,
    request_headers={"If-None-Match": IF_NONE_MATCH},
    answers=(Answer(200, "One page.", OrderPage, ORDER_PAGE, {"ETag": "What it says, hashed."}), UNCHANGED),
    problems=("invalid_request", *ALWAYS),
)
