"""What the documentation says about the doors for orders."""

from app.api.examples import ACCEPTED_ORDER, ORDER, ORDER_REQUEST
from app.api.idempotency import HEADER, KEY_HEADER, REPLAYED_HEADER
from app.api.schemas import AcceptedOrder, OrderBody, OrderRequest
from kits.web.openapi import Answer, Link, Operation

IF_NONE_MATCH = {
    "type": "string",
    "description": "ETags of what the caller has: if one of them is current, the answer is 304.",
    "examples": ['"1"'],
}
UNCHANGED = Answer(304, "The caller has it already.", headers={"ETag": "The one that is current."})
ALWAYS = (
    "unauthenticated",
    "invalid_token",
    "rate_limited",
    "overloaded",
    "internal_error",
    "storage_unavailable",
    "storage_busy",
    "storage_conflict",
)

CREATE_ORDER = Operation(
    summary="Place an order",
    description=(
        "Checks the stock, takes it, applies the coupon and stores a PENDING order, in one transaction. "
        "The answer is 202: the order is stored, and its event reaches the data platform at least once. "
        "A refused order changes nothing. With an `Idempotency-Key` the request may be repeated: the same "
        "key and body get the same answer for 24 hours, and there is one order. Blanks, the order of members "
        "and the spelling of the coupon's code do not make another body; a member that stands twice is "
        "refused."
    ),
    tag="orders",
    secured=True,
    request_headers={HEADER: KEY_HEADER},
    body=OrderRequest,
    body_example=ORDER_REQUEST,
    answers=(
        Answer(
            202,
            "The order is stored.",
            AcceptedOrder,
            ACCEPTED_ORDER,
            {"Location": "The order's address.", "Retry-After": "Seconds after which a look is worth while."},
            {REPLAYED_HEADER: "`true` when an earlier request with this key has placed the order."},
            links={
                "order": Link(
                    "get_orders_order_id", {"order_id": "$response.body#/orderId"}, "The order as it stands."
                )
            },
        ),
    ),
    problems=(
        "malformed_body",
        "payload_too_large",
        "unsupported_media_type",
        "invalid_request",
        "unknown_product",
        "out_of_stock",
        "mixed_currencies",
        "coupon_not_found",
        "coupon_expired",
        "coupon_not_applicable",
        "coupon_exhausted",
        "too_many_open_orders",
        "order_refused",
        "storage_refused",
        "event_too_large",
        "idempotency_key_in_use",
        "idempotency_key_reused",
        *ALWAYS,
    ),
)

GET_ORDER = Operation(
    summary="Look at an order",
    description="One of the caller's own orders, as it stands. Another customer's order is not found.",
    tag="orders",
    secured=True,
    path={"order_id": {"type": "string", "format": "uuid", "examples": [ORDER.order_id]}},
    request_headers={"If-None-Match": IF_NONE_MATCH},
    answers=(
        Answer(200, "The order.", OrderBody, ORDER, {"ETag": "The order's version, in quotes."}),
        UNCHANGED,
    ),
    problems=("order_not_found", "invalid_request", *ALWAYS),
)
