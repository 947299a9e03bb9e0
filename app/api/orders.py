"""The shop's doors: place an order; and where all doors of orders stand."""

from collections.abc import Mapping
from typing import Any

from litestar import Request, Router, post
from litestar.middleware import DefineMiddleware
from litestar.openapi.spec import Link

from app.api.dependencies import GivenOrderEntry
from app.api.idempotency import KEY_HEADER, REPLAYED, REPLAYED_HEADER, idempotency_key
from app.api.order_bodies import accepted_order, order_address
from app.api.order_life import cancel_order, fulfil_order, pay_order
from app.api.order_looks import get_order, list_orders
from app.api.order_requests import ORDER_BODY, merged_items
from app.api.problems import customer_door
from app.api.quotes import quote_order
from app.api.schemas import ACCEPTED_ORDER, ORDER_REQUEST, AcceptedOrder
from app.application.commands import CreateOrder, ReplayedOrder
from app.domain.order import Order
from kits.observability.logs import get_logger
from kits.observability.traces import current_traceparent
from kits.web.documents.openapi import SECURED, answer_header, door
from kits.web.doors.answers import BytesAnswer, json_answer
from kits.web.tokens.verifier import Identity

log = get_logger(__name__)

_REFUSALS = customer_door(
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
    "client_reference_used",
    "order_refused",
    "storage_refused",
    "event_too_large",
    "idempotency_key_in_use",
    "idempotency_key_reused",
)
_STORED = Link(
    operation_id="get_orders_order_id",
    parameters={"order_id": "$response.body#/orderId"},
    description="The order as it stands.",
)

CustomerRequest = Request[Any, Identity, Any]


def order_routes(authentication: DefineMiddleware) -> Router:
    """`/orders`: a customer is the subject of the token."""
    handlers = [create_order, quote_order, get_order, list_orders, pay_order, cancel_order, fulfil_order]
    return Router(
        "/orders", route_handlers=handlers, middleware=[authentication], tags=["orders"], security=SECURED
    )


@post(
    status_code=202,
    summary="Place an order",
    response_description="The order is stored.",
    response_headers=[
        answer_header("Location", "The order's address."),
        answer_header("Retry-After", "Seconds after which a look is worth while."),
        REPLAYED_HEADER,
    ],
    operation_class=door(
        _REFUSALS,
        shows=ACCEPTED_ORDER,
        reads=ORDER_REQUEST,
        headers=[KEY_HEADER],
        links={"order": _STORED},
    ),
)
async def create_order(request: CustomerRequest, order_entry: GivenOrderEntry) -> BytesAnswer[AcceptedOrder]:
    """Checks the stock, takes it, applies the coupon and stores a PENDING order, in one transaction.

    The answer is 202: the order is stored, and its event reaches the data platform at least once. A refused
    order changes nothing. With an `Idempotency-Key` there is one order, however often the request is sent. A
    member that stands twice in the body is refused.
    """
    body = await ORDER_BODY.read(request)
    command = CreateOrder(
        order_id=order_entry.new_id(),
        customer_id=request.auth.subject,
        items=merged_items(body.items),
        coupon_code=body.coupon_code,
        traceparent=current_traceparent.get(),
        idempotency=idempotency_key(request.scope["headers"], body),
        client_reference=body.client_reference or None,
    )
    outcome = await order_entry.order_intake.create_order(command)
    if isinstance(outcome, ReplayedOrder):
        return _accepted(outcome.order, REPLAYED)
    log.debug("order_accepted", order_id=outcome.id, customer_id=outcome.customer_id)
    return _accepted(outcome, {})


def _accepted(order: Order, more: Mapping[str, str]) -> BytesAnswer[AcceptedOrder]:
    headers = {"location": order_address(order.id), "retry-after": "1", **more}
    return json_answer(accepted_order(order), status=202, headers=headers)
